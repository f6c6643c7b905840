//! What goes into the log and what comes out of it.

use bytes::Bytes;
use prost::Message as _;
use tidings_proto::common::{Envelope, Metadata};
use tidings_proto::{DecodeError, Event, from_us, to_us};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::digest;
use crate::log::{COMMIT_EVENTS_MAX, EVENT_BYTES_MAX};

const ACTOR_BYTES_MAX: usize = 64;

/// A stream must be at this version for the commit to happen; 0: it must not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// The stream; it need not be written by the commit.
    pub stream_id: Uuid,
    /// Its version.
    pub version: i32,
}

/// An event on its way into the log, encoded and sealed.
#[derive(Clone, Debug, PartialEq)]
pub struct NewEvent {
    /// The stream it is appended to.
    pub stream_id: Uuid,
    /// Unique; the same intent tried again carries the same id.
    pub event_id: Uuid,
    /// `<noun>.<PastTense>`
    pub event_type: &'static str,
    /// The subscriber the stream is about; named by a stream's first event.
    pub subject: Option<Uuid>,
    /// When it happened.
    pub occurred_at: OffsetDateTime,
    /// Who did it: `user:<sub>`, `subscriber`, `system:<role>`.
    pub actor: String,
    /// Ties everything together that one request set off.
    pub correlation_id: Uuid,
    /// Position of the event that caused it; `None` when a request did.
    pub causation: Option<i64>,
    /// Serialized [`Metadata`].
    pub metadata: Vec<u8>,
    /// Serialized event.
    pub payload: Vec<u8>,
}

impl NewEvent {
    /// Bytes the event takes in a JetStream message, headers aside; an upper bound.
    pub fn size_bytes(&self) -> usize {
        // Ids, numbers, digest and field tags stay below 256 bytes.
        256 + self.event_type.len() + self.actor.len() + self.metadata.len() + self.payload.len()
    }

    /// See [`digest::event`].
    pub fn digest(&self) -> [u8; 32] {
        digest::event(&digest::Input {
            event_id: self.event_id,
            stream_id: self.stream_id,
            event_type: self.event_type,
            subject: self.subject,
            occurred_at_us: to_us(self.occurred_at),
            actor: &self.actor,
            correlation_id: self.correlation_id,
            causation: self.causation,
            metadata: &self.metadata,
            payload: &self.payload,
        })
    }
}

/// The unit of writing: all of it or nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Commit {
    /// What must hold.
    pub guards: Vec<Guard>,
    /// What happened; at least one.
    pub events: Vec<NewEvent>,
}

impl Commit {
    /// What is wrong with it, if anything is.
    pub(crate) fn validate(&self) -> Result<(), String> {
        let count = self.events.len();
        if count == 0 || count > COMMIT_EVENTS_MAX {
            return Err(format!(
                "it holds {count} events; 1 to {COMMIT_EVENTS_MAX} are allowed"
            ));
        }
        for event in &self.events {
            let size = event.size_bytes();
            if size > EVENT_BYTES_MAX {
                return Err(format!(
                    "a {} of {size} bytes; at most {EVENT_BYTES_MAX} are allowed",
                    event.event_type
                ));
            }
            if event.actor.len() > ACTOR_BYTES_MAX || !event.actor.is_ascii() {
                return Err(format!(
                    "the actor must be ASCII of at most {ACTOR_BYTES_MAX} bytes"
                ));
            }
        }
        let mut guards = self.guards.clone();
        guards.sort_by_key(|guard| guard.stream_id);
        if guards.windows(2).any(|pair| {
            pair[0].stream_id == pair[1].stream_id && pair[0].version != pair[1].version
        }) {
            return Err("two guards name the same stream at different versions".to_owned());
        }
        Ok(())
    }
}

/// The log's word that a commit happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Position of the first event.
    pub first_position: i64,
    /// Position of the last event.
    pub last_position: i64,
    /// When the log recorded it.
    pub recorded_at: OffsetDateTime,
}

/// An event as the log holds it.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// 1, 2, 3, … without a gap, in commit order.
    pub position: i64,
    /// The stream.
    pub stream_id: Uuid,
    /// 1, 2, 3, … within the stream.
    pub version: i32,
    /// The event's id.
    pub event_id: Uuid,
    /// `<noun>.<PastTense>`
    pub event_type: String,
    /// The subscriber the stream is about, where the event names one.
    pub subject: Option<Uuid>,
    /// When it happened.
    pub occurred_at: OffsetDateTime,
    /// When the log took it; never runs backwards.
    pub recorded_at: OffsetDateTime,
    /// Who did it.
    pub actor: String,
    /// The request's correlation id.
    pub correlation_id: Uuid,
    /// Position of the cause.
    pub causation: Option<i64>,
    /// Serialized [`Metadata`], verbatim.
    pub metadata: Bytes,
    /// Serialized event, verbatim.
    pub payload: Bytes,
    /// Over everything but position, version and recorded_at.
    pub digest: [u8; 32],
}

impl Recorded {
    /// The payload, decoded.
    pub fn decode(&self) -> Result<Event, DecodeError> {
        Event::decode(&self.event_type, self.payload.clone())
    }

    /// The metadata, decoded; unreadable metadata reads as empty, since nothing is decided by it.
    pub fn metadata(&self) -> Metadata {
        Metadata::decode(self.metadata.clone()).unwrap_or_default()
    }

    /// The noun of the stream.
    pub fn noun(&self) -> &str {
        self.event_type
            .split_once('.')
            .map_or(self.event_type.as_str(), |(noun, _)| noun)
    }

    /// The event as it travels through JetStream.
    pub fn to_envelope(&self) -> Envelope {
        Envelope {
            position: self.position,
            stream_id: uuid_bytes(self.stream_id),
            version: self.version,
            event_id: uuid_bytes(self.event_id),
            r#type: self.event_type.clone(),
            subject: self.subject.map(uuid_bytes).unwrap_or_default(),
            occurred_at_us: to_us(self.occurred_at),
            recorded_at_us: to_us(self.recorded_at),
            actor: self.actor.clone(),
            correlation_id: uuid_bytes(self.correlation_id),
            causation: self.causation.unwrap_or_default(),
            metadata: self.metadata.clone(),
            payload: self.payload.clone(),
            digest: Bytes::copy_from_slice(&self.digest),
            read_from_log: false,
        }
    }

    /// The other way round; `None` when the envelope is a stub or not one of ours.
    pub fn from_envelope(envelope: Envelope) -> Option<Self> {
        if envelope.read_from_log {
            return None;
        }
        Some(Self {
            position: envelope.position,
            stream_id: Uuid::from_slice(&envelope.stream_id).ok()?,
            version: envelope.version,
            event_id: Uuid::from_slice(&envelope.event_id).ok()?,
            event_type: envelope.r#type,
            subject: Uuid::from_slice(&envelope.subject).ok(),
            occurred_at: from_us(envelope.occurred_at_us)?,
            recorded_at: from_us(envelope.recorded_at_us)?,
            actor: envelope.actor,
            correlation_id: Uuid::from_slice(&envelope.correlation_id).ok()?,
            causation: (envelope.causation > 0).then_some(envelope.causation),
            metadata: envelope.metadata,
            payload: envelope.payload,
            digest: envelope.digest.as_ref().try_into().ok()?,
        })
    }
}

/// The 16 bytes of a uuid, as the contract writes ids.
pub fn uuid_bytes(id: Uuid) -> Bytes {
    Bytes::copy_from_slice(id.as_bytes())
}
