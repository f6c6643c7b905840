//! What the receiving side says afterwards.

use super::*;
use crate::testing::GlassVault;

fn report(attempt: Option<u32>, digest: u8, feedback: Feedback) -> Command {
    Command::Report {
        attempt,
        feedback,
        reported_at: LATER,
        digest: [digest; 32],
        source: FeedbackSource::Dsn,
    }
}

pub(super) fn delivered(attempt: u32) -> Command {
    report(Some(attempt), 1, Feedback::Delivered)
}

pub(super) fn bounced(attempt: Option<u32>, digest: u8) -> Command {
    let status = EnhancedStatus::parse("5.1.1").ok();
    let (class, reason) = (BounceClass::Hard, BounceReason::NoSuchAddress);
    let feedback = Feedback::bounced(class, reason, status, Some("no such user"));
    report(attempt, digest, feedback)
}

fn types(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(Delivery::event_type).collect()
}

/// In doubt about attempt 1 and sent again, so that attempt 2 is open.
fn resent() -> Vec<Command> {
    then(
        attempting(),
        vec![
            doubt(1, DoubtPolicy::ResendOnce),
            attempt_at(LATER, permit(Standing::Active)),
        ],
    )
}

#[test]
fn whoever_speaks_of_a_message_in_doubt_has_it() {
    let sent_and = |kind| vec!["delivery.Sent", kind];
    let once = then(attempting(), vec![doubt(1, DoubtPolicy::Hold)]);
    let twice = then(resent(), vec![doubt(2, DoubtPolicy::ResendOnce)]);
    let due_again = then(attempting(), vec![doubt(1, DoubtPolicy::ResendOnce)]);
    for (held, attempt, taken) in [
        (once.clone(), Some(1), 1),
        (once.clone(), None, 1),
        // One that was made in what a restore has lost.
        (once, Some(3), 1),
        (twice.clone(), Some(1), 1),
        (twice, None, 2),
        // It need not be sent again.
        (due_again, Some(1), 1),
        // Nor when the second one was refused.
        (then(resent(), vec![failed(2)]), Some(1), 1),
        (resent(), Some(1), 1),
    ] {
        let state = after(held);
        let events = state.decide(bounced(attempt, 7)).unwrap();
        assert_eq!(types(&events), sent_and("delivery.Bounced"));
        let state = events.iter().fold(state, Delivery::evolve);
        assert!(
            matches!(&state, Delivery::Settled { outcome: Outcome::Sent { attempt }, .. } if *attempt == taken),
            "{state:?}"
        );
    }
}

#[test]
fn a_doubt_about_an_attempt_that_was_spoken_of_is_none() {
    let heard = after(then(attempting(), vec![delivered(1)]));
    assert_eq!(heard.accounting_class(), Some(AccountingClass::Pending));
    for policy in [DoubtPolicy::Hold, DoubtPolicy::ResendOnce] {
        let events = heard.decide(doubt(1, policy)).unwrap();
        assert_eq!(types(&events), ["delivery.Sent"]);
    }
    // Of another attempt nothing is proved.
    let unspoken = after(then(resent(), vec![bounced(None, 7)]));
    let events = unspoken.decide(doubt(2, DoubtPolicy::Hold)).unwrap();
    assert_eq!(types(&events), ["delivery.InDoubt"]);
}

#[test]
fn what_is_settled_keeps_its_class() {
    let doubtful = then(attempting(), vec![doubt(1, DoubtPolicy::ResendOnce)]);
    for settled in [
        then(attempting(), vec![sent(1)]),
        then(attempting(), vec![failed(1)]),
        then(doubtful.clone(), vec![suppress()]),
        then(doubtful, vec![cancel()]),
    ] {
        let before = after(settled);
        let events = before.decide(bounced(Some(1), 7)).unwrap();
        assert_eq!(types(&events), ["delivery.Bounced"]);
        let state = events.iter().fold(before.clone(), Delivery::evolve);
        assert_eq!(state.accounting_class(), before.accounting_class());
        assert_ne!(state, before);
    }
}

#[test]
fn each_report_is_taken_once_and_not_more_than_eight() {
    let mut commands = then(attempting(), vec![sent(1), bounced(Some(1), 0)]);
    assert_eq!(after(commands.clone()).decide(bounced(None, 0)), Ok(vec![]));
    let tried_again = then(attempting(), vec![delivered(1), failed(1), reopen()]);
    assert_eq!(after(tried_again).decide(delivered(1)), Ok(vec![]));
    for digest in 1..8 {
        commands.push(bounced(Some(1), digest));
    }
    let full = after(commands);
    assert_eq!(full.tries().unwrap().heard.len(), HEARD_MAX);
    assert_eq!(full.decide(bounced(Some(1), 9)), Err(Refusal::HeardEnough));
    assert_eq!(full.decide(bounced(Some(1), 7)), Ok(vec![]), "known");
}

