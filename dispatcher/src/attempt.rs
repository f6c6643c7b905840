//! One delivery, from being due to having an outcome on record.

mod message;
mod put_off;
mod record;
mod room;
mod wanted;

use std::sync::Arc;
use std::time::Duration;

use tidings_domain::aggregate::Aggregate;
use tidings_domain::channel::{self, Channel as ChannelState};
use tidings_domain::delivery::{self, Command, Delivery, Event};
use tidings_domain::preferences::Room;
use tidings_domain::publication::Sending;
use tidings_domain::stream_id;
use tidings_domain::value::Code;
use tidings_event_store::{CommitError, Committed, Draft, Loaded, crash_point};
use tidings_proto::Reason;
use tidings_service::problem::chain;
use tidings_service::trace::{Scope, in_scope};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use uuid::Uuid;

use crate::causes::Cause;
use crate::channel::{Channel, Outcome, Reach, RenderError, Rendered};
use crate::core::{Core, DispatchError};
use crate::pick::{KnownReceiver, Pick};
use crate::roster::Way;
use crate::surroundings::Known;
use crate::{judge, outcome};
use record::{Begun, Record};
use room::Looked;

pub(crate) use room::InHand;

/// Refusals in a row before a delivery rests.
const REFUSALS_MAX: u32 = 5;

/// How long others wait for the word of a probe.
const PROBE_TIME_MAX: Duration = Duration::from_secs(120);

/// What became of a picked delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was attempted, and its last event stands at this position: until the queue has reached it, it is not picked again.
    Answered(i64),
    /// The same of one that was kept from the receiving side: suppressed, cancelled, put off or abandoned.
    Recorded(i64),
    /// Not now: its streams moved on too often.
    Rest,
    /// Not now, and no other delivery of its channel either: the channel is disabled, can not be used, or takes
    /// nothing.
    ChannelRests,
    /// The queue is behind: it is not pending any more.
    Gone,
}

/// Everything an attempt is judged and made with.
struct Case {
    delivery: Loaded<Delivery>,
    receiver: KnownReceiver,
    cause: Cause,
    way: Arc<Way>,
    surroundings: Known,
    /// When the receiver's cap may have room for it; none: now.
    room_at: Option<OffsetDateTime>,
}

impl Case {
    fn find(&mut self, room: Room) {
        match room {
            Room::Now => {}
            Room::At(at) => self.room_at = Some(at),
            Room::Never => self.receiver.receiver.forbid_over_cap(),
        }
    }
}

impl Core {
    /// Judges, attempts and records one delivery. Once told to stop it records no attempt, and finishes one that is.
    pub(crate) async fn deliver(
        &self,
        pick: Pick,
        stop: &CancellationToken,
    ) -> Result<Ended, DispatchError> {
        let span = tracing::info_span!("deliver", delivery = %pick.delivery.id, correlation = %pick.correlation_id);
        let traceparent = tidings_service::telemetry::set_parent_from(
            &span,
            pick.traceparent.as_deref(),
            &self.ids,
        );
        let scope = Scope {
            correlation_id: pick.correlation_id,
            traceparent,
        };
        in_scope(scope, self.deliver_in_scope(&pick, stop))
            .instrument(span)
            .await
    }

