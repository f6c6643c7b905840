//! Recording what became of an attempt. The message is out: the record is tried until the log takes it.

use std::time::Duration;

use tidings_domain::aggregate::Aggregate;
use tidings_domain::channel;
use tidings_domain::delivery::retry::{Family, Trouble};
use tidings_domain::delivery::{Command, Delivery, DoubtReason, Event, Reply};
use tidings_domain::id::derive_from;
use tidings_domain::suppression::{self, Suppression};
use tidings_domain::value::Code;
use tidings_event_store::{CommitError, Committed, Draft, Loaded, Outage, crash_point};
use tidings_proto::Reason;
use tidings_service::problem::chain;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::breaker::{Judged, Verdict, Whose};
use crate::channel::{Blame, Outcome};
use crate::core::{Core, DispatchError};
use crate::pick::{KnownReceiver, Pick};
use crate::roster::Way;

/// Between two tries to record an outcome while the log is away.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a mail waits at least that was one too many; else as long as the channel rests.
const PACED: time::Duration = time::Duration::seconds(30);

/// Records the outcome of the attempt that `delivery` has open; gives the position of the last event. `receiver`: as it was judged
/// with, to whose address nothing more goes once it is known that nobody has it; none: nothing was attempted.
pub(crate) async fn record(
    core: &Core,
    pick: &Pick,
    way: &Way,
    delivery: Loaded<Delivery>,
    attempted: &Committed,
    receiver: Option<&KnownReceiver>,
    outcome: Outcome,
) -> Result<i64, DispatchError> {
    let attempt = delivery.state.tries().map_or(0, |tries| tries.attempts);
    let attempt_event = delivery
        .history
        .last()
        .map_or(Uuid::nil(), |past| past.event_id);
    let id = pick.delivery.id;
    let now = core.clock.now();
    let judged = core
        .breaker
        .judge(way, Whose::of(pick, receiver), &outcome, now);
    // The same outcome tried again is the same event.
    let intent = derive_from(attempt_event, "reaction.outcome", &[]);
    // Only a plain success is decided from what the queue knows; the rest needs the whole history.
    let mut known = matches!(outcome, Outcome::Sent { .. }).then_some(delivery);
    let unknown = receiver.and_then(KnownReceiver::address);
    let unknown = unknown.filter(|_| judged.is_unknown);
    let mut waits = Waits::default();
    loop {
        let loaded = match known.take() {
            Some(delivery) => delivery,
            None => load::<Delivery>(core, id, &mut waits).await?,
        };
        if let Some(past) = loaded.repeated(intent) {
            return Ok(past.position);
        }
        let last_position = loaded
            .history
            .last()
            .map_or(attempted.last_position, |past| past.position);
        let command = command(core, id, way, attempt, &outcome, &judged);
        let events = match loaded.state.decide(command) {
            Ok(events) if !events.is_empty() => events,
            // Somebody else settled it meanwhile; nothing of ours is news.
            Ok(_) => return Ok(last_position),
            Err(refusal) => {
                tracing::warn!(%refusal, "an outcome came too late");
                return Ok(last_position);
            }
        };
        let label = label(&events);
        let context = core.context(
            pick.correlation_id,
            attempted.first_position,
            pick.traceparent.clone(),
            intent,
        );
        let mut draft = core.store.draft(&context);
        let fails = matches!(events.last(), Some(Event::Failed { .. }));
        draft.append_for(loaded, events, pick.receiver_id(), None);
        if let Some(address) = unknown.filter(|_| fails) {
            let suppression = load::<Suppression>(core, address, &mut waits).await?;
            suppress(&mut draft, suppression, id);
        }
        crash_point!("outcome.before_recorded");
        match draft.commit().await {
            Ok(committed) => {
                crash_point!("outcome.recorded");
                core.count(way, label);
                let position = committed.last_position;
                tell(core, pick, way, attempt, position, judged.verdict).await;
                return Ok(position);
            }
            Err(CommitError::Conflict { .. }) => {}
            Err(error @ (CommitError::Unavailable | CommitError::Unknown)) => {
                waits.wait(&error).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Lets the commit say that nobody has the address, as a bounce would.
fn suppress(draft: &mut Draft<'_>, address: Loaded<Suppression>, delivery_id: Uuid) {
    let command = suppression::Command::shown_by(delivery_id, suppression::Reason::HardBounce);
    let Ok(events) = address.state.decide(command);
    if !events.is_empty() {
        draft.append(address, events);
    }
}

/// Loads a stream, however long the log is away.
async fn load<A: Aggregate>(
    core: &Core,
    id: Uuid,
    waits: &mut Waits,
) -> Result<Loaded<A>, DispatchError> {
    loop {
        match core.store.load::<A>(id).await {
            Ok(loaded) => return Ok(loaded),
            Err(error) if error.is_temporary() => waits.wait(&error).await,
            Err(error) => return Err(error.into()),
        }
    }
}

/// Has the channel's stream say what the outcome means for its circuit.
async fn tell(core: &Core, pick: &Pick, way: &Way, attempt: u32, position: i64, verdict: Verdict) {
    let by = channel::Attempt {
        delivery_id: pick.delivery.id,
        attempt,
    };
    let cause = (pick.correlation_id, position);
    if let Err(error) = core.switch(way, by, cause, verdict).await {
        // A probe that nobody hears of ends by its deadline, and failures go on being counted.
        tracing::warn!(channel = %way.channel_id, error = %chain(&error), "a channel's circuit stays as it is");
    }
}

/// Waiting for the log to come back.
#[derive(Default)]
pub(crate) struct Waits {
    outage: Outage,
}

impl Waits {
    pub(crate) async fn wait(&mut self, error: &impl std::error::Error) {
        let error = chain(&error);
        if self.outage.is_news(&error) {
            tracing::warn!(error, "an outcome waits to be recorded");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What kept the receiving side from taking it. What it said: a code, when to come back, and whose fault it was.
fn trouble(
    family: Family,
    (code, retry_after, blame): (i32, Option<Duration>, Blame),
    judged: &Judged,
    rests_for: Option<Duration>,
    now: OffsetDateTime,
) -> Trouble {
    match (judged.wait_until(), blame) {
        (Some(until), _) => Trouble::ChannelDown { until },
        // Too much is asked of the account, and no more by this mail than by any other: the channel's own rest
        // is what it waits for, not the half hour of one whose receiver puts it off.
        (None, Blame::Pace) if matches!(family, Family::Mail | Family::MailApi) => {
            let rests_for = rests_for.and_then(|rest| rest.try_into().ok());
            Trouble::ChannelRests {
                until: now.saturating_add(PACED.max(rests_for.unwrap_or(PACED))),
            }
        }
        (None, Blame::Network) if code == 0 => Trouble::Unreachable,
        _ => Trouble::PutOff {
            retry_after: retry_after.and_then(|wait| wait.try_into().ok()),
        },
    }
}

fn command(
    core: &Core,
    delivery_id: Uuid,
    way: &Way,
    attempt: u32,
    outcome: &Outcome,
    judged: &Judged,
) -> Command {
    let now = core.clock.now();
    let family = way.kind.map_or(Family::Http, |kind| kind.family);
    let reply = |code: i32, text: &str| {
        Reply::new(
            u16::try_from(code).unwrap_or(0),
            Some(text).filter(|text| !text.is_empty()),
        )
    };
    match outcome {
        Outcome::Sent {
            code,
            reply: text,
            provider_message_id,
        } => Command::RecordSent {
            attempt,
            reply: reply(*code, text),
            provider_message_id: provider_message_id.clone(),
        },
        Outcome::Deferred {
            reason,
            code,
            reply: text,
            retry_after,
            blame,
        } => Command::RecordDeferred {
            delivery_id,
            attempt,
            reason: Code::from_static(reason.as_str()),
            reply: reply(*code, text),
            now,
            family,
            trouble: trouble(
                family,
                (*code, *retry_after, *blame),
                judged,
                way.channel
                    .as_ref()
                    .and_then(|channel| channel.ready_after()),
                now,
            ),
        },
        Outcome::Failed {
            reason,
            code,
            reply: text,
            ..
        } => Command::RecordFailed {
            attempt,
            reason: Code::from_static(reason.as_str()),
            reply: reply(*code, text),
        },
        Outcome::Abandoned { reason } => Command::Abandon {
            delivery_id,
            attempt,
            reason: Code::from_static(reason.as_str()),
            now,
            wait_min: time::Duration::ZERO,
        },
        Outcome::InDoubt { reason } => Command::Doubt {
            attempt,
            reason: match reason {
                Reason::ReplyTimeout => DoubtReason::ReplyTimeout,
                Reason::UnexpectedReply => DoubtReason::UnexpectedReply,
                _ => DoubtReason::ConnectionLost,
            },
            now,
            policy: way.doubt,
        },
    }
}

/// What these events come to, for counting.
pub(crate) fn label(events: &[Event]) -> &'static str {
    match events.last() {
        Some(Event::Sent { .. }) => "sent",
        Some(Event::Deferred { .. }) => "deferred",
        Some(Event::Failed { .. }) => "failed",
        Some(Event::Abandoned { .. }) => "abandoned",
        Some(Event::InDoubt { .. }) => "in_doubt",
        Some(Event::Suppressed { .. }) => "suppressed",
        Some(Event::Cancelled { .. }) => "cancelled",
        _ => "other",
    }
}
