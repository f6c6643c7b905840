//! What a publication is after an event. An event that does not fit its stage changes nothing.

use super::{Draft, Event, Publication, Stage};

pub(super) fn evolve(state: Publication, event: &Event) -> Publication {
    // One event is one version: that is how content knows the version it was written at.
    let version = state.version + 1;
    Publication {
        version,
        stage: next(state.stage, event, version),
    }
}

fn next(stage: Stage, event: &Event, version: i32) -> Stage {
    match (stage, event) {
        (
            Stage::Unknown | Stage::Draft(_),
            Event::Drafted {
                content,
                channel_ids,
            }
            | Event::Revised {
                content,
                channel_ids,
            },
        ) => Stage::Draft(Draft {
            content: content.clone(),
            channel_ids: channel_ids.clone(),
            content_version: version,
        }),
        (Stage::Draft(draft), Event::Published { content_version }) => Stage::Published(Draft {
            content_version: *content_version,
            ..draft
        }),
        (Stage::Published(draft), Event::AudienceFrozen(audience)) => Stage::Frozen {
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
        (stage, Event::Cancelled { reason }) => cancelled(stage, reason),
        (Stage::Planned { draft, .. }, Event::Completed(totals)) => Stage::Completed {
            draft,
            totals: *totals,
            cancelled: None,
        },
        (Stage::Cancelled { draft, reason, .. }, Event::Completed(totals)) => Stage::Completed {
            draft,
            totals: *totals,
            cancelled: Some(reason),
        },
        (stage, _) => stage,
    }
}

fn cancelled(stage: Stage, reason: &crate::value::Code) -> Stage {
    let (draft, audience, plan) = match stage {
        Stage::Draft(draft) | Stage::Published(draft) => (draft, None, None),
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