    async fn deliver_in_scope(
        &self,
        pick: &Pick,
        stop: &CancellationToken,
    ) -> Result<Ended, DispatchError> {
        let mut unknown = Vec::new();
        for refusals in 0..REFUSALS_MAX {
            let Some(mut case) = self.case(pick, refusals).await? else {
                // What makes it look under way may be an attempt of ours that was recorded after all.
                return Ok(match self.abandon_unknown(pick, &unknown).await? {
                    Some(position) => Ended::Recorded(position),
                    None => Ended::Gone,
                });
            };
            let forbids = case.receiver.receiver.forbids(case.cause.purpose());
            if pick.is_withdrawn && forbids.is_none() && case.cause.sending() != Sending::Never {
                // They came back: it goes out in its own time.
                return Ok(Ended::Rest);
            }
            let _hand = match self.room(&case, pick).await? {
                Looked::Free => None,
                Looked::Busy => return Ok(Ended::Rest),
                Looked::Found(room, hand) => {
                    case.find(room);
                    Some(hand)
                }
            };
            let rendered = match self.ready(&case, pick) {
                // What is known may be old: whoever could send would be told so by the guards, but not whoever can not.
                Ready::No | Ready::Held if refusals == 0 => continue,
                Ready::No => return Ok(Ended::ChannelRests),
                Ready::Held => return Ok(Ended::Rest),
                Ready::Forbidden => None,
                Ready::Yes(Ok(rendered)) => Some(rendered),
                Ready::Yes(Err(error)) => return self.fail_to_render(pick, case, error).await,
            };
            if stop.is_cancelled() {
                return Ok(Ended::Rest);
            }
            match self.permit(pick, &case, rendered.as_ref()).await? {
                Permitted::Refused => {}
                Permitted::Unknown(intent) => {
                    unknown.push((intent, Arc::clone(&case.way)));
                    if let Some(position) = self.abandon_unknown(pick, &unknown).await? {
                        return Ok(Ended::Recorded(position));
                    }
                }
                Permitted::Settled(committed) => {
                    return Ok(Ended::Recorded(committed.last_position));
                }
                Permitted::Attempt {
                    committed,
                    delivery,
                    begun,
                } => {
                    // `permit` gives an attempt only for a rendered message and a way to send it.
                    let (Some(rendered), Some(channel)) = (&rendered, &case.way.channel) else {
                        unreachable!("an attempt without a message or a way");
                    };
                    crash_point!("attempt.recorded");
                    let found = self.send(channel.as_ref(), rendered, begun).await;
                    crash_point!("attempt.sent");
                    let is_abandoned = matches!(found, Outcome::Abandoned { .. });
                    let (way, receiver) = (&case.way, Some(&case.receiver));
                    let position =
                        outcome::record(self, pick, way, *delivery, &committed, receiver, found)
                            .await?;
                    return Ok(match is_abandoned {
                        true => Ended::Recorded(position),
                        false => Ended::Answered(position),
                    });
                }
            }
        }
        Ok(Ended::Rest)
    }

    /// Views first; after a refusal the streams themselves.
    async fn case(&self, pick: &Pick, refusals: u32) -> Result<Option<Case>, DispatchError> {
        let fresh = refusals > 0 || pick.receiver.is_none();
        let plan = &pick.plan;
        if !fresh && let Some(receiver) = pick.receiver.clone() {
            let cause = self.cause(pick, false).await?;
            return Ok(Some(Case {
                delivery: pick.delivery.clone(),
                receiver: receiver.of(cause.topics(), plan.channel_id),
                cause,
                way: self.roster.get(plan.channel_id).await?,
                surroundings: self.surroundings.get().await?,
                room_at: None,
            }));
        }
        let Some(delivery) = judge::pending(&self.store, pick.delivery.id).await? else {
            return Ok(None);
        };
        let cause = self.cause(pick, true).await?;
        let purpose = cause.purpose();
        let receiver = judge::receiver(&self.store, plan.subscriber_id, purpose).await?;
        let Some(receiver) = receiver else {
            return Ok(None);
        };
        Ok(Some(Case {
            delivery,
            receiver: receiver.of(cause.topics(), plan.channel_id),
            cause,
            way: self.roster.refresh(plan.channel_id).await?,
            surroundings: self.surroundings.refresh().await?,
            room_at: None,
        }))
    }

    /// What asked for it, as last folded or as it stands now.
    async fn cause(&self, pick: &Pick, fresh: bool) -> Result<Cause, DispatchError> {
        match pick.plan.cause {
            delivery::Cause::Publication(id) => Ok(Cause::Publication(match fresh {
                true => self.causes.refresh(id).await?,
                false => self.causes.get(id).await?,
            })),
            delivery::Cause::Notice(id) => {
                let notice = self
                    .causes
                    .notice(id, pick.delivery.id, pick.plan.subscriber_id)
                    .await?;
                let unknown = || DispatchError::Refused(format!("notice {}", pick.delivery.id));
                notice.map(Cause::Notice).ok_or_else(unknown)
            }
        }
    }

