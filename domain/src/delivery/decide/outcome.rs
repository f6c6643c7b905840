//! What a word on an attempt does.
//!
//! An outcome counts for the attempt it names and no other. `Sent` of an attempt in doubt always
//! counts, however late; any other late word counts only if no later attempt was made.

use time::OffsetDateTime;

use super::super::{
    Command, Delivery, DoubtPolicy, DoubtReason, Event, Outcome, Refusal, Reply, Tries, retry,
};
use crate::value::Code;

/// Decides on the commands that report how an attempt ended; others change nothing here.
pub(super) fn decide(state: &Delivery, command: Command) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::RecordSent {
            attempt,
            reply,
            provider_message_id,
        } => {
            let event = Event::Sent {
                attempt,
                reply,
                provider_message_id,
            };
            sent(state, attempt).map(|counts| if counts { vec![event] } else { vec![] })
        }
        Command::RecordFailed {
            attempt,
            reason,
            reply,
        } => {
            let counts = word(state, attempt)? != Word::Repeated;
            let event = Event::Failed {
                attempt,
                reason,
                reply,
            };
            Ok(counts.then_some(event).into_iter().collect())
        }
        Command::RecordDeferred {
            delivery_id,
            attempt,
            reason,
            reply,
            now,
            family,
            trouble,
        } => {
            let channel_down = trouble.is_of_the_channel();
            put_off(state, attempt, reason, reply, channel_down, |tries| {
                retry::retry_at(family, trouble, tries, delivery_id, now)
            })
        }
        command @ Command::Abandon { .. } => abandon(state, command),
        Command::PutOff {
            attempt,
            reason,
            until,
        } => put_off_until(state, attempt, reason, until),
        Command::Doubt {
            attempt,
            reason,
            now,
            policy,
        } => doubt(state, attempt, reason, now, policy),
        Command::DoubtUnrecorded {
            attempt: lost,
            planned_at,
            instance,
            deadline,
            subscriber_version,
            channel_version,
        } => Ok(unrecorded(state, lost, planned_at, |attempt| {
            Event::Attempted {
                attempt,
                instance,
                deadline,
                subscriber_version,
                channel_version,
            }
        })),
        _ => Ok(vec![]),
    }
}

fn stale(tries: &Tries, attempt: u32) -> Refusal {
    Refusal::StaleAttempt {
        attempt,
        latest: tries.attempts,
    }
}

/// Whether a `Sent` changes anything: it does for the open attempt, and for one in doubt.
fn sent(state: &Delivery, attempt: u32) -> Result<bool, Refusal> {
    let Some(tries) = state.tries() else {
        return Err(Refusal::NotFound);
    };
    let made = (1..=tries.attempts).contains(&attempt);
    let open = matches!(state, Delivery::Attempting { .. }) && attempt == tries.attempts;
    match state {
        Delivery::Settled {
            outcome: Outcome::Sent { .. },
            ..
        } if made => Ok(false),
        _ if open || tries.doubtful.contains(&attempt) => Ok(true),
        _ => Err(stale(tries, attempt)),
    }
}

/// What a word on an attempt other than `Sent` means.
#[derive(PartialEq)]
enum Word {
    /// The attempt is open, or was put off in doubt and nothing was tried since.
    Open,
    /// The attempt is in doubt and held: the word settles it, but never reopens it.
    Held,
    /// Nothing new: the attempt is closed, or the delivery was sent.
    Repeated,
}

fn word(state: &Delivery, attempt: u32) -> Result<Word, Refusal> {
    let Some(tries) = state.tries() else {
        return Err(Refusal::NotFound);
    };
    let latest = attempt == tries.attempts && attempt > 0;
    let doubtful = tries.doubtful.contains(&attempt);
    match state {
        Delivery::Settled {
            outcome: Outcome::Sent { .. },
            ..
        } if (1..=tries.attempts).contains(&attempt) => Ok(Word::Repeated),
        _ if !latest => Err(stale(tries, attempt)),
        Delivery::Attempting { .. } => Ok(Word::Open),
        Delivery::Pending { .. } if doubtful => Ok(Word::Open),
        Delivery::Settled {
            outcome: Outcome::InDoubt { .. },
            ..
        } => Ok(Word::Held),
        _ => Ok(Word::Repeated),
    }
}

