//! An attempt that only somebody else remembers.

use super::*;

pub(super) fn doubt_unrecorded() -> Command {
    Command::DoubtUnrecorded {
        instance: Uuid::from_u128(6),
        deadline: DEADLINE,
        subscriber_version: 1,
        channel_version: 2,
    }
}

#[test]
fn an_attempt_that_the_log_has_lost_is_held_in_doubt_once() {
    for pending in [planned(), then(attempting(), vec![deferred(1, NOW)])] {
        let pending = after(pending);
        let attempt = pending.tries().unwrap().attempts + 1;
        let events = pending.decide(doubt_unrecorded()).unwrap();
        assert!(matches!(
            events[..],
            [
                Event::Attempted { attempt: first, .. },
                Event::InDoubt {
                    attempt: second,
                    reason: DoubtReason::Restored,
                    retry_at: None,
                },
            ] if (first, second) == (attempt, attempt)
        ));
        let held = events.iter().fold(pending, Delivery::evolve);
        assert_eq!(held.accounting_class(), Some(AccountingClass::InDoubt));
        assert_eq!(held.decide(doubt_unrecorded()), Ok(vec![]));
    }
    assert_eq!(
        Delivery::default().decide(doubt_unrecorded()),
        Err(Refusal::NotFound)
    );
}
