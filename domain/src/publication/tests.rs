//! Publication decisions.

use proptest::prelude::*;
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

use super::*;
use crate::aggregate::fold;
use crate::testing::table;

fn content(title: &str) -> Content {
    Content::new(
        Title::parse(title).unwrap(),
        Markdown::parse("text").unwrap(),
    )
}

fn channel_ids() -> ChannelIds {
    ChannelIds::parse(vec![Uuid::from_u128(1)]).unwrap()
}

fn drafted() -> Event {
    Event::Drafted {
        content: content("one"),
        channel_ids: channel_ids(),
        aim: Aim::default(),
    }
}

fn draft() -> Command {
    Command::Draft {
        content: content("one"),
        channel_ids: channel_ids(),
        aim: Aim::default(),
    }
}

fn revise(title: &str) -> Command {
    Command::Revise {
        content: content(title),
        channel_ids: channel_ids(),
        aim: Aim::default(),
        unsaid: vec![],
    }
}

fn audience() -> Audience {
    Audience {
        view_position: 9,
        subscribers: 4,
        deliveries: 5,
        digest: [1; 32],
    }
}

fn cancel() -> Command {
    Command::Cancel {
        reason: Code::from_static("requested"),
    }
}

fn plan(planned: u64, not_planned: u64) -> Plan {
    Plan {
        planned,
        not_planned,
    }
}

fn frozen_event(picked: Option<Picked>) -> Event {
    Event::AudienceFrozen {
        audience: audience(),
        picked,
    }
}

fn freeze(picked: Option<Picked>) -> Command {
    Command::Freeze {
        audience: audience(),
        picked,
    }
}

/// Four of five, by these segments.
fn picked(segments: &[u128]) -> Picked {
    let asked = segments.iter().map(|segment| AskedSegment {
        segment_id: Uuid::from_u128(*segment),
        version: 1,
    });
    Picked {
        segments: asked.collect(),
        bits: vec![0b1101_1000],
    }
}

/// To those whom a segment picks, and another does not.
fn published_by_segments() -> Vec<Event> {
    let segments = |n| SegmentIds::parse(vec![Uuid::from_u128(n)]).unwrap();
    let drafted = Event::Drafted {
        content: content("one"),
        channel_ids: channel_ids(),
        aim: Aim {
            segment_ids: segments(2),
            excluded_segment_ids: segments(3),
            ..Aim::default()
        },
    };
    vec![drafted, published()]
}

fn totals(sent: u64, cancelled: u64, not_planned: u64) -> Accounting {
    Accounting {
        sent,
        cancelled,
        not_planned,
        ..Accounting::default()
    }
}

/// When what is scheduled here goes out.
const AT: OffsetDateTime = datetime!(2026-12-24 07:00 UTC);

fn at_eight() -> CivilTime {
    CivilTime::parse("2026-12-24T08:00", "Europe/Berlin").unwrap()
}

fn schedule_at(now: OffsetDateTime) -> Command {
    Command::Schedule {
        time: at_eight(),
        now,
    }
}

fn scheduled() -> Event {
    Event::Scheduled {
        time: at_eight(),
        at: AT,
    }
}

fn paused(history: Vec<Event>) -> Vec<Event> {
    let reason = Code::from_static("requested");
    [history, vec![Event::Paused { reason }]].concat()
}

fn retry() -> Retry {
    Retry {
        class: RetriedClass::Failed,
        channel_id: None,
        delivery_id: None,
        failed_reasons: vec![],
        reason: Code::from_static("requested"),
    }
}

fn fire(now: OffsetDateTime) -> Command {
    Command::Fire {
        schedule_version: 2,
        now,
        restored_since: false,
    }
}

fn completed() -> Vec<Event> {
    [planned(), vec![Event::Completed(totals(5, 0, 0))]].concat()
}

fn published() -> Event {
    Event::Published { content_version: 1 }
}

