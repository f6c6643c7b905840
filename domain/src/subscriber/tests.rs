//! Subscriber decisions.

use uuid::Uuid;

use super::*;
use crate::aggregate::fold;
use crate::preferences::Given;
use crate::testing::table;
use crate::topic::ByDefault;

const TOPIC: Uuid = Uuid::from_u128(9);
const CHANNEL: Uuid = Uuid::from_u128(10);

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
        address_suppression_id: Uuid::from_u128(2),
        evidence: None,
    }
}

fn unsubscribed(what: What) -> Event {
    Event::Unsubscribed {
        method: UnsubscribeMethod::OneClick,
        delivery_id: None,
        evidence: None,
        what,
    }
}

fn unsubscribe(what: What) -> Command {
    Command::Unsubscribe {
        method: UnsubscribeMethod::OneClick,
        delivery_id: None,
        evidence: None,
        what,
    }
}

fn resubscribed() -> Event {
    back_to(What::Everything)
}

fn back_to(what: What) -> Event {
    Event::Resubscribed {
        method: ResubscribeMethod::Page,
        evidence: None,
        what,
    }
}

fn resubscribe(what: What) -> Command {
    Command::Resubscribe {
        method: ResubscribeMethod::Page,
        evidence: None,
        what,
    }
}

fn preferences(language: &str) -> Preferences {
    let given = Given {
        language: Some(language.to_owned()),
        ..Given::default()
    };
    Preferences::parse(&given).unwrap()
}

fn change_preferences() -> Command {
    Command::ChangePreferences {
        preferences: preferences("de"),
        method: PreferencesMethod::Page,
        evidence: None,
    }
}

fn move_to(email: &str) -> Command {
    Command::ChangeContact {
        email: EmailAddress::parse(email).unwrap(),
        address_id: Uuid::from_u128(11),
        address_suppression_id: Uuid::from_u128(12),
        domain_suppression_id: Uuid::from_u128(13),
        method: ContactMethod::Api,
    }
}

fn moved() -> Event {
    let state = fold::<Subscriber>(&[active()]);
    state.decide(move_to("ada@example.net")).unwrap().remove(0)
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
                vec![active(), unsubscribed(What::Topic(TOPIC))],
            ),
            (
                "active, channel left",
                vec![active(), unsubscribed(What::Channel(CHANNEL))],
            ),
            (
                "active, asked for topic",
                vec![active(), back_to(What::Topic(TOPIC))],
            ),
            (
                "unsubscribed",
                vec![active(), unsubscribed(What::Everything)],
            ),
            (
                "come back",
                vec![active(), unsubscribed(What::Everything), resubscribed()],
            ),
            ("moved", vec![active(), moved()]),
            ("moved, pending", vec![pending(), moved()]),
            ("erasing", vec![active(), erasure_requested()]),
            ("erased", vec![active(), erasure_requested(), erased()]),
        ],
        &[
            ("sign up", sign_up),
            ("confirm", || confirm(0)),
            ("confirm again", || confirm(1)),
            ("vouch for", || Command::Vouch {
                method: ConfirmMethod::Api,
                consent: None,
            }),
            ("unsubscribe", || unsubscribe(What::Everything)),
            ("leave topic", || unsubscribe(What::Topic(TOPIC))),
            ("leave channel", || unsubscribe(What::Channel(CHANNEL))),
            ("resubscribe", || resubscribe(What::Everything)),
            ("restored", || Command::Resubscribe {
                method: ResubscribeMethod::Restored,
                evidence: None,
                what: What::Everything,
            }),
            ("back to topic", || resubscribe(What::Topic(TOPIC))),
            ("back to channel", || resubscribe(What::Channel(CHANNEL))),
            ("change preferences", change_preferences),
            ("change address", || move_to("ada@example.net")),
            ("keep address", || move_to("ada@example.org")),
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
        standing(&[active(), unsubscribed(What::Topic(TOPIC))]),
        Standing::Active
    );
    assert_eq!(
        standing(&[active(), unsubscribed(What::Everything)]),
        Standing::Unsubscribed
    );
    assert_eq!(
        standing(&[active(), unsubscribed(What::Everything), resubscribed()]),
        Standing::Active
    );
    assert_eq!(standing(&[pending()]), Standing::Pending);
    assert_eq!(
        standing(&[pending(), unsubscribed(What::Everything), resubscribed()]),
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
    for late in [unsubscribed(What::Everything), resubscribed(), active()] {
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
        unsubscribed(What::Everything),
        unsubscribed(What::Topic(TOPIC)),
        resubscribed(),
    ]);
    let choices = &state.profile().unwrap().choices;
    assert!(!choices.wants(TOPIC, ByDefault::In));
}

