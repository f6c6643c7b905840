//! What may happen to a delivery.

mod outcome;

use time::OffsetDateTime;
use uuid::Uuid;

use super::feedback::{self, Word};
use super::{
    CancelledReason, Command, Delivery, Event, Outcome, Permit, Plan, Refusal, Reply, Tries,
};

pub(super) fn decide(state: &Delivery, command: Command) -> Result<Vec<Event>, Refusal> {
    use Command as C;
    use Delivery as D;
    match (state, command) {
        (D::Unplanned, C::Plan(plan)) => Ok(vec![Event::Planned(plan)]),
        (_, C::Plan(_)) => Ok(vec![]),
        (D::Unplanned, _) => Err(Refusal::NotFound),

        (D::Pending { due_at, .. }, C::Attempt { now, permit, .. })
            if now < *due_at && !permit.waits_no_longer =>
        {
            Err(Refusal::NotDue { due_at: *due_at })
        }
        (
            D::Pending { tries, .. },
            C::Attempt {
                instance,
                now,
                deadline,
                permit,
            },
        ) => attempt(tries, instance, now, deadline, permit),

        (
            state,
            word @ (C::RecordSent { .. }
            | C::RecordFailed { .. }
            | C::RecordDeferred { .. }
            | C::Abandon { .. }
            | C::PutOff { .. }
            | C::Doubt { .. }
            | C::DoubtUnrecorded { .. }),
        ) => outcome::decide(state, word),

        (state, report @ C::Report { .. }) => heard(state, report),

        (D::Pending { tries, .. }, C::FailToRender { reason }) => Ok(vec![Event::Failed {
            attempt: tries.attempts,
            reason,
            reply: Reply::none(),
        }]),
        (
            D::Settled {
                plan,
                tries,
                outcome: Outcome::Failed { .. } | Outcome::InDoubt { .. },
            },
            C::Reopen { due_at, planned_at },
        ) => Ok(vec![reopened(plan, tries, due_at, planned_at)]),
        // It waits for its next attempt already.
        (D::Pending { .. } | D::Attempting { .. }, C::Reopen { .. }) => Ok(vec![]),

        (D::Pending { .. }, C::Suppress { reason }) => Ok(vec![Event::Suppressed { reason }]),
        (D::Pending { .. }, C::Cancel { reason }) => Ok(vec![Event::Cancelled { reason }]),
        (D::Settled { outcome, .. }, command) if says(outcome, &command) => Ok(vec![]),
        (D::Attempting { tries, .. }, _) => Err(Refusal::UnderWay {
            attempt: tries.attempts,
        }),
        (D::Settled { outcome, .. }, _) => Err(Refusal::AlreadySettled {
            class: outcome.class(),
        }),
    }
}

fn heard(state: &Delivery, command: Command) -> Result<Vec<Event>, Refusal> {
    let Command::Report {
        attempt,
        feedback,
        reported_at,
        digest,
        source,
    } = command
    else {
        return Ok(vec![]);
    };
    let word = Word {
        attempt,
        feedback,
        reported_at,
        digest,
        source,
    };
    feedback::decide(state, word)
}

/// Whether what is wanted is so already.
fn says(outcome: &Outcome, command: &Command) -> bool {
    matches!(
        (outcome, command),
        (Outcome::Failed { .. }, Command::FailToRender { .. })
            | (Outcome::Suppressed(_), Command::Suppress { .. })
            | (Outcome::Cancelled(_), Command::Cancel { .. })
    )
}

fn reopened(
    plan: &Plan,
    tries: &Tries,
    due_at: OffsetDateTime,
    planned_at: OffsetDateTime,
) -> Event {
    Event::Reopened {
        plan: Plan {
            due_at,
            ..plan.clone()
        },
        planned_at,
        attempts: tries.attempts,
    }
}

fn attempt(
    tries: &Tries,
    instance: Uuid,
    now: OffsetDateTime,
    deadline: OffsetDateTime,
    permit: Permit,
) -> Result<Vec<Event>, Refusal> {
    if let Some(event) = forbidden(&permit) {
        return Ok(vec![event]);
    }
    if deadline <= now {
        return Err(Refusal::DeadlineInThePast { deadline });
    }
    Ok(vec![Event::Attempted {
        attempt: tries.attempts.saturating_add(1),
        instance,
        deadline,
        subscriber_version: permit.receiver.version(),
        channel_version: permit.channel_version,
    }])
}

fn forbidden(permit: &Permit) -> Option<Event> {
    if !permit.cause_may_send {
        let reason = CancelledReason::PublicationCancelled;
        return Some(Event::Cancelled { reason });
    }
    let reason = permit.receiver.forbids(permit.purpose)?;
    Some(Event::Suppressed { reason })
}