fn frozen() -> Vec<Event> {
    vec![drafted(), published(), frozen_event(None)]
}

fn planned() -> Vec<Event> {
    [frozen(), vec![Event::PlanCompleted(plan(5, 0))]].concat()
}

fn cancelled(history: Vec<Event>) -> Vec<Event> {
    [
        history,
        vec![Event::Cancelled {
            reason: Code::from_static("requested"),
        }],
    ]
    .concat()
}

#[test]
fn every_command_in_every_state() {
    let cancelled_planned = [cancelled(frozen()), vec![Event::PlanCompleted(plan(3, 2))]].concat();
    let table = table::<Publication>(
        &[
            ("unknown", vec![]),
            ("draft", vec![drafted()]),
            ("scheduled", vec![drafted(), scheduled()]),
            ("published", vec![drafted(), published()]),
            ("published, by segments", published_by_segments()),
            ("published, paused", paused(vec![drafted(), published()])),
            ("frozen", frozen()),
            ("planned", planned()),
            ("completed", completed()),
            (
                "to be retried",
                [completed(), vec![Event::RetryRequested(retry())]].concat(),
            ),
            ("cancelled draft", cancelled(vec![drafted()])),
            ("cancelled while frozen", cancelled(frozen())),
            ("cancelled, 3 planned", cancelled_planned.clone()),
            (
                "cancelled and completed",
                [cancelled_planned, vec![Event::Completed(totals(1, 2, 2))]].concat(),
            ),
        ],
        &[
            ("draft", draft),
            ("revise", || revise("two")),
            ("revise, no change", || revise("one")),
            ("publish", || Command::Publish),
            ("freeze", || freeze(None)),
            ("freeze, picked", || freeze(Some(picked(&[2, 3])))),
            ("plan all", || Command::CompletePlan(plan(5, 0))),
            ("plan 3 of 5", || Command::CompletePlan(plan(3, 2))),
            ("plan too few", || Command::CompletePlan(plan(3, 0))),
            ("complete", || Command::Complete {
                totals: totals(5, 0, 0),
            }),
            ("complete 3 of 5", || Command::Complete {
                totals: totals(1, 2, 2),
            }),
            ("cancel", cancel),
            ("schedule", || schedule_at(AT - Duration::SECOND)),
            ("schedule in the past", || schedule_at(AT)),
            ("unschedule", || Command::Unschedule),
            ("fire early", || fire(AT - Duration::SECOND)),
            ("fire", || fire(AT)),
            ("fire too late", || {
                fire(AT + MISFIRE_AFTER + Duration::SECOND)
            }),
            ("fire after restore", || Command::Fire {
                schedule_version: 2,
                now: AT,
                restored_since: true,
            }),
            ("fire another", || Command::Fire {
                schedule_version: 3,
                now: AT,
                restored_since: false,
            }),
            ("pause", || Command::Pause {
                reason: Code::from_static("requested"),
            }),
            ("resume", || Command::Resume),
            ("retry", || Command::RequestRetry(retry())),
            ("complete retry", || Command::CompleteRetry { version: 6 }),
        ],
    );
    insta::assert_snapshot!(table);
}

#[test]
fn the_latest_revision_goes_out() {
    let mut history = vec![drafted()];
    for command in [revise("two"), revise("three"), Command::Publish] {
        history.extend(fold::<Publication>(&history).decide(command).unwrap());
    }
    assert_eq!(
        history.last(),
        Some(&Event::Published { content_version: 3 })
    );
    let state = fold::<Publication>(&history);
    assert_eq!(state.version(), 4);
    let draft = state.draft().unwrap();
    assert_eq!(
        (&draft.content, draft.content_version),
        (&content("three"), 3)
    );
}

