//! What a publication may do next.

use super::{Accounting, Audience, Command, Event, Plan, Publication, Refusal, Stage};

pub(super) fn decide(state: &Publication, command: Command) -> Result<Vec<Event>, Refusal> {
    use Stage as S;
    match (&state.stage, command) {
        (
            S::Unknown,
            Command::Draft {
                content,
                channel_ids,
            },
        ) => Ok(vec![Event::Drafted {
            content,
            channel_ids,
        }]),
        (_, Command::Draft { .. }) => Err(Refusal::AlreadyDrafted),
        (S::Unknown, _) => Err(Refusal::NotFound),

        (
            S::Draft(draft),
            Command::Revise {
                content,
                channel_ids,
            },
        ) => {
            if draft.content == content && draft.channel_ids == channel_ids {
                return Ok(vec![]);
            }
            Ok(vec![Event::Revised {
                content,
                channel_ids,
            }])
        }
        (_, Command::Revise { .. }) => Err(Refusal::NotADraft),

        (S::Draft(draft), Command::Publish) => Ok(vec![Event::Published {
            content_version: draft.content_version,
        }]),
        (
            S::Cancelled { .. }
            | S::Completed {
                cancelled: Some(_), ..
            },
            Command::Publish,
        ) => Err(Refusal::Cancelled),
        (_, Command::Publish) => Err(Refusal::AlreadyPublished),

        (
            S::Cancelled { .. }
            | S::Completed {
                cancelled: Some(_), ..
            },
            Command::Cancel { .. },
        ) => Err(Refusal::AlreadyCancelled),
        (S::Completed { .. }, Command::Cancel { .. }) => Err(Refusal::Completed),
        (_, Command::Cancel { reason }) => Ok(vec![Event::Cancelled { reason }]),

        (stage, progress) => react(stage, progress),
    }
}

/// How far sending has come; an editor's commands change nothing here.
fn react(stage: &Stage, command: Command) -> Result<Vec<Event>, Refusal> {
    use Stage as S;
    match (stage, command) {
        (S::Draft(_), Command::Freeze(_)) => Err(Refusal::NotPublished),
        (S::Published(_), Command::Freeze(audience)) => Ok(vec![Event::AudienceFrozen(audience)]),
        (S::Cancelled { audience: None, .. }, Command::Freeze(_)) => Err(Refusal::Cancelled),
        (_, Command::Freeze(_)) => Ok(vec![]),

        (S::Draft(_) | S::Published(_), Command::CompletePlan(_)) => Err(Refusal::NotFrozen),
        (S::Frozen { audience, .. }, Command::CompletePlan(plan)) => plan_all(audience, plan),
        (
            S::Cancelled {
                audience: Some(audience),
                plan: None,
                ..
            },
            Command::CompletePlan(plan),
        ) => plan_some(audience, plan),
        (S::Cancelled { audience: None, .. }, Command::CompletePlan(_)) => Err(Refusal::Cancelled),
        (_, Command::CompletePlan(_)) => Ok(vec![]),

        (
            S::Planned { plan, .. }
            | S::Cancelled {
                plan: Some(plan), ..
            },
            Command::Complete { totals },
        ) => complete(*plan, totals),
        (S::Completed { .. }, Command::Complete { .. }) => Ok(vec![]),
        (S::Cancelled { audience: None, .. }, Command::Complete { .. }) => Err(Refusal::Cancelled),
        (_, Command::Complete { .. }) => Err(Refusal::NotPlanned),
        _ => Ok(vec![]),
    }
}

/// Nothing may be left out unless the publication was cancelled.
fn plan_all(audience: &Audience, plan: Plan) -> Result<Vec<Event>, Refusal> {
    if plan.not_planned > 0 {
        return Err(mismatch(audience, plan));
    }
    plan_some(audience, plan)
}

fn plan_some(audience: &Audience, plan: Plan) -> Result<Vec<Event>, Refusal> {
    if plan.planned.checked_add(plan.not_planned) != Some(audience.deliveries) {
        return Err(mismatch(audience, plan));
    }
    Ok(vec![Event::PlanCompleted(plan)])
}

fn mismatch(audience: &Audience, plan: Plan) -> Refusal {
    Refusal::PlanMismatch {
        planned: plan.planned,
        not_planned: plan.not_planned,
        frozen: audience.deliveries,
    }
}

fn complete(plan: Plan, totals: Accounting) -> Result<Vec<Event>, Refusal> {
    if totals.settled() != plan.planned || totals.not_planned != plan.not_planned {
        return Err(Refusal::TotalsMismatch {
            settled: totals.settled(),
            not_planned: totals.not_planned,
            planned: plan.planned,
            left_out: plan.not_planned,
        });
    }
    Ok(vec![Event::Completed(totals)])
}