    /// Whether the channel can send it, and the message if so.
    fn ready(&self, case: &Case, pick: &Pick) -> Ready {
        let sending = case.cause.sending();
        let forbids = case.receiver.receiver.forbids(case.cause.purpose());
        if sending == Sending::Never || forbids.is_some() {
            return Ready::Forbidden;
        }
        if sending == Sending::Later || case.surroundings.held {
            return Ready::Held;
        }
        match &case.way.channel {
            Some(channel) if case.way.lets_through(self.clock.now()) => {
                Ready::Yes(self.render(channel.as_ref(), case, pick))
            }
            _ => Ready::No,
        }
    }

    /// Commits the attempt, or what forbids it, or that it was put off, guarded on everything that was looked at.
    async fn permit(
        &self,
        pick: &Pick,
        case: &Case,
        rendered: Option<&Rendered>,
    ) -> Result<Permitted, DispatchError> {
        let now = self.clock.now();
        let wait = case
            .way
            .channel
            .as_ref()
            .map_or(Duration::ZERO, |channel| channel.attempt_time_max());
        let deadline = now + self.deadline(&case.way).max(wait);
        let command = self.wanted(pick, case, now, deadline);
        let mut events = decide(case.delivery.id, &case.delivery.state, command)?;
        let mut attempts = matches!(events.first(), Some(Event::Attempted { .. }));
        debug_assert_eq!(attempts, rendered.is_some());
        if attempts && let Some(instead) = self.put_off(pick, case, rendered, &events)? {
            events.extend(instead);
            attempts = false;
        }
        let label = outcome::label(&events);
        let context = self.context(
            pick.correlation_id,
            pick.planned_position,
            pick.traceparent.clone(),
            self.ids.next(),
        );
        let mut draft = self.store.draft(&context);
        let delivery = draft.append_for(case.delivery.clone(), events, pick.receiver_id(), None);
        match attempts && !case.way.circuit().is_closed() {
            true => self.probe(&mut draft, case, &delivery, now, deadline)?,
            false => {
                draft.guard(case.way.channel_id, case.way.version);
            }
        }
        // Whatever is restored meanwhile: no attempt comes after it.
        draft.guard(stream_id::log(), case.surroundings.version);
        for guard in case.receiver.guards.iter().chain(&case.cause.guard()) {
            draft.guard(guard.stream_id, guard.version);
        }
        let begun = self.begin();
        crash_point!("attempt.before_recorded");
        match draft.commit().await {
            Ok(committed) if attempts => Ok(Permitted::Attempt {
                committed,
                delivery: Box::new(delivery),
                begun,
            }),
            Ok(committed) => {
                self.count(&case.way, label);
                Ok(Permitted::Settled(committed))
            }
            Err(CommitError::Conflict { .. }) => Ok(Permitted::Refused),
            Err(CommitError::Unknown) => Ok(Permitted::Unknown(context.intent)),
            Err(error) => Err(error.into()),
        }
    }

    /// What follows the attempt at once, if its receiver wants it later, by what they have said since it was planned, too; or
    /// if its channel would rather not make it now.
    fn put_off(
        &self,
        pick: &Pick,
        case: &Case,
        rendered: Option<&Rendered>,
        attempted: &[Event],
    ) -> Result<Option<Vec<Event>>, DispatchError> {
        let now = self.clock.now();
        // A notice answers what somebody has just done: it is for now.
        if let Cause::Publication(publication) = &case.cause
            && let Some(preferences) = &case.receiver.preferences
        {
            let from = case.room_at.unwrap_or(now);
            let until = preferences.not_before(pick.planned_at, from, publication.is_urgent());
            if until > now {
                return put_off::until(&case.delivery, attempted, until).map(Some);
            }
        }
        let wanted = put_off::wanted(&case.way, &case.delivery, rendered);
        let instead = |it| put_off::instead(&case.delivery, attempted, it, now);
        wanted.map(instead).transpose()
    }

    /// The attempt finds out whether the channel works again: that stands in the same commit, so that of several
    /// dispatchers one does.
    fn probe(
        &self,
        draft: &mut Draft<'_>,
        case: &Case,
        delivery: &Loaded<Delivery>,
        now: OffsetDateTime,
        deadline: OffsetDateTime,
    ) -> Result<(), DispatchError> {
        let command = channel::Command::ProbeCircuit {
            by: channel::Attempt {
                delivery_id: delivery.id,
                attempt: delivery.state.tries().map_or(0, |tries| tries.attempts),
            },
            instance: self.instance.id,
            now,
            // A probe that takes longer says nothing good: another one may be made.
            deadline: deadline.min(now + PROBE_TIME_MAX),
        };
        let way = &case.way;
        let events = way.state.decide(command).map_err(|refusal| {
            DispatchError::Refused(format!("channel {}: {refusal}", way.channel_id))
        })?;
        let channel = Loaded::known(way.channel_id, way.state.clone(), way.version);
        draft.append::<ChannelState>(channel, events);
        Ok(())
    }