/// Whatever the draft was when somebody began to write.
#[test]
fn a_draft_that_names_segments_is_only_revised_by_a_word_on_both_lists() {
    use SegmentList::{Excluding, Picking};
    let revise = |unsaid: &[SegmentList]| Command::Revise {
        content: content("two"),
        channel_ids: channel_ids(),
        aim: Aim::default(),
        unsaid: unsaid.to_vec(),
    };
    let plain = fold::<Publication>(&[drafted()]);
    let named = fold::<Publication>(&published_by_segments()[..1]);
    for unsaid in [&[Picking, Excluding][..], &[Picking], &[Excluding]] {
        assert!(plain.decide(revise(unsaid)).is_ok());
        let lists = unsaid.to_vec();
        let refused = named.decide(revise(unsaid));
        assert_eq!(refused, Err(Refusal::SegmentsUnsaid { lists }));
    }
    assert!(named.decide(revise(&[])).is_ok());
}

#[test]
fn other_segments_are_another_audience() {
    let segments = |n| SegmentIds::parse(vec![Uuid::from_u128(n)]).unwrap();
    let to = |aim: Aim| Command::Revise {
        content: content("one"),
        channel_ids: channel_ids(),
        aim,
        unsaid: vec![],
    };
    let [picking, excluding] = [
        Aim {
            segment_ids: segments(2),
            ..Aim::default()
        },
        Aim {
            excluded_segment_ids: segments(2),
            ..Aim::default()
        },
    ];
    let mut history = vec![drafted()];
    assert!(!Aim::default().is_by_segments());
    for aim in [picking, excluding] {
        assert!(aim.is_by_segments());
        let revised = fold::<Publication>(&history).decide(to(aim.clone()));
        history.extend(revised.unwrap());
        let state = fold::<Publication>(&history);
        assert_eq!(state.draft().map(|it| &it.aim), Some(&aim));
        assert_eq!(state.decide(to(aim)), Ok(vec![]));
    }
    assert_eq!(history.len(), 3);
}

#[test]
fn an_audience_by_segments_is_whom_all_of_them_have_picked() {
    let by_segments = fold::<Publication>(&published_by_segments());
    let frozen = |picked: &Picked| by_segments.decide(freeze(Some(picked.clone())));
    let all = picked(&[3, 2]);
    let recorded = frozen_event(Some(all.clone()));
    assert_eq!(frozen(&all), Ok(vec![recorded]));
    let none = by_segments.decide(freeze(None));
    let more = Picked {
        bits: vec![0b1111_1000],
        ..all
    };
    let others = [&picked(&[2]), &picked(&[2, 3, 4]), &more].map(frozen);
    for refused in others.into_iter().chain([none]) {
        assert_eq!(refused, Err(Refusal::PickedOtherwise));
    }
}

#[test]
fn an_audience_is_of_those_whose_digest_it_has() {
    let ids = |n: u128| (1..=n).map(Uuid::from_u128).collect::<Vec<_>>();
    let of = |subscribers: u64, digest| Audience {
        subscribers,
        digest,
        ..audience()
    };
    let four = of(4, Audience::digest_of(&ids(4)));
    assert!(four.is_of(&ids(4)));
    assert!(!four.is_of(&ids(3)) && !four.is_of(&ids(5)));
    assert!(!of(4, Audience::digest_of(&ids(3))).is_of(&ids(4)));
}

#[test]
fn only_what_is_published_and_not_over_may_be_sent() {
    let may_send = |history: &[Event]| fold::<Publication>(history).sending() == Sending::Now;
    assert!(!may_send(&[]));
    assert!(!may_send(&[drafted()]));
    assert!(may_send(&[drafted(), published()]));
    assert!(may_send(&frozen()));
    assert!(may_send(&planned()));
    assert!(!may_send(&cancelled(frozen())));
    assert!(!may_send(
        &[planned(), vec![Event::Completed(totals(5, 0, 0))]].concat()
    ));
}

#[test]
fn a_schedule_survives_revision_and_sends_the_latest() {
    let mut history = vec![drafted(), scheduled()];
    for command in [revise("two"), fire(AT)] {
        history.extend(fold::<Publication>(&history).decide(command).unwrap());
    }
    assert_eq!(
        history.last(),
        Some(&Event::Published { content_version: 3 })
    );
}

