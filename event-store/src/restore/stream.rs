//! What the stream of the incarnation before holds beyond the log: a relay brings it there sooner than the witness
//! signs. It is not signed, so nothing is believed of it but that somebody must not be written to, or not once more, or not
//! be let in.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::{Ordered, OrderedConfig};
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{self, ErrorCode};
use futures_util::StreamExt as _;
use prost::Message as _;
use tidings_proto::common::Envelope;
use tidings_proto::{Event, EventMessage as _, api_key, from_us, subscriber, suppression};
use time::OffsetDateTime;
use uuid::Uuid;

use super::RestoreError;
use crate::event::Recorded;
use crate::log::Log;
use crate::stream::{BATCH_HASH, StreamName};
use crate::witness::{CONTACT, Fact, known, of_event};

const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The facts that are believed.
const FORBIDDING: [&str; 4] = [
    subscriber::Unsubscribed::TYPE,
    suppression::Added::TYPE,
    api_key::Rotated::TYPE,
    api_key::Revoked::TYPE,
];

/// What is known without the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    /// The last position at which the log holds what was witnessed. After a log that went on alone the witness may have
    /// signed what that log wrote: the stream, where it has something to say, knows better.
    pub same: i64,
    /// The last position whose facts are known otherwise: the witness's last.
    pub witnessed: i64,
    /// The end of the log, before anything was made part of it again.
    pub end: i64,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InStream {
    /// The last position at which the log is the one of before, as far as the stream tells.
    pub same: i64,
    /// The last position the stream holds; 0: there is no such stream, nor a log.
    pub through: i64,
    /// Facts that forbid and that the log lacks, in their order.
    pub facts: Vec<Fact>,
    /// Attempts to deliver that the log lacks, and of which the stream does not say that the receiver was not reached;
    /// the last one of each delivery.
    pub attempts: Vec<Attempt>,
}

/// An attempt to deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The delivery.
    pub delivery_id: Uuid,
    /// 1, 2, 3, …
    pub attempt: u32,
    /// The process that made it.
    pub instance: Uuid,
    /// Its deadline.
    pub deadline: OffsetDateTime,
    /// Version of the subscriber's stream it was judged at; 0 for a broadcast.
    pub subscriber_version: i32,
    /// Version of the channel's stream.
    pub channel_version: i32,
    /// What the delivery is of, if it was planned in what the log lacks.
    pub planned: Option<Planned>,
}

/// What a delivery is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The publication.
    pub publication_id: Uuid,
    /// The way out.
    pub channel_id: Uuid,
    /// The receiver; none: a broadcast.
    pub subscriber_id: Option<Uuid>,
}

/// Reads the stream of an earlier incarnation from where the log parted from it.
///
/// # Errors
/// When the stream or the log can not be read, when there is no stream although the log holds events, and when the
/// stream begins after what is known.
pub async fn in_stream(
    log: &Log,
    client: async_nats::Client,
    name: &StreamName,
    before: Before,
) -> Result<InStream, RestoreError> {
    let mut jetstream = jetstream::new(client);
    jetstream.set_timeout(ANSWER_WITHIN);
    let reader = Reader { log, name };
    let stream = match jetstream.get_stream(&name.stream).await {
        Ok(stream) => stream,
        Err(error) => {
            return match error.kind() {
                GetStreamErrorKind::JetStream(error)
                    if error.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    reader.none(before)
                }
                _ => Err(reader.unreadable(error)),
            };
        }
    };
    reader.read(&stream, before).await
}

struct Reader<'a> {
    log: &'a Log,
    name: &'a StreamName,
}

