//! What must be true of every log and every stream, whatever was done to them.

use std::collections::HashMap;

use tidings_event_store::audit;
use tidings_event_store::{Log, Recorded};
use uuid::Uuid;

use crate::checker::{Evidence, Told, settled};
use crate::messages::sound_messages;
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
    let head = log.head().await.unwrap().position;
    let held = sound_messages(log, &platform.nats, &platform.name).await;
    let held = held.expect("the stream is there");
    assert_eq!((held.first, held.last), (first, head));
    held.stubs
}

/// Lets everything settle, and has the one checker look at log, stream, keys, and what callers were told. Nobody receives
/// anything of a platform that has no house. Gives the log.
pub async fn checked(platform: &Platform, told: &[Told]) -> Vec<Recorded> {
    platform.settle().await;
    let evidence = Evidence {
        log: platform.store.log(),
        vault: platform.store.vault(),
        nats: &platform.nats,
        stream: &platform.name,
        copies: &[],
        files: &[],
        told,
        shredded: &[],
    };
    settled(&evidence).await
}