#[test]
fn a_schedule_found_too_late_is_a_draft_again() {
    let late = AT + MISFIRE_AFTER + Duration::SECOND;
    let mut history = vec![drafted(), scheduled()];
    let state = fold::<Publication>(&history);
    history.extend(state.decide(fire(late)).unwrap());
    let state = fold::<Publication>(&history);
    assert!(matches!(state.stage(), Stage::Draft(_)));
    assert_eq!(state.decide(fire(late)), Ok(vec![]));
    assert_eq!(state.decide(Command::Publish), Ok(vec![published()]));
}

#[test]
fn what_is_paused_waits_and_what_is_cancelled_does_not() {
    let sending = |history: &[Event]| fold::<Publication>(history).sending();
    let waiting = paused(planned());
    assert_eq!(sending(&waiting), Sending::Later);
    assert_eq!(
        sending(&[waiting.clone(), vec![Event::Resumed]].concat()),
        Sending::Now
    );
    assert_eq!(sending(&cancelled(waiting)), Sending::Never);
}

#[test]
fn a_retry_reopens_what_was_completed_until_all_is_settled_again() {
    let mut history = completed();
    for (command, sending) in [
        (Command::RequestRetry(retry()), Sending::Now),
        (Command::CompleteRetry { version: 6 }, Sending::Now),
        (
            Command::Complete {
                totals: totals(5, 0, 0),
            },
            Sending::Never,
        ),
    ] {
        let more = fold::<Publication>(&history).decide(command).unwrap();
        assert_eq!(more.len(), 1);
        history.extend(more);
        assert_eq!(fold::<Publication>(&history).sending(), sending);
    }
}

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        Just(draft()),
        "[a-c]".prop_map(|title| revise(&title)),
        Just(Command::Publish),
        Just(freeze(None)),
        (0u64..6, 0u64..6).prop_map(|(planned, left)| Command::CompletePlan(plan(planned, left))),
        (0u64..6, 0u64..6, 0u64..6).prop_map(|(a, b, c)| Command::Complete {
            totals: totals(a, b, c)
        }),
        Just(cancel()),
        (-2i64..2).prop_map(|hours| schedule_at(AT + Duration::hours(hours))),
        Just(Command::Unschedule),
        (-2i64..4, 1i32..9).prop_map(|(hours, schedule_version)| Command::Fire {
            schedule_version,
            now: AT + Duration::hours(hours),
            restored_since: false,
        }),
        Just(Command::Pause {
            reason: Code::from_static("requested")
        }),
        Just(Command::Resume),
        Just(Command::RequestRetry(retry())),
        (1i32..20).prop_map(|version| Command::CompleteRetry { version }),
    ]
}

proptest! {
    #[test]
    fn completion_balances_and_ends_it(commands in proptest::collection::vec(any_command(), 0..60)) {
        let mut state = Publication::default();
        let (mut versions, mut was_cancelled) = (0, false);
        for command in commands {
            for event in state.decide(command).unwrap_or_default() {
                if let Event::Completed(totals) = &event {
                    prop_assert_eq!(totals.settled() + totals.not_planned, audience().deliveries);
                }
                let is_cancel = matches!(event, Event::Cancelled { .. });
                state = state.evolve(&event);
                versions += 1;
                prop_assert!(!is_cancel || state.sending() == Sending::Never);
            }
            // What is over is not sent; what was cancelled never is again.
            let over = matches!(state.stage(), Stage::Cancelled { .. } | Stage::Completed { .. });
            prop_assert!(!over || state.sending() == Sending::Never);
            prop_assert!(!was_cancelled || state.is_cancelled());
            was_cancelled |= state.is_cancelled();
            prop_assert!(!over || state.retries().is_empty());
        }
        prop_assert_eq!(state.version(), versions);
    }
}
