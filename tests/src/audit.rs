//! What must be true of every log and every stream, whatever was done to them.

use std::collections::HashMap;

use deadpool_postgres::Pool;
use prost::Message as _;
use tidings_event_store::digest::{BatchHead, GROUP_EVENTS, Input, Placed, batch, event, group};
use tidings_event_store::stream::BATCH_HASH;
use tidings_event_store::{Log, Recorded};
use tidings_proto::common::Envelope;
use tidings_proto::to_us;
use uuid::Uuid;

use crate::platform::Platform;

const PAGE: i64 = 1_000;

/// Reads the whole log and checks it: positions dense from 1, versions contiguous from 1 in each stream,
/// recorded time never backwards, digests and the chain of batches as recomputed here.
pub async fn sound_log(log: &Log) -> Vec<Recorded> {
    let mut events = Vec::new();
    loop {
        let page = log.page_after(events.len() as i64, PAGE).await.unwrap();
        if page.is_empty() {
            break;
        }
        events.extend(page);
    }
    let mut versions: HashMap<Uuid, i32> = HashMap::new();
    for (expected, event) in (1..).zip(&events) {
        assert_eq!(event.position, expected, "positions are dense");
        let version = versions.entry(event.stream_id).or_default();
        *version += 1;
        assert_eq!(
            event.version, *version,
            "versions are contiguous, at {expected}"
        );
        assert_eq!(
            event.digest,
            digest(event),
            "the digest is the content's, at {expected}"
        );
    }
    assert!(events.is_sorted_by_key(|event| event.recorded_at));
    assert_eq!(
        log.head().await.unwrap().position,
        events.len() as i64,
        "the head is the last event"
    );
    sound_chain(log.pool(), &events).await;
    events
}

fn digest(recorded: &Recorded) -> [u8; 32] {
    event(&Input {
        event_id: recorded.event_id,
        stream_id: recorded.stream_id,
        event_type: &recorded.event_type,
        subject: recorded.subject,
        occurred_at_us: to_us(recorded.occurred_at),
        actor: &recorded.actor,
        correlation_id: recorded.correlation_id,
        causation: recorded.causation,
        metadata: &recorded.metadata,
        payload: &recorded.payload,
    })
}

async fn sound_chain(pool: &Pool, events: &[Recorded]) {
    let client = pool.get().await.unwrap();
    let sql = "select first_position, last_position, previous_hash, hash, committed_at, incarnation \
               from publishing_batches order by last_position";
    let (mut position, mut previous_hash) = (0, [0; 32]);
    for row in client.query(sql, &[]).await.unwrap() {
        let (first_position, last_position): (i64, i64) = (row.get(0), row.get(1));
        assert_eq!(
            first_position,
            position + 1,
            "a batch begins where the one before ended"
        );
        let of_batch = &events[position as usize..last_position as usize];
        let head = BatchHead {
            previous_hash,
            incarnation: row.get(5),
            first_position,
            last_position,
            committed_at_us: to_us(row.get(4)),
        };
        assert!(
            of_batch
                .iter()
                .all(|event| to_us(event.recorded_at) == head.committed_at_us)
        );
        let placed: Vec<Placed> = of_batch
            .iter()
            .map(|event| Placed {
                position: event.position,
                version: event.version,
                digest: event.digest,
            })
            .collect();
        let groups: Vec<[u8; 32]> = placed.chunks(GROUP_EVENTS).map(group).collect();
        let hash = batch(&head, &groups);
        assert_eq!(row.get::<_, &[u8]>(2), previous_hash);
        assert_eq!(
            row.get::<_, &[u8]>(3),
            hash,
            "the chain is intact up to {last_position}"
        );
        (position, previous_hash) = (last_position, hash);
    }
    assert_eq!(position, events.len() as i64, "every event is in a batch");
}

/// Reads the whole stream and checks that the message at sequence p is the event at position p, with its
/// batch's hash and subject, from `first` to the log's end. Gives how many of them are stubs.
pub async fn sound_stream(platform: &Platform, first: i64) -> usize {
    let log = platform.store.log();
    let jetstream = async_nats::jetstream::new(platform.nats.clone());
    let mut stream = jetstream.get_stream(&platform.name.stream).await.unwrap();
    let state = stream.info().await.unwrap().state.clone();
    let head = log.head().await.unwrap().position;
    assert_eq!(
        (state.first_sequence, state.last_sequence),
        (first as u64, head as u64)
    );
    let mut stubs = 0;
    let events = log.page_after(first - 1, head).await.unwrap();
    for event in events {
        let message = stream.get_raw_message(event.position as u64).await.unwrap();
        let envelope = Envelope::decode(message.payload).unwrap();
        assert_eq!(
            message.subject.as_str(),
            platform.name.subject(&event),
            "at {}",
            event.position
        );
        let hash = log.batch_hash(event.position).await.unwrap().unwrap();
        let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(message.headers.get(BATCH_HASH).unwrap().as_str(), hash);
        if envelope.read_from_log {
            stubs += 1;
            assert_eq!(envelope.position, event.position);
        } else {
            assert_eq!(envelope, event.to_envelope());
        }
    }
    stubs
}
