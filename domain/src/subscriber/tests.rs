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
    }
}

fn active() -> Event {
    signed_up(Confirmation::NotRequired)
}

fn pending() -> Event {
    signed_up(Confirmation::Pending(Code::from_static("double_opt_in")))
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