#[test]
fn who_left_everything_does_not_come_back_by_one_topic_or_channel() {
    for what in [What::Topic(TOPIC), What::Channel(CHANNEL)] {
        let history = [active(), unsubscribed(What::Everything), back_to(what)];
        let standing = fold::<Subscriber>(&history).standing();
        assert_eq!(standing, Standing::Unsubscribed);
    }
}

#[test]
fn preferences_say_what_of_them_has_changed_and_move_no_consent() {
    let state = fold::<Subscriber>(&[active(), unsubscribed(What::Everything)]);
    let events = state.decide(change_preferences()).unwrap();
    let [Event::PreferencesChanged { changed, .. }] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(changed, &[Part::Language]);
    let after = state.evolve(&events[0]);
    assert_eq!(after.standing(), Standing::Unsubscribed);
    assert_eq!(after.decide(change_preferences()), Ok(vec![]));
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
        let mut history = vec![first, unsubscribed(What::Everything)];
        let left = fold::<Subscriber>(&history);
        assert_eq!(left.decide(confirm(0)), Err(Refusal::LeftSince));
        history.extend(left.decide(confirm(1)).unwrap());
        assert!(matches!(history[3], Event::Resubscribed { .. }));
        let back = fold::<Subscriber>(&history);
        assert_eq!(back.standing(), Standing::Active);
        // The same link once more, after they have left again: it has had its day.
        history.push(unsubscribed(What::Everything));
        let left = fold::<Subscriber>(&history);
        assert_eq!(left.decide(confirm(1)), Err(Refusal::LeftSince));
    }
}

#[test]
fn an_address_is_changed_and_consent_stays() {
    for (first, then) in [
        (vec![active()], Standing::Active),
        (vec![pending()], Standing::Pending),
        (
            vec![active(), unsubscribed(What::Everything)],
            Standing::Unsubscribed,
        ),
    ] {
        let mut history = first;
        history.extend(
            fold::<Subscriber>(&history)
                .decide(move_to("ada@example.net"))
                .unwrap(),
        );
        let state = fold::<Subscriber>(&history);
        assert_eq!(state.standing(), then);
        let profile = state.profile().unwrap();
        assert_eq!(profile.email.known().unwrap().as_str(), "ada@example.net");
        let ids = (
            profile.address_id,
            profile.address_suppression_id,
            profile.domain_suppression_id,
        );
        assert_eq!(
            ids,
            (
                Uuid::from_u128(11),
                Uuid::from_u128(12),
                Uuid::from_u128(13)
            )
        );
        assert_eq!(profile.suppression_before_change(0), Uuid::from_u128(2));
        assert_eq!(profile.suppression_before_change(1), Uuid::from_u128(12));
        assert!(profile.gave_up(Uuid::from_u128(2)) && !profile.gave_up(Uuid::from_u128(12)));
    }
}

#[test]
fn the_mailbox_they_gave_up_does_not_confirm() {
    let state = fold::<Subscriber>(&[pending(), moved()]);
    assert_eq!(state.decide(confirm(0)), Err(Refusal::MovedSince));
}

#[test]
fn of_whoever_is_being_erased_the_address_does_not_change() {
    let before = fold::<Subscriber>(&[active(), erasure_requested()]);
    assert_eq!(before.clone().evolve(&moved()), before);
}
