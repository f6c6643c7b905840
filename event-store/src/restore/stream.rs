//! What the stream of the incarnation before holds beyond the log: a relay brings it there sooner than the witness
//! signs. It is not signed, so nothing is believed of it but that somebody must not be written to.

use std::collections::HashMap;
use std::time::Duration;

use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::{Ordered, OrderedConfig};
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::{self, ErrorCode};
use futures_util::StreamExt as _;
use prost::Message as _;
use tidings_proto::common::Envelope;
use tidings_proto::{EventMessage as _, subscriber, suppression};
use uuid::Uuid;

use super::RestoreError;
use crate::event::Recorded;
use crate::log::Log;
use crate::stream::StreamName;
use crate::witness::{Fact, known, of_event};

const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The facts that are believed.
const FORBIDDING: [&str; 2] = [subscriber::Unsubscribed::TYPE, suppression::Added::TYPE];

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InStream {
    /// The last position the stream holds; 0: there is no such stream.
    pub through: i64,
    /// Facts that forbid and that the log lacks, in their order.
    pub facts: Vec<Fact>,
}

/// Reads the stream of an earlier incarnation from after a position on. `end`: the end of the log, before anything was
/// made part of it again.
///
/// # Errors
/// When the stream or the log can not be read.
pub async fn in_stream(
    log: &Log,
    client: async_nats::Client,
    name: &StreamName,
    after: i64,
    end: i64,
) -> Result<InStream, RestoreError> {
    let jetstream = jetstream::new(client);
    let stream = match jetstream.get_stream(&name.stream).await {
        Ok(stream) => stream,
        Err(error) => {
            return match error.kind() {
                GetStreamErrorKind::JetStream(error)
                    if error.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    Ok(InStream::default())
                }
                _ => Err(unreadable(error)),
            };
        }
    };
    let through = stream.cached_info().state.last_sequence as i64;
    let mut facts = Vec::new();
    if through > after {
        let config = OrderedConfig {
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: after.max(0) as u64 + 1,
            },
            ..OrderedConfig::default()
        };
        let consumer = stream.create_consumer(config).await.map_err(unreadable)?;
        let messages = consumer.messages().await.map_err(unreadable)?;
        facts = read(messages, through).await?;
        let in_log = known(log, after, end).await?;
        facts.retain(|fact| !in_log.contains(&(fact.position, fact.event_id)));
    }
    Ok(InStream { through, facts })
}

async fn read(mut messages: Ordered, through: i64) -> Result<Vec<Fact>, RestoreError> {
    let mut signed_up: HashMap<Uuid, Recorded> = HashMap::new();
    let mut facts = Vec::new();
    loop {
        let next = tokio::time::timeout(ANSWER_WITHIN, messages.next()).await;
        let message = next
            .map_err(|_| RestoreError::Stream("no answer in time".to_owned()))?
            .ok_or_else(|| RestoreError::Stream("it ended early".to_owned()))?
            .map_err(unreadable)?;
        let sequence = message.info().map_err(unreadable)?.stream_sequence as i64;
        let envelope = Envelope::decode(message.payload.clone()).ok();
        if let Some(recorded) = envelope.and_then(Recorded::from_envelope) {
            if recorded.event_type == subscriber::SignedUp::TYPE {
                signed_up.insert(recorded.stream_id, recorded);
            } else if FORBIDDING.contains(&recorded.event_type.as_str()) {
                let first = signed_up.get(&recorded.stream_id);
                facts.extend(of_event(&recorded, first.map(|it| it.payload.as_ref())));
            }
        }
        if sequence >= through {
            return Ok(facts);
        }
    }
}

fn unreadable(error: impl std::fmt::Display) -> RestoreError {
    RestoreError::Stream(error.to_string())
}