fn put_off(
    state: &Delivery,
    attempt: u32,
    reason: Code,
    reply: Reply,
    channel_down: bool,
    retry_at: impl FnOnce(&Tries) -> Option<OffsetDateTime>,
) -> Result<Vec<Event>, Refusal> {
    let word = word(state, attempt)?;
    let Some(tries) = state.tries() else {
        return Err(Refusal::NotFound);
    };
    Ok(match word {
        Word::Repeated => vec![],
        Word::Held => vec![Event::Failed {
            attempt,
            reason,
            reply,
        }],
        Word::Open => vec![match retry_at(tries) {
            Some(retry_at) => Event::Deferred {
                attempt,
                reason,
                reply,
                retry_at,
                channel_down,
            },
            None => Event::Failed {
                attempt,
                reason: Code::from_static(tidings_proto::Reason::GaveUp.as_str()),
                reply,
            },
        }],
    })
}

/// To the moment: nobody else waits with it.
fn put_off_until(
    state: &Delivery,
    attempt: u32,
    reason: Code,
    until: OffsetDateTime,
) -> Result<Vec<Event>, Refusal> {
    Ok(match word(state, attempt)? {
        Word::Open => vec![Event::Abandoned {
            attempt,
            reason,
            retry_at: until,
        }],
        Word::Repeated | Word::Held => vec![],
    })
}

fn abandon(state: &Delivery, command: Command) -> Result<Vec<Event>, Refusal> {
    let Command::Abandon {
        delivery_id,
        attempt,
        reason,
        now,
        wait_min,
    } = command
    else {
        return Ok(vec![]);
    };
    let word = word(state, attempt)?;
    let Some(tries) = state.tries() else {
        return Err(Refusal::NotFound);
    };
    Ok(match word {
        Word::Repeated => vec![],
        Word::Held => vec![Event::Failed {
            attempt,
            reason,
            reply: Reply::none(),
        }],
        Word::Open => vec![Event::Abandoned {
            attempt,
            reason,
            retry_at: retry::after_abandoned(tries, delivery_id, now, wait_min),
        }],
    })
}

/// Doubt loses against any word on the attempt, and against any later attempt. Where the receiving side has spoken of
/// the attempt already, there is none.
fn doubt(
    state: &Delivery,
    attempt: u32,
    reason: DoubtReason,
    now: OffsetDateTime,
    policy: DoubtPolicy,
) -> Result<Vec<Event>, Refusal> {
    let Some(tries) = state.tries() else {
        return Err(Refusal::NotFound);
    };
    if !(1..=tries.attempts).contains(&attempt) {
        return Err(stale(tries, attempt));
    }
    let Delivery::Attempting { deadline, .. } = state else {
        return Ok(vec![]);
    };
    if attempt != tries.attempts {
        return Ok(vec![]);
    }
    if reason == DoubtReason::DeadlinePassed && now < *deadline {
        return Err(Refusal::DeadlineAhead {
            deadline: *deadline,
        });
    }
    if tries.heard.iter().any(|heard| heard.attempt == attempt) {
        return Ok(vec![Event::Sent {
            attempt,
            reply: Reply::none(),
            provider_message_id: None,
        }]);
    }
    let resend = policy == DoubtPolicy::ResendOnce && tries.doubtful.is_empty();
    Ok(vec![Event::InDoubt {
        attempt,
        reason,
        retry_at: resend.then(|| now.saturating_add(retry::RESEND_AFTER)),
    }])
}

/// The attempt and its doubt, as the next one of a delivery that waits, or that was settled before somebody had it
/// tried again in what the log has lost. Of any other the log has a word, or an attempt of its own.
fn unrecorded(
    state: &Delivery,
    lost: u32,
    planned_at: OffsetDateTime,
    attempted: impl FnOnce(u32) -> Event,
) -> Vec<Event> {
    let (reopened, tries) = match state {
        Delivery::Pending { tries, .. } => (None, tries),
        Delivery::Settled {
            plan,
            tries,
            outcome: Outcome::Failed { .. } | Outcome::InDoubt { .. },
        } if lost > tries.attempts => {
            let reopened = super::reopened(plan, tries, plan.due_at, planned_at);
            (Some(reopened), tries)
        }
        _ => return Vec::new(),
    };
    let attempt = tries.attempts.saturating_add(1);
    let in_doubt = Event::InDoubt {
        attempt,
        reason: DoubtReason::Restored,
        retry_at: None,
    };
    reopened
        .into_iter()
        .chain([attempted(attempt), in_doubt])
        .collect()
}