#[test]
fn a_complaint_is_taken_however_much_was_said_before() {
    let mut commands = then(attempting(), vec![sent(1)]);
    let late = || Feedback::bounced(BounceClass::Soft, BounceReason::Expired, None, None);
    commands.extend((0..8).map(|digest| report(Some(1), digest, late())));
    let full = after(commands);
    let one_more = full.decide(report(Some(1), 9, late()));
    assert_eq!(one_more, Err(Refusal::HeardEnough));
    let kind = ComplaintKind::Abuse;
    let complained = report(Some(1), 10, Feedback::Complained { kind });
    let events = full.decide(complained).unwrap();
    assert_eq!(types(&events), ["delivery.Complained"]);
}

#[test]
fn of_a_message_that_never_left_nothing_is_taken() {
    for state in [
        after(planned()),
        after(then(planned(), vec![render_failed()])),
    ] {
        assert_eq!(state.decide(delivered(1)), Err(Refusal::NeverAttempted));
    }
    let none = Delivery::default();
    assert_eq!(none.decide(delivered(1)), Err(Refusal::NotFound));
}

#[test]
fn the_attempt_is_named_when_there_was_only_one() {
    let attempt_of = |commands: Vec<Command>, named| match after(commands)
        .decide(bounced(named, 7))
        .unwrap()
        .last()
    {
        Some(Event::Reported { attempt, .. }) => *attempt,
        other => panic!("{other:?}"),
    };
    assert_eq!(attempt_of(attempting(), None), 1);
    assert_eq!(attempt_of(resent(), None), 0);
    assert_eq!(attempt_of(resent(), Some(3)), 0);
    assert_eq!(attempt_of(resent(), Some(2)), 2);
}

proptest! {
    #[test]
    fn a_status_that_is_shown_parses_to_itself(text in "[0-9.]{0,12}|\\PC{0,12}") {
        if let Ok(status) = EnhancedStatus::parse(&text) {
            prop_assert_eq!(status.as_str(), text.as_str());
            let [class, subject, detail] = status.numbers();
            prop_assert!(class <= 9 && subject <= 999 && detail <= 999);
        }
    }
}

#[test]
fn only_the_three_numbers_are_a_status() {
    let unknown = |text: &str| {
        let status = EnhancedStatus::parse(text).unwrap();
        EnhancedStatus::is_unknown(status.numbers())
    };
    for text in ["5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10"] {
        assert!(unknown(text), "{text}");
    }
    for text in [
        "4.1.1", "5.0.0", "5.1.0", "5.1.7", "5.1.8", "5.2.1", "5.7.1",
    ] {
        assert!(!unknown(text), "{text}");
    }
    let ok = EnhancedStatus::parse("5.1.10").unwrap();
    assert_eq!(ok.numbers(), [5, 1, 10]);
    for bad in ["", "5.1", "5.1.1.1", "55.1.1", "5.1.1 ", "5.1111.1", "5..1"] {
        assert!(EnhancedStatus::parse(bad).is_err(), "{bad}");
    }
}

/// Computed apart, by the length of every part and HMAC-SHA256.
#[test]
fn the_digest_of_a_report_never_changes() {
    let key = crate::id::IdKey::new([7; 32]);
    let name = "a@mx.example.net";
    let digest = report_digest(&key, Uuid::from_u128(1), FeedbackSource::Dsn, name);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        "c22b9d0c6c5805c518580c8ab38d2f4e02bc9a604e0ac1777b7dafa4e0372b89"
    );
}

#[test]
fn words_of_a_later_version_are_read_as_ones_nobody_acts_on() {
    let bounced = tidings_proto::delivery::Bounced {
        class: "temporary".to_owned(),
        reason: "mailbox_moved".to_owned(),
        status: "5.1.1.1".to_owned(),
        event_digest: vec![7; 32].into(),
        ..Default::default()
    };
    let complained = tidings_proto::delivery::Complained {
        kind: "rude".to_owned(),
        event_digest: vec![7; 32].into(),
        ..Default::default()
    };
    for (wire, read) in [
        (
            bounced.into(),
            Feedback::bounced(BounceClass::Soft, BounceReason::Other, None, None),
        ),
        (
            complained.into(),
            Feedback::Complained {
                kind: ComplaintKind::Other,
            },
        ),
    ] {
        match Delivery::decode(&wire, &GlassVault) {
            Ok(Event::Reported { feedback, .. }) => assert_eq!(feedback, read),
            other => panic!("{other:?}"),
        }
    }
}
