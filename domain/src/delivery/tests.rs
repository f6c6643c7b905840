//! Delivery decisions: the table, late outcomes, and what holds over any sequence of commands.

mod again;
mod asks;
mod forbidden;
mod reported;
mod unrecorded;

use proptest::prelude::*;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::retry::{Family, Trouble};
use super::*;
use crate::aggregate::fold;
use crate::subscriber::Standing;
use crate::testing::table;
use reported::{bounced, delivered};
use unrecorded::doubt_unrecorded;

const NOW: OffsetDateTime = datetime!(2026-01-02 03:04:05 UTC);
const DEADLINE: OffsetDateTime = datetime!(2026-01-02 03:19:05 UTC);
const LATER: OffsetDateTime = datetime!(2026-01-03 00:00:00 UTC);
const ID: Uuid = Uuid::from_u128(1);

fn code() -> Code {
    Code::from_static("greylisted")
}

fn plan() -> Plan {
    Plan {
        cause: Cause::Publication(Uuid::from_u128(2)),
        content_version: 1,
        channel_id: Uuid::from_u128(3),
        subscriber_id: Some(Uuid::from_u128(4)),
        due_at: NOW,
        priority: 0,
    }
}

fn permit(standing: Standing) -> Permit {
    Permit {
        cause_may_send: true,
        purpose: Purpose::Mail,
        receiver: Receiver::Addressed {
            standing,
            subscriber_version: 1,
            address_suppressed: false,
            domain_suppressed: false,
            topic_left: false,
            channel_left: false,
            over_cap: false,
        },
        channel_version: 2,
        waits_no_longer: false,
    }
}

fn attempt_at(now: OffsetDateTime, permit: Permit) -> Command {
    let deadline = now + Duration::minutes(15);
    Command::Attempt {
        instance: Uuid::from_u128(5),
        now,
        deadline,
        permit,
    }
}

fn sent(attempt: u32) -> Command {
    Command::RecordSent {
        attempt,
        reply: Reply::none(),
        provider_message_id: None,
    }
}

fn failed(attempt: u32) -> Command {
    Command::RecordFailed {
        attempt,
        reason: code(),
        reply: Reply::none(),
    }
}

fn deferred(attempt: u32, now: OffsetDateTime) -> Command {
    Command::RecordDeferred {
        delivery_id: ID,
        attempt,
        reason: code(),
        reply: Reply::new(450, Some("4.7.1 later")),
        now,
        family: Family::Mail,
        trouble: Trouble::PutOff { retry_after: None },
    }
}

fn abandon(attempt: u32) -> Command {
    Command::Abandon {
        delivery_id: ID,
        attempt,
        reason: code(),
        now: NOW,
        wait_min: Duration::ZERO,
    }
}

fn doubt(attempt: u32, policy: DoubtPolicy) -> Command {
    Command::Doubt {
        attempt,
        reason: DoubtReason::ReplyTimeout,
        now: NOW,
        policy,
    }
}

/// The history a series of accepted commands leads to.
fn history(commands: Vec<Command>) -> Vec<Event> {
    let mut events = vec![];
    for command in commands {
        let more = fold::<Delivery>(&events).decide(command.clone()).unwrap();
        assert!(!more.is_empty(), "{command:?} changed nothing");
        events.extend(more);
    }
    events
}

fn after(commands: Vec<Command>) -> Delivery {
    fold(&history(commands))
}

fn planned() -> Vec<Command> {
    vec![Command::Plan(plan())]
}

fn attempting() -> Vec<Command> {
    [planned(), vec![attempt_at(NOW, permit(Standing::Active))]].concat()
}

fn then(mut commands: Vec<Command>, more: Vec<Command>) -> Vec<Command> {
    commands.extend(more);
    commands
}

fn suppress() -> Command {
    Command::Suppress {
        reason: SuppressedReason::Erased,
    }
}

fn cancel() -> Command {
    Command::Cancel {
        reason: CancelledReason::PublicationCancelled,
    }
}

fn reopen() -> Command {
    Command::Reopen {
        due_at: LATER,
        planned_at: NOW,
    }
}

fn render_failed() -> Command {
    Command::FailToRender {
        reason: Code::from_static("unknown_placeholder"),
    }
}

