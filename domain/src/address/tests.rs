//! Address decisions.

use uuid::Uuid;

use super::{Address, Command, Event};
use crate::testing::table;

const ADA: Uuid = Uuid::from_u128(1);
const BOB: Uuid = Uuid::from_u128(2);

#[test]
fn every_command_in_every_state() {
    let claimed = Event::Claimed { subscriber_id: ADA };
    let table = table::<Address>(
        &[
            ("free", vec![]),
            ("held by ada", vec![claimed]),
            (
                "released",
                vec![claimed, Event::Released { subscriber_id: ADA }],
            ),
        ],
        &[
            ("ada claims", || Command::Claim { subscriber_id: ADA }),
            ("bob claims", || Command::Claim { subscriber_id: BOB }),
            ("ada releases", || Command::Release { subscriber_id: ADA }),
            ("bob releases", || Command::Release { subscriber_id: BOB }),
        ],
    );
    insta::assert_snapshot!(table);
}
