//! What a delivery is after an event, as the head of `delivery.proto` lays down. An event that does
//! not fit changes nothing.

use time::OffsetDateTime;

use super::feedback::hear;
use super::{Delivery, Event, Heard, Outcome, Plan, Tries, WANTED_LATER};

pub(super) fn evolve(state: Delivery, event: &Event) -> Delivery {
    let (plan, tries) = match (&state, event) {
        (Delivery::Unplanned, Event::Planned(plan)) => {
            return Delivery::Pending {
                due_at: plan.due_at,
                plan: plan.clone(),
                tries: Tries::default(),
            };
        }
        (Delivery::Unplanned, _) | (_, Event::Planned(_)) => return state,
        (
            _,
            Event::Reported {
                attempt,
                digest,
                feedback,
                ..
            },
        ) => {
            return hear(
                state,
                Heard {
                    attempt: *attempt,
                    digest: *digest,
                    grave: feedback.is_grave(),
                },
            );
        }
        // Sent by any attempt wins for ever.
        (
            Delivery::Settled {
                outcome: Outcome::Sent { .. },
                ..
            },
            _,
        ) => return state,
        (Delivery::Settled { plan, tries, .. }, Event::Sent { .. }) => {
            (plan.clone(), tries.clone())
        }
        (
            Delivery::Settled {
                plan,
                tries,
                outcome,
            },
            Event::Failed { attempt, .. },
        ) if *outcome == (Outcome::InDoubt { attempt: *attempt }) => (plan.clone(), tries.clone()),
        (
            Delivery::Settled {
                tries,
                outcome: Outcome::Failed { .. } | Outcome::InDoubt { .. },
                ..
            },
            Event::Reopened { plan, .. },
        ) => return reopened(plan.clone(), tries.clone()),
        (Delivery::Settled { .. }, _) => return state,
        (Delivery::Pending { plan, tries, .. } | Delivery::Attempting { plan, tries, .. }, _) => {
            (plan.clone(), tries.clone())
        }
    };
    next(state, plan, tries, event)
}

fn next(state: Delivery, plan: Plan, mut tries: Tries, event: &Event) -> Delivery {
    match event {
        Event::Planned(_) | Event::Reopened { .. } | Event::Reported { .. } => state,
        Event::Attempted {
            attempt,
            instance,
            deadline,
            ..
        } => {
            tries.attempts = *attempt;
            tries.since.get_or_insert(*deadline);
            Delivery::Attempting {
                plan,
                tries,
                instance: *instance,
                deadline: *deadline,
            }
        }
        Event::Sent { attempt, .. } => settle(plan, tries, Outcome::Sent { attempt: *attempt }),
        Event::Failed {
            attempt, reason, ..
        } => {
            let outcome = Outcome::Failed {
                attempt: *attempt,
                reason: reason.clone(),
            };
            settle(plan, tries, outcome)
        }
        Event::Suppressed { reason } => settle(plan, tries, Outcome::Suppressed(*reason)),
        Event::Cancelled { reason } => settle(plan, tries, Outcome::Cancelled(*reason)),
        Event::Deferred {
            attempt,
            retry_at,
            channel_down,
            ..
        } => {
            if *channel_down {
                tries.since = None;
            } else {
                tries.deferrals = tries.deferrals.saturating_add(1);
            }
            tries.abandons = 0;
            reopen(plan, tries, *attempt, *retry_at)
        }
        Event::Abandoned {
            attempt,
            reason,
            retry_at,
        } => {
            abandoned(&mut tries, reason.as_str());
            reopen(plan, tries, *attempt, *retry_at)
        }
        Event::InDoubt {
            attempt, retry_at, ..
        } => {
            tries.doubtful.push(*attempt);
            match retry_at {
                None => settle(plan, tries, Outcome::InDoubt { attempt: *attempt }),
                Some(due_at) => Delivery::Pending {
                    plan,
                    tries,
                    due_at: *due_at,
                },
            }
        }
    }
}

fn settle(plan: Plan, tries: Tries, outcome: Outcome) -> Delivery {
    Delivery::Settled {
        plan,
        tries,
        outcome,
    }
}

fn abandoned(tries: &mut Tries, reason: &str) {
    let wanted_later = reason == WANTED_LATER;
    if !wanted_later {
        tries.abandons = tries.abandons.saturating_add(1);
        tries.abandons_in_all = tries.abandons_in_all.saturating_add(1);
    }
    if wanted_later || tries.deferrals == 0 {
        // Nobody was asked so far, or nobody is for a while: the time until it is given up has not begun.
        tries.since = None;
    }
}

/// Attempts are counted on, a late word on a doubtful one still counts, and what was reported is not taken again;
/// whatever else was tried is forgotten.
fn reopened(plan: Plan, tries: Tries) -> Delivery {
    Delivery::Pending {
        due_at: plan.due_at,
        plan,
        tries: Tries {
            attempts: tries.attempts,
            doubtful: tries.doubtful,
            heard: tries.heard,
            ..Tries::default()
        },
    }
}

/// The attempt is closed: whatever was doubtful about it is no longer.
fn reopen(plan: Plan, mut tries: Tries, attempt: u32, due_at: OffsetDateTime) -> Delivery {
    tries.doubtful.retain(|doubtful| *doubtful != attempt);
    Delivery::Pending {
        plan,
        tries,
        due_at,
    }
}