    async fn send(&self, channel: &dyn Channel, rendered: &Rendered, begun: Begun) -> Outcome {
        channel.send(rendered, &Record { core: self, begun }).await
    }

    /// The connection broke while an attempt was being recorded. If it is on record, nothing was sent for
    /// it, and that goes on record too; `None`: none of these is, so far.
    async fn abandon_unknown(
        &self,
        pick: &Pick,
        unknown: &[(Uuid, Arc<Way>)],
    ) -> Result<Option<i64>, DispatchError> {
        if unknown.is_empty() {
            return Ok(None);
        }
        let mut waits = outcome::Waits::default();
        let loaded = loop {
            match self.store.load::<Delivery>(pick.delivery.id).await {
                Ok(loaded) => break loaded,
                Err(error) if error.is_temporary() => waits.wait(&error).await,
                Err(error) => return Err(error.into()),
            }
        };
        let recorded = unknown.iter().find_map(|(intent, way)| {
            let past = loaded.repeated(*intent)?;
            Some((past.clone(), way))
        });
        let Some((past, way)) = recorded else {
            return Ok(None);
        };
        let attempted = Committed {
            first_position: past.position,
            last_position: past.position,
            recorded_at: past.recorded_at,
        };
        let found = Outcome::Abandoned {
            reason: Reason::RecordUnknown,
        };
        outcome::record(self, pick, way, loaded, &attempted, None, found)
            .await
            .map(Some)
    }

    async fn fail_to_render(
        &self,
        pick: &Pick,
        case: Case,
        error: RenderError,
    ) -> Result<Ended, DispatchError> {
        tracing::warn!(error = %chain(&error), "a delivery can not be rendered");
        let command = Command::FailToRender {
            reason: Code::from_static(error.reason().as_str()),
        };
        let events = decide(case.delivery.id, &case.delivery.state, command)?;
        let context = self.context(
            pick.correlation_id,
            pick.planned_position,
            pick.traceparent.clone(),
            self.ids.next(),
        );
        let mut draft = self.store.draft(&context);
        draft.append_for(case.delivery, events, pick.receiver_id(), None);
        match draft.commit().await {
            Ok(committed) => {
                self.count(&case.way, "failed");
                Ok(Ended::Recorded(committed.last_position))
            }
            Err(CommitError::Conflict { .. }) => Ok(Ended::Rest),
            Err(error) => Err(error.into()),
        }
    }

    fn deadline(&self, way: &Way) -> Duration {
        match way.kind.map(|kind| kind.reach) {
            Some(Reach::Addressed) => self.limits.email_deadline,
            _ => self.limits.http_deadline,
        }
    }

    pub(crate) fn count(&self, way: &Way, outcome: &str) {
        let kind = way.kind.map_or("unknown", |kind| kind.name);
        self.metrics
            .delivery_outcomes_total
            .with_label_values(&[kind, outcome])
            .inc();
    }
}

/// What the delivery does about the command.
fn decide(id: Uuid, state: &Delivery, command: Command) -> Result<Vec<Event>, DispatchError> {
    let refused = |refusal| DispatchError::Refused(format!("delivery {id}: {refusal}"));
    state.decide(command).map_err(refused)
}

enum Ready {
    /// The channel is disabled, can not be used, or takes nothing.
    No,
    /// Nothing may be sent.
    Held,
    /// It must not go out: that is what will be recorded.
    Forbidden,
    /// The message, or why there is none.
    Yes(Result<Rendered, RenderError>),
}

enum Permitted {
    /// A guard did not hold.
    Refused,
    /// Nobody knows whether what this intent wanted is on record.
    Unknown(Uuid),
    /// It was suppressed, cancelled or put off instead.
    Settled(Committed),
    /// The attempt is on record: it may be sent now.
    Attempt {
        committed: Committed,
        delivery: Box<Loaded<Delivery>>,
        begun: Begun,
    },
}
