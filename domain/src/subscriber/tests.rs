//! Subscriber decisions.

use uuid::Uuid;

use super::*;
use crate::aggregate::fold;
use crate::testing::table;

const TOPIC: Uuid = Uuid::from_u128(9);

fn signed_up(confirmation: Confirmation) -> Event {
    Event::SignedUp {
        email: Personal::Known(EmailAddress::parse("ada@example.org").unwrap()),
        name: None,
        attributes: None,
        address_id: Uuid::from_u128(1),
        address_suppression_id: Uuid::from_u128(2),
        domain_suppression_id: Uuid::from_u128(3),
        source: Source::Api,
        import_id: None,
        confirmation,
        consent: None,
        evidence: None,
    }
}

fn active() -> Event {
    signed_up(Confirmation::NotRequired)
}

fn pending() -> Event {
    signed_up(Confirmation::Pending(Code::from_static("required")))
}

fn sign_up() -> Command {
    Command::SignUp {
        email: EmailAddress::parse("ada@example.org").unwrap(),
        name: None,
        attributes: Some(Attributes::default()),
        address_id: Uuid::from_u128(1),
        address_suppression_id: Uuid::from_u128(2),
        domain_suppression_id: Uuid::from_u128(3),
        source: Source::Api,
        import_id: None,
        confirm: false,
        consent: None,
        evidence: None,
    }
}

fn confirm(departures: u32) -> Command {
    Command::Confirm {
        delivery_id: Uuid::from_u128(5),
        departures,
        evidence: None,
    }
}

fn unsubscribed(topic_id: Option<Uuid>) -> Event {
    Event::Unsubscribed {
        method: UnsubscribeMethod::OneClick,
        delivery_id: None,
        evidence: None,
        topic_id,
    }
}

fn unsubscribe(topic_id: Option<Uuid>) -> Command {
    Command::Unsubscribe {
        method: UnsubscribeMethod::OneClick,
        delivery_id: None,
        evidence: None,
        topic_id,
    }
}

fn resubscribed() -> Event {
    Event::Resubscribed {
        method: ResubscribeMethod::Page,
        evidence: None,
    }
}

fn erasure_requested() -> Event {
    Event::ErasureRequested {
        basis: ErasureBasis::Request,
        asked_at: None,
        address_id: Uuid::from_u128(1),
        address_suppression_id: Uuid::from_u128(2),
        restored_event_id: None,
    }
}

fn erased() -> Event {
    Event::Erased {
        shredded: vec![],
        remains: Remains::ALL.to_vec(),
    }
}

#[test]
fn every_command_in_every_state() {
    let table = table::<Subscriber>(
        &[
            ("unknown", vec![]),
            ("pending", vec![pending()]),
            ("active", vec![active()]),
            (
                "active, topic left",
                vec![active(), unsubscribed(Some(TOPIC))],
            ),
            ("unsubscribed", vec![active(), unsubscribed(None)]),
            (
                "come back",
                vec![active(), unsubscribed(None), resubscribed()],
            ),
            ("erasing", vec![active(), erasure_requested()]),
            ("erased", vec![active(), erasure_requested(), erased()]),
        ],
        &[
            ("sign up", sign_up),
            ("confirm", || confirm(0)),
            ("confirm again", || confirm(1)),
            ("unsubscribe", || unsubscribe(None)),
            ("leave topic", || unsubscribe(Some(TOPIC))),
            ("resubscribe", || Command::Resubscribe {
                method: ResubscribeMethod::Page,
                evidence: None,
            }),
            ("request erasure", || Command::RequestErasure {
                basis: ErasureBasis::Request,
                asked_at: None,
                restored_event_id: None,
            }),
            ("complete erasure", || Command::CompleteErasure {
                shredded: vec![],
            }),
        ],
    );
    insta::assert_snapshot!(table);
}

#[test]
fn signing_up_records_what_was_given() {
    assert_eq!(Subscriber::default().decide(sign_up()), Ok(vec![active()]));
}

#[test]
fn standing_follows_consent() {
    let standing = |events: &[Event]| fold::<Subscriber>(events).standing();
    assert_eq!(standing(&[]), Standing::Erased);
    assert_eq!(standing(&[active()]), Standing::Active);
    assert_eq!(
        standing(&[active(), unsubscribed(Some(TOPIC))]),
        Standing::Active
    );
    assert_eq!(
        standing(&[active(), unsubscribed(None)]),
        Standing::Unsubscribed
    );
    assert_eq!(
        standing(&[active(), unsubscribed(None), resubscribed()]),
        Standing::Active
    );
    assert_eq!(standing(&[pending()]), Standing::Pending);
    assert_eq!(
        standing(&[pending(), unsubscribed(None), resubscribed()]),
        Standing::Pending
    );
}

#[test]
fn an_erased_subscriber_gets_no_mail() {
    let mut event = active();
    if let Event::SignedUp { email, .. } = &mut event {
        *email = Personal::Erased;
    }
    assert_eq!(fold::<Subscriber>(&[event]).standing(), Standing::Erased);
}

#[test]
fn nothing_brings_back_who_was_erased() {
    let history = [active(), erasure_requested()];
    for late in [unsubscribed(None), resubscribed(), active()] {
        for done in [None, Some(erased())] {
            let events = history.iter().cloned().chain(done).chain([late.clone()]);
            let state = fold::<Subscriber>(&events.collect::<Vec<_>>());
            assert_eq!(state.standing(), Standing::Erased);
        }
    }
}

#[test]
fn an_erasure_that_nobody_asked_for_is_none() {
    let state = fold::<Subscriber>(&[active(), erased()]);
    assert_eq!(state.standing(), Standing::Active);
}

#[test]
fn a_topic_stays_left_after_coming_back() {
    let state = fold::<Subscriber>(&[
        active(),
        unsubscribed(None),
        unsubscribed(Some(TOPIC)),
        resubscribed(),
    ]);
    assert_eq!(
        state.profile().map(|p| p.left_topics.as_slice()),
        Some([TOPIC].as_slice())
    );
}

#[test]
fn who_has_to_confirm_gets_mail_from_then_on() {
    let mut command = sign_up();
    if let Command::SignUp { confirm, .. } = &mut command {
        *confirm = true;
    }
    let mut history = Subscriber::default().decide(command).unwrap();
    assert_eq!(history, [pending()]);
    history.extend(fold::<Subscriber>(&history).decide(confirm(0)).unwrap());
    let state = fold::<Subscriber>(&history);
    assert_eq!(state.standing(), Standing::Active);
    assert_eq!(state.decide(confirm(0)), Ok(vec![]), "once is enough");
}

#[test]
fn a_confirmation_brings_back_whoever_was_asked_after_they_had_left() {
    for first in [active(), pending()] {
        let mut history = vec![first, unsubscribed(None)];
        let left = fold::<Subscriber>(&history);
        assert_eq!(left.decide(confirm(0)), Err(Refusal::LeftSince));
        history.extend(left.decide(confirm(1)).unwrap());
        assert!(matches!(history[3], Event::Resubscribed { .. }));
        let back = fold::<Subscriber>(&history);
        assert_eq!(back.standing(), Standing::Active);
        // The same link once more, after they have left again: it has had its day.
        history.push(unsubscribed(None));
        let left = fold::<Subscriber>(&history);
        assert_eq!(left.decide(confirm(1)), Err(Refusal::LeftSince));
    }
}
