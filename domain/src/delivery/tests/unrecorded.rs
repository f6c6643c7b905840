//! An attempt that only somebody else remembers.

use super::*;

pub(super) fn doubt_unrecorded() -> Command {
    Command::DoubtUnrecorded {
        attempt: 2,
        planned_at: NOW,
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
        // Of one attempt more nobody has told.
        if attempt == 2 {
            assert_eq!(held.decide(doubt_unrecorded()), Ok(vec![]));
        }
    }
    assert_eq!(
        Delivery::default().decide(doubt_unrecorded()),
        Err(Refusal::NotFound)
    );
}

#[test]
fn an_attempt_after_a_lost_reopening_is_held_in_doubt_once() {
    for settled in [failed(1), doubt(1, DoubtPolicy::Hold)] {
        let settled = after(then(attempting(), vec![settled]));
        let events = settled.decide(doubt_unrecorded()).unwrap();
        assert!(matches!(
            events[..],
            [
                Event::Reopened { attempts: 1, .. },
                Event::Attempted { attempt: 2, .. },
                Event::InDoubt { attempt: 2, .. },
            ]
        ));
        let held = events.iter().fold(settled, Delivery::evolve);
        assert_eq!(held.accounting_class(), Some(AccountingClass::InDoubt));
        assert_eq!(held.decide(doubt_unrecorded()), Ok(vec![]));
    }
}

#[test]
fn an_attempt_that_the_log_has_the_word_of_stays_settled() {
    let twice = then(
        attempting(),
        vec![
            deferred(1, NOW),
            attempt_at(LATER, permit(Standing::Active)),
            failed(2),
        ],
    );
    assert_eq!(after(twice).decide(doubt_unrecorded()), Ok(vec![]));
}
