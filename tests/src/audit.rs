//! What must be true of every log and every stream, whatever was done to them.

use std::collections::HashMap;

use prost::Message as _;
use tidings_event_store::audit;
use tidings_event_store::stream::BATCH_HASH;
use tidings_event_store::{Log, Recorded};
use tidings_proto::common::Envelope;
use uuid::Uuid;

use crate::platform::Platform;

const PAGE: i64 = 1_000;

/// Reads the whole log and checks it: positions dense from 1, versions contiguous from 1 in each stream,
/// recorded time never backwards, and whatever `tidings audit verify` checks.
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
    }
    assert!(events.is_sorted_by_key(|event| event.recorded_at));
    assert_eq!(
        log.head().await.unwrap().position,
        events.len() as i64,
        "the head is the last event"
    );
    let verified = audit::verify(log.pool(), 2, &mut |_| ()).await.unwrap();
    if let Some(finding) = verified.finding {
        panic!("{finding}");
    }
    assert_eq!(verified.events, events.len() as u64);
    events
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