#[test]
fn every_command_in_every_state() {
    let hold = doubt(1, DoubtPolicy::Hold);
    let resend = doubt(1, DoubtPolicy::ResendOnce);
    let again = attempt_at(LATER, permit(Standing::Active));
    let deferred_once = then(attempting(), vec![deferred(1, NOW)]);
    let table = table::<Delivery>(
        &[
            ("unplanned", vec![]),
            ("pending", history(planned())),
            ("attempting 1", history(attempting())),
            ("deferred 1", history(deferred_once.clone())),
            (
                "attempting 2",
                history(then(deferred_once, vec![again.clone()])),
            ),
            ("abandoned 1", history(then(attempting(), vec![abandon(1)]))),
            ("in doubt 1, held", history(then(attempting(), vec![hold]))),
            (
                "in doubt 1, resend",
                history(then(attempting(), vec![resend.clone()])),
            ),
            (
                "attempting 2, doubt 1",
                history(then(attempting(), vec![resend, again])),
            ),
            (
                "attempting 1, heard",
                history(then(attempting(), vec![delivered(1)])),
            ),
            ("sent by 1", history(then(attempting(), vec![sent(1)]))),
            ("failed at 1", history(then(attempting(), vec![failed(1)]))),
            ("suppressed", history(then(planned(), vec![suppress()]))),
            ("cancelled", history(then(planned(), vec![cancel()]))),
        ],
        &[
            ("plan", || Command::Plan(plan())),
            ("attempt", || attempt_at(LATER, permit(Standing::Active))),
            ("attempt early", || {
                attempt_at(NOW - Duration::SECOND, permit(Standing::Active))
            }),
            ("attempt, left", || {
                attempt_at(LATER, permit(Standing::Unsubscribed))
            }),
            ("sent 1", || sent(1)),
            ("sent 2", || sent(2)),
            ("deferred 1", || deferred(1, NOW)),
            ("gave up 1", || deferred(1, NOW + Duration::days(6))),
            ("failed 1", || failed(1)),
            ("failed 2", || failed(2)),
            ("abandon 1", || abandon(1)),
            ("doubt 1, hold", || doubt(1, DoubtPolicy::Hold)),
            ("doubt 1, resend", || doubt(1, DoubtPolicy::ResendOnce)),
            ("overdue 1, early", || Command::Doubt {
                attempt: 1,
                reason: DoubtReason::DeadlinePassed,
                now: NOW,
                policy: DoubtPolicy::Hold,
            }),
            ("doubt unrecorded", doubt_unrecorded),
            ("render failed", render_failed),
            ("delivered 1", || delivered(1)),
            ("bounced, which?", || bounced(None, 7)),
            ("suppress", suppress),
            ("cancel", cancel),
            ("reopen", reopen),
        ],
    );
    insta::assert_snapshot!(table);
}

#[test]
fn an_attempt_says_who_when_and_what_it_was_judged_by() {
    let events = history(attempting());
    assert_eq!(
        events[1],
        Event::Attempted {
            attempt: 1,
            instance: Uuid::from_u128(5),
            deadline: DEADLINE,
            subscriber_version: 1,
            channel_version: 2,
        }
    );
    let broadcast = Permit {
        cause_may_send: true,
        purpose: Purpose::Mail,
        receiver: Receiver::Broadcast,
        channel_version: 3,
        waits_no_longer: false,
    };
    let events = after(planned()).decide(attempt_at(NOW, broadcast)).unwrap();
    assert!(matches!(
        events[..],
        [Event::Attempted {
            subscriber_version: 0,
            channel_version: 3,
            ..
        }]
    ));
}

#[test]
fn a_deadline_in_the_past_is_refused() {
    let command = Command::Attempt {
        instance: ID,
        now: NOW,
        deadline: NOW,
        permit: permit(Standing::Active),
    };
    assert_eq!(
        after(planned()).decide(command),
        Err(Refusal::DeadlineInThePast { deadline: NOW })
    );
}

#[test]
fn it_is_given_up_when_the_retry_would_come_too_late() {
    let events = after(attempting())
        .decide(deferred(1, NOW + Duration::days(6)))
        .unwrap();
    assert_eq!(
        events,
        [Event::Failed {
            attempt: 1,
            reason: Code::from_static("gave_up"),
            reply: Reply::new(450, Some("4.7.1 later")),
        }]
    );
}

#[test]
fn a_held_delivery_never_reopens_by_itself() {
    let held = after(then(attempting(), vec![doubt(1, DoubtPolicy::Hold)]));
    assert_eq!(held.accounting_class(), Some(AccountingClass::InDoubt));
    for late in [deferred(1, NOW), abandon(1), failed(1)] {
        let events = held.decide(late).unwrap();
        assert!(
            matches!(&events[..], [Event::Failed { attempt: 1, reason, .. }] if *reason == code())
        );
        let settled = held.clone().evolve(&events[0]);
        assert_eq!(settled.accounting_class(), Some(AccountingClass::Failed));
    }
}

#[test]
fn sent_by_a_doubtful_attempt_wins_however_late() {
    let again = attempt_at(LATER, permit(Standing::Active));
    let resent = then(attempting(), vec![doubt(1, DoubtPolicy::ResendOnce), again]);
    for more in [
        vec![],
        vec![failed(2)],
        vec![doubt(2, DoubtPolicy::ResendOnce)],
    ] {
        let late = then(then(resent.clone(), more), vec![sent(1)]);
        let state = after(late);
        assert_eq!(state.accounting_class(), Some(AccountingClass::Sent));
        // The open attempt's own outcome no longer moves anything.
        assert_eq!(state.decide(failed(2)), Ok(vec![]));
    }
}

