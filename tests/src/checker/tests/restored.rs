//! Logs that were put back to an earlier state.

use tidings_proto::{delivery, log};
use uuid::Uuid;

use super::{DELIVERY, READER, Story};

/// A log that was put back, and learnt of an attempt to somebody who has left meanwhile.
fn learnt_again(reason: &str) -> Story {
    let in_doubt = delivery::InDoubt {
        attempt: 1,
        reason: reason.to_owned(),
        ..delivery::InDoubt::default()
    };
    let story = Story::planned().leaves(READER);
    let story = story.then(Uuid::from_u128(13), &log::Restored::default());
    story.attempted(1).then(DELIVERY, &in_doubt)
}

#[test]
fn an_attempt_that_a_restored_log_had_lost_may_stand_after_an_unsubscribe() {
    learnt_again("restored").with_copies(1);
}

#[test]
#[should_panic(expected = "attempted although it was forbidden (unsubscribed), at 9")]
fn an_attempt_of_a_restored_log_itself_may_not() {
    learnt_again("process_died").with_copies(1);
}
