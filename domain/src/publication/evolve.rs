//! What a publication is after an event. An event that does not fit its stage changes nothing.

use super::{Draft, Event, OpenRetry, Publication, Stage};
use crate::value::Code;

pub(super) fn evolve(state: Publication, event: &Event) -> Publication {
    // One event is one version: that is how content knows the version it was written at.
    let version = state.version + 1;
    Publication {
        version,
        paused: paused(&state, event),
        retries: retries(&state, event, version),
        stage: next(state.stage, event, version),
    }
}

fn paused(state: &Publication, event: &Event) -> Option<Code> {
    match event {
        Event::Paused { reason } => Some(reason.clone()),
        Event::Resumed | Event::Cancelled { .. } | Event::Completed(_) => None,
        _ => state.paused.clone(),
    }
}

fn retries(state: &Publication, event: &Event, version: i32) -> Vec<OpenRetry> {
    let mut retries = state.retries.clone();
    match event {
        Event::RetryRequested(retry) => retries.push(OpenRetry {
            version,
            retry: retry.clone(),
        }),
        Event::RetryCompleted { version } => retries.retain(|open| open.version != *version),
        Event::Cancelled { .. } => retries.clear(),
        _ => {}
    }
    retries
}

fn next(stage: Stage, event: &Event, version: i32) -> Stage {
    match event {
        Event::Drafted {
            content,
            channel_ids,
            aim,
        }
        | Event::Revised {
            content,
            channel_ids,
            aim,
        } => {
            let draft = Draft {
                content: content.clone(),
                channel_ids: channel_ids.clone(),
                aim: aim.clone(),
                content_version: version,
            };
            written(stage, draft)
        }
        Event::Scheduled { .. }
        | Event::Unscheduled
        | Event::ScheduleMissed { .. }
        | Event::Published { .. } => sent_off(stage, event, version),
        Event::Cancelled { reason } => cancelled(stage, reason),
        _ => under_way(stage, event),
    }
}

/// A new text leaves a schedule as it is.
fn written(stage: Stage, draft: Draft) -> Stage {
    match stage {
        Stage::Unknown | Stage::Draft(_) => Stage::Draft(draft),
        Stage::Scheduled {
            time,
            schedule_version,
            ..
        } => Stage::Scheduled {
            draft,
            time,
            schedule_version,
        },
        stage => stage,
    }
}

fn sent_off(stage: Stage, event: &Event, version: i32) -> Stage {
    let draft = match stage {
        Stage::Draft(draft) | Stage::Scheduled { draft, .. } => draft,
        stage => return stage,
    };
    match event {
        Event::Scheduled { time, .. } => Stage::Scheduled {
            draft,
            time: time.clone(),
            schedule_version: version,
        },
        Event::Published { content_version } => Stage::Published(Draft {
            content_version: *content_version,
            ..draft
        }),
        // Unscheduled, or missed.
        _ => Stage::Draft(draft),
    }
}

fn under_way(stage: Stage, event: &Event) -> Stage {
    match (stage, event) {
        (Stage::Published(draft), Event::AudienceFrozen { audience, .. }) => Stage::Frozen {
            draft,
            audience: *audience,
        },
        (Stage::Frozen { draft, audience }, Event::PlanCompleted(plan)) => Stage::Planned {
            draft,
            audience,
            plan: *plan,
        },
        (
            Stage::Cancelled {
                draft,
                reason,
                audience,
                ..
            },
            Event::PlanCompleted(plan),
        ) => Stage::Cancelled {
            draft,
            reason,
            audience,
            plan: Some(*plan),
        },
        (
            Stage::Planned {
                draft,
                audience,
                plan,
            },
            Event::Completed(totals),
        ) => Stage::Completed {
            draft,
            audience,
            plan,
            totals: *totals,
            cancelled: None,
        },
        (
            Stage::Cancelled {
                draft,
                reason,
                audience: Some(audience),
                plan: Some(plan),
            },
            Event::Completed(totals),
        ) => Stage::Completed {
            draft,
            audience,
            plan,
            totals: *totals,
            cancelled: Some(reason),
        },
        // It is under way again.
        (
            Stage::Completed {
                draft,
                audience,
                plan,
                cancelled: None,
                ..
            },
            Event::RetryRequested(_),
        ) => Stage::Planned {
            draft,
            audience,
            plan,
        },
        (stage, _) => stage,
    }
}

fn cancelled(stage: Stage, reason: &Code) -> Stage {
    let (draft, audience, plan) = match stage {
        Stage::Draft(draft) | Stage::Scheduled { draft, .. } | Stage::Published(draft) => {
            (draft, None, None)
        }
        Stage::Frozen { draft, audience } => (draft, Some(audience), None),
        Stage::Planned {
            draft,
            audience,
            plan,
        } => (draft, Some(audience), Some(plan)),
        other => return other,
    };
    Stage::Cancelled {
        draft,
        reason: reason.clone(),
        audience,
        plan,
    }
}
