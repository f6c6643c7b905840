//! Invariant 2: the message at JetStream sequence p is the event at position p.

use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::consumer::pull::OrderedConfig;
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::Stream;
use futures_util::StreamExt as _;
use prost::Message as _;
use tidings_event_store::stream::{BATCH_HASH, StreamName};
use tidings_event_store::{Log, Recorded};
use tidings_proto::common::Envelope;

/// Far more than a message takes to come.
const MESSAGE_WITHIN: Duration = Duration::from_secs(20);

const ASK_AGAIN: Duration = Duration::from_millis(50);
const PAGE: i64 = 1_000;

/// What a stream holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Its first sequence.
    pub first: i64,
    /// Its last sequence.
    pub last: i64,
    /// Messages that say "read it from the log".
    pub stubs: usize,
}

/// Reads every message there is and compares it, its subject and its batch's hash with the log. The log
/// may be ahead, the stream may not. `None`: there is no such stream.
pub async fn sound_messages(
    log: &Log,
    client: &async_nats::Client,
    name: &StreamName,
) -> Option<Held> {
    let mut stream = find(client, name).await?;
    let state = stream.info().await.unwrap().state.clone();
    let mut held = Held {
        first: state.first_sequence as i64,
        last: state.last_sequence as i64,
        stubs: 0,
    };
    assert!(
        held.last <= log.head().await.unwrap().position,
        "the stream is ahead of the log: {held:?}"
    );
    if state.messages == 0 {
        return Some(held);
    }
    let hashes = hashes(log, held.first).await;
    let consumer = stream
        .create_consumer(OrderedConfig {
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: state.first_sequence,
            },
            ..OrderedConfig::default()
        })
        .await
        .unwrap();
    let mut messages = consumer.messages().await.unwrap();
    let mut position = held.first - 1;
    while position < held.last {
        let limit = PAGE.min(held.last - position);
        for event in log.page_after(position, limit).await.unwrap() {
            let next = tokio::time::timeout(MESSAGE_WITHIN, messages.next()).await;
            let message = next.unwrap().unwrap().unwrap();
            let sequence = message.info().unwrap().stream_sequence as i64;
            let covering = hashes.partition_point(|(up_to, _)| *up_to < event.position);
            let stub = same(&message, sequence, &event, name, &hashes[covering].1);
            held.stubs += usize::from(stub);
            position = event.position;
        }
    }
    Some(held)
}

/// The stream, if the server says that there is one. A server that is away is waited for.
async fn find(client: &async_nats::Client, name: &StreamName) -> Option<Stream> {
    let jetstream = async_nats::jetstream::new(client.clone());
    let found = async {
        loop {
            match jetstream
                .get_stream(&name.stream)
                .await
                .map_err(|it| it.kind())
            {
                Ok(stream) => return Some(stream),
                Err(GetStreamErrorKind::JetStream(error))
                    if error.error_code() == ErrorCode::STREAM_NOT_FOUND =>
                {
                    return None;
                }
                Err(_) => tokio::time::sleep(ASK_AGAIN).await,
            }
        }
    };
    let found = tokio::time::timeout(MESSAGE_WITHIN, found).await;
    found.expect("nats-server answers")
}

/// Panics unless the message is the event's; whether it is a stub.
fn same(
    message: &async_nats::Message,
    sequence: i64,
    event: &Recorded,
    name: &StreamName,
    hash: &str,
) -> bool {
    let position = event.position;
    assert_eq!(sequence, position, "no sequence is left out");
    assert_eq!(
        message.subject.as_str(),
        name.subject(event),
        "at {position}"
    );
    let headers = message.headers.as_ref().unwrap();
    assert_eq!(
        headers.get(BATCH_HASH).unwrap().as_str(),
        hash,
        "at {position}"
    );
    let envelope = Envelope::decode(message.payload.clone()).unwrap();
    if envelope.read_from_log {
        assert_eq!(envelope.position, position);
    } else {
        assert_eq!(envelope, event.to_envelope(), "at {position}");
    }
    envelope.read_from_log
}

/// Last position and hash (hex) of every batch from the one that holds `first` on.
async fn hashes(log: &Log, first: i64) -> Vec<(i64, String)> {
    let client = log.pool().get().await.unwrap();
    let sql = "select last_position, encode(hash, 'hex') from publishing_batches \
               where last_position >= $1 order by last_position";
    let rows = client.query(sql, &[&first]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}
