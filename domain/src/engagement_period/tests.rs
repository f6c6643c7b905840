//! When a month's evidence goes.

use uuid::Uuid;

use super::{CloseReason, Command, EngagementPeriod, Event};
use crate::testing::table;
use crate::value::{Code, Month};

fn month() -> Month {
    Month::parse("2026-09").unwrap()
}

#[test]
fn every_command_in_every_state() {
    let (month, key_id) = (month(), Uuid::from_u128(1));
    let closed = Event::Closed {
        month,
        reason: Code::from_static(CloseReason::Age.as_str()),
    };
    let shredded = Event::Shredded { month, key_id };
    let table = table::<EngagementPeriod>(
        &[
            ("open", vec![]),
            ("closed", vec![closed.clone()]),
            ("shredded", vec![closed, shredded]),
        ],
        &[
            ("close", || Command::Close {
                month: self::month(),
                reason: CloseReason::Age,
            }),
            ("note shredded", || Command::NoteShredded {
                month: self::month(),
                key_id: Uuid::from_u128(1),
            }),
        ],
    );
    insta::assert_snapshot!(table);
}
