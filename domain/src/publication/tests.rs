//! Publication decisions.

use proptest::prelude::*;
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
    }
}

fn draft() -> Command {
    Command::Draft {
        content: content("one"),
        channel_ids: channel_ids(),
    }
}

fn revise(title: &str) -> Command {
    Command::Revise {
        content: content(title),
        channel_ids: channel_ids(),
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

fn totals(sent: u64, cancelled: u64, not_planned: u64) -> Accounting {
    Accounting {
        sent,
        cancelled,
        not_planned,
        ..Accounting::default()
    }
}

fn published() -> Event {
    Event::Published { content_version: 1 }
}

fn frozen() -> Vec<Event> {
    vec![drafted(), published(), Event::AudienceFrozen(audience())]
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
            ("published", vec![drafted(), published()]),
            ("frozen", frozen()),
            ("planned", planned()),
            (
                "completed",
                [planned(), vec![Event::Completed(totals(5, 0, 0))]].concat(),
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
            ("freeze", || Command::Freeze(audience())),
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

#[test]
fn only_what_is_published_and_not_over_may_be_sent() {
    let may_send = |history: &[Event]| fold::<Publication>(history).may_send();
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

fn any_command() -> impl Strategy<Value = Command> {
    prop_oneof![
        Just(draft()),
        "[a-c]".prop_map(|title| revise(&title)),
        Just(Command::Publish),
        Just(Command::Freeze(audience())),
        (0u64..6, 0u64..6).prop_map(|(planned, left)| Command::CompletePlan(plan(planned, left))),
        (0u64..6, 0u64..6, 0u64..6).prop_map(|(a, b, c)| Command::Complete {
            totals: totals(a, b, c)
        }),
        Just(cancel()),
    ]
}

proptest! {
    #[test]
    fn completion_balances_and_ends_it(commands in proptest::collection::vec(any_command(), 0..60)) {
        let mut state = Publication::default();
        let mut versions = 0;
        for command in commands {
            for event in state.decide(command).unwrap_or_default() {
                if let Event::Completed(totals) = &event {
                    prop_assert_eq!(totals.settled() + totals.not_planned, audience().deliveries);
                }
                let is_cancel = matches!(event, Event::Cancelled { .. });
                state = state.evolve(&event);
                versions += 1;
                prop_assert!(!(is_cancel && state.may_send()));
            }
            // What may no longer be sent never becomes sendable again.
            let over = matches!(state.stage(), Stage::Cancelled { .. } | Stage::Completed { .. });
            prop_assert!(!(over && state.may_send()));
        }
        prop_assert_eq!(state.version(), versions);
    }
}