impl Reader<'_> {
    fn none(&self, before: Before) -> Result<InStream, RestoreError> {
        if before.end == 0 {
            return Ok(InStream::default());
        }
        Err(RestoreError::NoStream {
            stream: self.name.stream.clone(),
        })
    }

    async fn read(&self, stream: &Stream, before: Before) -> Result<InStream, RestoreError> {
        let state = &stream.cached_info().state;
        let through = state.last_sequence as i64;
        // That of an empty stream is the one that comes next.
        let begins = state.first_sequence.max(1) as i64;
        let same = self.same(stream, begins..=through, before).await?;
        // A witness that went on with another log knows nothing of what came after the parting.
        let known_through = match same < before.same {
            true => same,
            false => same.max(before.witnessed),
        };
        if begins > known_through + 1 {
            return Err(RestoreError::StreamBeginsLate {
                stream: self.name.stream.clone(),
                begins,
                known: known_through,
            });
        }
        let mut found = Found::default();
        // One that has lost all it held knows nothing, but where it ended.
        if through > same && state.messages > 0 {
            let config = OrderedConfig {
                deliver_policy: DeliverPolicy::ByStartSequence {
                    start_sequence: same as u64 + 1,
                },
                ..OrderedConfig::default()
            };
            let consumer = stream.create_consumer(config).await;
            let consumer = consumer.map_err(|error| self.unreadable(error))?;
            let messages = consumer.messages().await;
            let messages = messages.map_err(|error| self.unreadable(error))?;
            self.take_all(messages, through, &mut found).await?;
        }
        let in_log = known(self.log, same, before.end).await?;
        let mut facts = found.facts;
        facts.retain(|fact| !in_log.contains(&(fact.position, fact.event_id)));
        Ok(InStream {
            same,
            through,
            facts,
            attempts: found.open.into_values().filter_map(last).collect(),
        })
    }

    /// The last position at which the stream is the log's. Each batch hash covers all before it, so where one is the
    /// log's, all before it are. Without one the witness is believed for what came before the stream begins, and where
    /// the stream holds nothing that is not the log's, for what came after it too.
    async fn same(
        &self,
        stream: &Stream,
        held: std::ops::RangeInclusive<i64>,
        before: Before,
    ) -> Result<i64, RestoreError> {
        let (mut low, through) = held.into_inner();
        let mut same = match before.same < low {
            true => before.same,
            false => 0,
        };
        let mut high = through.min(before.end);
        while low <= high {
            let middle = low + (high - low) / 2;
            if self.is_same(stream, middle).await? {
                (same, low) = (middle, middle + 1);
            } else {
                high = middle - 1;
            }
        }
        Ok(match same < through {
            true => same,
            false => same.max(before.same),
        })
    }

    async fn is_same(&self, stream: &Stream, position: i64) -> Result<bool, RestoreError> {
        let message = stream.get_raw_message(position as u64).await;
        let message = message.map_err(|error| self.unreadable(error))?;
        match message.headers.get(BATCH_HASH) {
            Some(hash) => Ok(self.log.holds(position, hash.as_str()).await?),
            None => Ok(false),
        }
    }

    async fn take_all(
        &self,
        mut messages: Ordered,
        through: i64,
        found: &mut Found,
    ) -> Result<(), RestoreError> {
        loop {
            let next = tokio::time::timeout(ANSWER_WITHIN, messages.next()).await;
            let message = next
                .map_err(|_| self.unreadable("no answer in time"))?
                .ok_or_else(|| self.unreadable("it ended early"))?
                .map_err(|error| self.unreadable(error))?;
            let info = message.info().map_err(|error| self.unreadable(error))?;
            let sequence = info.stream_sequence as i64;
            let envelope = Envelope::decode(message.payload.clone()).ok();
            if let Some(recorded) = envelope.and_then(Recorded::from_envelope) {
                found.take(recorded);
            }
            if sequence >= through {
                return Ok(());
            }
        }
    }

    fn unreadable(&self, why: impl std::fmt::Display) -> RestoreError {
        RestoreError::Stream {
            stream: self.name.stream.clone(),
            why: why.to_string(),
        }
    }
}

/// What the messages come to.
#[derive(Default)]
struct Found {
    /// The last event of each subscriber that says where mail goes.
    contact: HashMap<Uuid, Recorded>,
    facts: Vec<Fact>,
    /// By delivery and number: attempts that may have reached the receiver.
    open: BTreeMap<Uuid, BTreeMap<i32, Attempt>>,
    planned: HashMap<Uuid, Planned>,
}

impl Found {
    fn take(&mut self, recorded: Recorded) {
        if CONTACT.contains(&recorded.event_type.as_str()) {
            self.contact.insert(recorded.stream_id, recorded);
        } else if FORBIDDING.contains(&recorded.event_type.as_str()) {
            let contact = self.contact.get(&recorded.stream_id);
            self.facts.extend(of_event(&recorded, contact));
        } else if let Ok(event) = recorded.decode() {
            self.of_delivery(recorded.stream_id, &event);
        }
    }

    fn of_delivery(&mut self, delivery_id: Uuid, event: &Event) {
        let id = |bytes: &[u8]| Uuid::from_slice(bytes).ok();
        match event {
            // A notice that is lost is not planned again: who issued it is lost too.
            Event::DeliveryPlanned(it) if it.cause_kind == "publication" => {
                let of = id(&it.cause_id).zip(id(&it.channel_id));
                if let Some((publication_id, channel_id)) = of {
                    let planned = Planned {
                        publication_id,
                        channel_id,
                        subscriber_id: id(&it.subscriber_id),
                    };
                    self.planned.insert(delivery_id, planned);
                }
            }
            Event::DeliveryAttempted(it) => {
                let attempt = Attempt {
                    delivery_id,
                    attempt: u32::try_from(it.attempt).unwrap_or_default(),
                    instance: id(&it.instance).unwrap_or_default(),
                    deadline: from_us(it.deadline_at_us).unwrap_or(OffsetDateTime::UNIX_EPOCH),
                    subscriber_version: it.subscriber_version,
                    channel_version: it.channel_version,
                    planned: self.planned.get(&delivery_id).copied(),
                };
                let of_delivery = self.open.entry(delivery_id).or_default();
                of_delivery.insert(it.attempt, attempt);
            }
            // As if the attempt had not been made: it was to be tried again.
            Event::DeliveryDeferred(it) => self.not_reached(delivery_id, it.attempt),
            Event::DeliveryAbandoned(it) => self.not_reached(delivery_id, it.attempt),
            _ => {}
        }
    }

    fn not_reached(&mut self, delivery_id: Uuid, attempt: i32) {
        if let Some(of_delivery) = self.open.get_mut(&delivery_id) {
            of_delivery.remove(&attempt);
        }
    }
}

fn last(attempts: BTreeMap<i32, Attempt>) -> Option<Attempt> {
    attempts.into_values().next_back()
}