#[test]
fn a_rendering_that_fails_after_a_doubtful_attempt_leaves_room_for_its_late_word() {
    let doubtful = then(
        attempting(),
        vec![doubt(1, DoubtPolicy::ResendOnce), render_failed()],
    );
    assert_eq!(
        after(doubtful.clone()).accounting_class(),
        Some(AccountingClass::Failed)
    );
    let late = after(then(doubtful, vec![sent(1)]));
    assert_eq!(late.accounting_class(), Some(AccountingClass::Sent));
}

#[test]
fn an_overdue_attempt_comes_in_doubt_at_its_deadline() {
    let overdue = |now| Command::Doubt {
        attempt: 1,
        reason: DoubtReason::DeadlinePassed,
        now,
        policy: DoubtPolicy::Hold,
    };
    let state = after(attempting());
    assert!(state.decide(overdue(DEADLINE - Duration::SECOND)).is_err());
    assert_eq!(
        state.decide(overdue(DEADLINE)).map(|events| events.len()),
        Ok(1)
    );
}

fn any_command() -> impl Strategy<Value = Command> {
    let minutes = 0i64..60 * 24 * 8;
    let n = 0u32..5;
    prop_oneof![
        1 => Just(Command::Plan(plan())),
        6 => (minutes.clone(), prop::sample::select(Standing::ALL), any::<[bool; 2]>()).prop_map(
            |(at, standing, [mostly, rarely])| {
                let standing = if mostly || rarely { Standing::Active } else { standing };
                attempt_at(NOW + Duration::minutes(at), permit(standing))
            }
        ),
        2 => n.clone().prop_map(sent),
        2 => n.clone().prop_map(failed),
        3 => (n.clone(), minutes).prop_map(|(n, at)| deferred(n, NOW + Duration::minutes(at))),
        2 => n.clone().prop_map(abandon),
        2 => n.clone().prop_map(|n| doubt(n, DoubtPolicy::Hold)),
        3 => n.prop_map(|n| doubt(n, DoubtPolicy::ResendOnce)),
        1 => Just(reopen()),
        1 => Just(doubt_unrecorded()),
        1 => Just(render_failed()),
        2 => (prop::option::of(0u32..5), any::<u8>()).prop_map(|(n, digest)| bounced(n, digest)),
        1 => Just(suppress()),
        1 => Just(cancel()),
    ]
}

/// Whether the accounting may move so: settled once, but for the late word on an attempt in doubt, and what
/// somebody wants tried again.
fn may_move(from: AccountingClass, to: AccountingClass, doubtful: bool, retried: bool) -> bool {
    use AccountingClass as C;
    match (from, to) {
        (C::Pending, _) => true,
        (C::InDoubt, C::Failed | C::Sent) => true,
        (C::Failed | C::InDoubt, C::Pending | C::InDoubt) if retried => true,
        (C::Failed | C::Suppressed | C::Cancelled, C::Sent) => doubtful,
        (from, to) => from == to,
    }
}

proptest! {
    #[test]
    fn a_delivery_is_settled_once(commands in proptest::collection::vec(any_command(), 0..80)) {
        let mut state = Delivery::default().evolve(&Event::Planned(plan()));
        let mut attempts = 0;
        for command in commands {
            let before = state.accounting_class().unwrap();
            let doubtful = !state.tries().unwrap().doubtful.is_empty();
            let most = match &command {
                Command::Report { .. } => 2,
                _ if command == doubt_unrecorded() => 3,
                _ => 1,
            };
            let retried = [reopen(), doubt_unrecorded()].contains(&command);
            let events = state.decide(command).unwrap_or_default();
            prop_assert!(events.len() <= most);
            for event in events {
                if let Event::Attempted { attempt, .. } = &event {
                    attempts += 1;
                    prop_assert_eq!(*attempt, attempts);
                    prop_assert_eq!(state.accounting_class(), Some(AccountingClass::Pending));
                }
                let next = state.clone().evolve(&event);
                prop_assert_ne!(&next, &state, "{:?} changed nothing", event);
                state = next;
            }
            let class = state.accounting_class().unwrap();
            prop_assert!(may_move(before, class, doubtful, retried), "{} to {}", before, class);
        }
    }

    #[test]
    fn a_late_outcome_never_closes_a_later_attempt(
        commands in proptest::collection::vec(any_command(), 0..40), late in 1u32..5, kind in 0..4,
    ) {
        let mut state = Delivery::default().evolve(&Event::Planned(plan()));
        for command in commands {
            for event in state.decide(command).unwrap_or_default() {
                state = state.evolve(&event);
            }
        }
        let Delivery::Attempting { tries, .. } = &state else { return Ok(()) };
        prop_assume!(late < tries.attempts);
        let word = match kind {
            0 => failed(late),
            1 => deferred(late, NOW),
            2 => abandon(late),
            _ => doubt(late, DoubtPolicy::Hold),
        };
        prop_assert_eq!(state.decide(word).unwrap_or_default(), vec![]);
    }
}
