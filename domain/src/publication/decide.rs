//! What a publication may do next.

use std::collections::BTreeSet;

use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    Accounting, Audience, Command, Draft, Event, MISFIRE_AFTER, MissedReason, Picked, Plan,
    Publication, Refusal, Sending, Stage,
};
use crate::schedule::CivilTime;

pub(super) fn decide(state: &Publication, command: Command) -> Result<Vec<Event>, Refusal> {
    use Stage as S;
    match (&state.stage, command) {
        (
            S::Unknown,
            Command::Draft {
                content,
                channel_ids,
                aim,
            },
        ) => Ok(vec![Event::Drafted {
            content,
            channel_ids,
            aim,
        }]),
        (_, Command::Draft { .. }) => Err(Refusal::AlreadyDrafted),
        (S::Unknown, _) => Err(Refusal::NotFound),

        (
            S::Draft(draft) | S::Scheduled { draft, .. },
            Command::Revise {
                content,
                channel_ids,
                aim,
                unsaid,
            },
        ) => {
            if draft.aim.is_by_segments() && !unsaid.is_empty() {
                return Err(Refusal::SegmentsUnsaid { lists: unsaid });
            }
            if draft.content == content && draft.channel_ids == channel_ids && draft.aim == aim {
                return Ok(vec![]);
            }
            Ok(vec![Event::Revised {
                content,
                channel_ids,
                aim,
            }])
        }
        (_, Command::Revise { .. }) => Err(Refusal::NotADraft),

        (S::Draft(draft) | S::Scheduled { draft, .. }, Command::Publish) => {
            Ok(vec![Event::Published {
                content_version: draft.content_version,
            }])
        }
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

        (_, command @ (Command::Schedule { .. } | Command::Unschedule | Command::Fire { .. })) => {
            schedule(state, command)
        }
        (_, command @ (Command::Pause { .. } | Command::Resume)) => pause(state, command),
        (_, command @ (Command::RequestRetry(_) | Command::CompleteRetry { .. })) => {
            retry(state, command)
        }
        (stage, progress) => react(state, stage, progress),
    }
}

fn schedule(state: &Publication, command: Command) -> Result<Vec<Event>, Refusal> {
    use Stage as S;
    match (&state.stage, command) {
        (S::Draft(_) | S::Scheduled { .. }, Command::Schedule { time, now }) => {
            let at = instant(&time)?;
            if at <= now {
                return Err(Refusal::TimePassed { time });
            }
            match &state.stage {
                S::Scheduled { time: before, .. } if *before == time => Ok(vec![]),
                _ => Ok(vec![Event::Scheduled { time, at }]),
            }
        }
        (_, Command::Schedule { .. }) if state.is_cancelled() => Err(Refusal::Cancelled),
        (_, Command::Schedule { .. }) => Err(Refusal::AlreadyPublished),

        (S::Scheduled { .. }, Command::Unschedule) => Ok(vec![Event::Unscheduled]),
        (_, Command::Unschedule) => Err(Refusal::NotScheduled),

        (
            S::Scheduled {
                draft,
                time,
                schedule_version,
            },
            Command::Fire {
                schedule_version: fired,
                now,
                restored_since,
            },
        ) if *schedule_version == fired => {
            let at = instant(time)?;
            if now < at {
                return Ok(vec![]);
            }
            let missed = if restored_since {
                Some(MissedReason::Restored)
            } else if now > at.saturating_add(MISFIRE_AFTER) {
                Some(MissedReason::Late)
            } else {
                None
            };
            Ok(vec![match missed {
                Some(reason) => Event::ScheduleMissed {
                    schedule_version: fired,
                    reason,
                },
                None => Event::Published {
                    content_version: draft.content_version,
                },
            }])
        }
        // It was scheduled anew, or unscheduled, or published by hand.
        _ => Ok(vec![]),
    }
}

fn instant(time: &CivilTime) -> Result<OffsetDateTime, Refusal> {
    let unknown = || Refusal::UnknownZone { time: time.clone() };
    time.instant().ok_or_else(unknown)
}

fn pause(state: &Publication, command: Command) -> Result<Vec<Event>, Refusal> {
    match (&state.stage, state.sending()) {
        (_, Sending::Now | Sending::Later) => {}
        (Stage::Scheduled { .. }, _) => return Err(Refusal::OnlyScheduled),
        _ if state.is_cancelled() => return Err(Refusal::Cancelled),
        (Stage::Completed { .. }, _) => return Err(Refusal::AllSettled),
        _ => return Err(Refusal::NotUnderWay),
    }
    match (command, &state.paused) {
        (Command::Pause { reason }, None) => Ok(vec![Event::Paused { reason }]),
        (Command::Resume, None) => Err(Refusal::NotPaused),
        (Command::Resume, Some(_)) => Ok(vec![Event::Resumed]),
        _ => Ok(vec![]),
    }
}

fn retry(state: &Publication, command: Command) -> Result<Vec<Event>, Refusal> {
    let sent = matches!(state.stage, Stage::Planned { .. } | Stage::Completed { .. });
    match command {
        Command::RequestRetry(_) if state.is_cancelled() => Err(Refusal::Cancelled),
        Command::RequestRetry(_) if matches!(state.stage, Stage::Frozen { .. }) => {
            Err(Refusal::StillPlanning)
        }
        Command::RequestRetry(_) if !sent => Err(Refusal::NothingSent),
        Command::RequestRetry(_) if !state.retries.is_empty() => Err(Refusal::RetryUnderWay),
        Command::RequestRetry(retry) => Ok(vec![Event::RetryRequested(retry)]),
        Command::CompleteRetry { version }
            if state.retries.iter().any(|open| open.version == version) =>
        {
            Ok(vec![Event::RetryCompleted { version }])
        }
        _ => Ok(vec![]),
    }
}

/// How far sending has come; an editor's commands change nothing here.
fn react(state: &Publication, stage: &Stage, command: Command) -> Result<Vec<Event>, Refusal> {
    use Stage as S;
    match (stage, command) {
        (S::Draft(_) | S::Scheduled { .. }, Command::Freeze { .. }) => Err(Refusal::NotPublished),
        (S::Published(draft), Command::Freeze { audience, picked }) => {
            freeze(draft, audience, picked)
        }
        (S::Cancelled { audience: None, .. }, Command::Freeze { .. }) => Err(Refusal::Cancelled),
        (_, Command::Freeze { .. }) => Ok(vec![]),

        (S::Draft(_) | S::Scheduled { .. } | S::Published(_), Command::CompletePlan(_)) => {
            Err(Refusal::NotFrozen)
        }
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

        // What is to be tried again is not settled.
        (S::Planned { .. }, Command::Complete { .. }) if !state.retries.is_empty() => Ok(vec![]),
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

/// By segments, all of them were asked and have picked as many as there are in the audience.
fn freeze(
    draft: &Draft,
    audience: Audience,
    picked: Option<Picked>,
) -> Result<Vec<Event>, Refusal> {
    let asked = picked.iter().flat_map(|picked| &picked.segments);
    let asked: BTreeSet<Uuid> = asked.map(|it| it.segment_id).collect();
    let picked_as_many = |picked: &Picked| picked.subscribers() == audience.subscribers;
    if asked != draft.aim.segments().collect() || !picked.as_ref().is_none_or(picked_as_many) {
        return Err(Refusal::PickedOtherwise);
    }
    Ok(vec![Event::AudienceFrozen { audience, picked }])
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
