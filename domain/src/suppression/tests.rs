//! Suppression decisions.

use super::{Command, Event, Reason, Scope, Suppression};
use crate::aggregate::{Aggregate as _, fold};
use crate::testing::table;

fn added(reason: Reason) -> Event {
    Event::Added {
        scope: Scope::Address,
        reason,
        delivery_id: None,
        value: None,
    }
}

fn add(reason: Reason) -> Command {
    Command::Add {
        scope: Scope::Address,
        reason,
        delivery_id: None,
        value: None,
    }
}

fn lifted(reasons: &[Reason]) -> Event {
    Event::Lifted {
        reasons: reasons.to_vec(),
    }
}

/// Given what stands, when a delivery shows that nobody has the address, then that stands too, once, and names nobody.
#[test]
fn a_delivery_that_shows_something_adds_it_once() {
    let delivery_id = uuid::Uuid::from_u128(7);
    let shown = || Command::shown_by(delivery_id, Reason::HardBounce);
    let then = Event::Added {
        scope: Scope::Address,
        reason: Reason::HardBounce,
        delivery_id: Some(delivery_id),
        value: None,
    };
    for given in [vec![], vec![added(Reason::Complaint)]] {
        let Ok(events) = fold::<Suppression>(&given).decide(shown());
        assert_eq!(events, std::slice::from_ref(&then));
    }
    let Ok(events) = fold::<Suppression>(&[then]).decide(shown());
    assert_eq!(events, []);
}

#[test]
fn every_command_in_every_state() {
    let table = table::<Suppression>(
        &[
            ("clear", vec![]),
            ("complaint", vec![added(Reason::Complaint)]),
            (
                "lifted",
                vec![added(Reason::Complaint), lifted(&[Reason::Complaint])],
            ),
        ],
        &[
            ("add complaint", || add(Reason::Complaint)),
            ("add manual", || add(Reason::Manual)),
            ("lift complaint", || Command::Lift {
                reasons: vec![Reason::Complaint],
            }),
            ("lift manual", || Command::Lift {
                reasons: vec![Reason::Manual],
            }),
            ("lift nothing", || Command::Lift { reasons: vec![] }),
            ("lift all", || Command::Lift {
                reasons: Reason::ALL.to_vec(),
            }),
        ],
    );
    insta::assert_snapshot!(table);
}

#[test]
fn it_stands_while_any_reason_stands() {
    let mut history = vec![added(Reason::Manual), added(Reason::HardBounce)];
    let lift = Command::Lift {
        reasons: vec![Reason::Manual, Reason::Import],
    };
    let events = fold::<Suppression>(&history).decide(lift).unwrap();
    assert_eq!(events, [lifted(&[Reason::Manual])]);
    history.extend(events);
    let state = fold::<Suppression>(&history);
    assert!(state.is_suppressed());
    assert_eq!(state.reasons(), [Reason::HardBounce]);
    history.push(lifted(&[Reason::HardBounce]));
    assert!(!fold::<Suppression>(&history).is_suppressed());
}

#[test]
fn somebody_may_be_asked_unless_more_than_their_own_word_stands_against_it() {
    use crate::delivery::Purpose;
    let forbids = |reasons: &[Reason]| {
        let history: Vec<_> = reasons.iter().copied().map(added).collect();
        let state = fold::<Suppression>(&history);
        [Purpose::Mail, Purpose::AskForConsent, Purpose::OwnData]
            .map(|purpose| state.forbids(purpose))
    };
    assert_eq!(forbids(&[]), [false, false, false]);
    for reason in Reason::ALL {
        let own = matches!(
            reason,
            Reason::Erased | Reason::Unsubscribed | Reason::Moved
        );
        assert_eq!(forbids(&[*reason]), [true, !own, true], "{reason}");
    }
    assert_eq!(
        forbids(&[Reason::Unsubscribed, Reason::Manual]),
        [true, true, true]
    );
}
