//! One checker for every run that killed, froze, filled or cut something. It reads the log, the stream,
//! the receivers' journals and what callers were told, knows nothing of how any of it came about, and
//! panics at the first invariant that does not hold.
//!
//! | invariant | read from |
//! |---|---|
//! | 1, 3, 8 | the log: positions, versions, and what `tidings audit verify` recomputes ([`crate::audit`]) |
//! | 2 | every message of the stream, against the log ([`crate::messages`]) |
//! | 4 | not here: `tidings rebuild all --verify`, since it needs the views' code |
//! | 5, 6 | the deliveries' events, by a model of its own, against the journals ([`deliveries`]) |
//! | 5 | who is to get what: the readers' and publications' events, by a model of its own (`publications`), and the files that brought the readers ([`readers`]) |
//! | 7 | no shredded key lies beside its tombstone, and nothing in the log opens with it ([`sealed`]); what was shredded is told in [`Evidence::shredded`] and by each erasure |
//! | 9 | what callers were told: [`Evidence::told`] |

pub mod deliveries;
mod mailboxes;
mod publications;
pub mod readers;
pub mod sealed;
#[cfg(test)]
mod tests;
mod wishes;

use std::collections::HashSet;
use std::time::{Duration, Instant};

use tidings_event_store::stream::StreamName;
use tidings_event_store::vault::Vault;
use tidings_event_store::{Log, Recorded};
use tidings_proto::Event;
use uuid::Uuid;

use crate::audit::sound_log;
use crate::messages::sound_messages;
use crate::program::ASK_AGAIN;

use deliveries::{Deliveries, Received};
use mailboxes::Mailboxes;
use readers::Handed;

/// Far more than the relay takes.
const RELAYED_WITHIN: Duration = Duration::from_secs(60);

/// A change that a caller was told is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Where it stands.
    pub position: i64,
    /// Whose event it is.
    pub stream_id: Uuid,
}

/// All there is to see of a run.
pub struct Evidence<'a> {
    /// The log.
    pub log: &'a Log,
    /// The keys, as a process has them that starts now.
    pub vault: &'a Vault,
    /// A connection to the server that holds the stream.
    pub nats: &'a async_nats::Client,
    /// The stream.
    pub stream: &'a StreamName,
    /// Every copy that any receiver has.
    pub copies: &'a [Received],
    /// Every file of readers that was handed in.
    pub files: &'a [Handed],
    /// Every answer of 2xx.
    pub told: &'a [Told],
    /// Every key whose shredding was acknowledged.
    pub shredded: &'a [Uuid],
}

/// Checks what must hold at every moment, also right after a crash. Gives the log.
pub async fn safe(evidence: &Evidence<'_>) -> Vec<Recorded> {
    let (events, deliveries, mailboxes) = check(evidence).await;
    deliveries.compare_in(&mailboxes, evidence.copies, false);
    events
}

/// Checks that besides, everything has come to its end: the stream is complete, every planned delivery is
/// settled, every publication that was published is completed or was cancelled before. Gives the log.
pub async fn settled(evidence: &Evidence<'_>) -> Vec<Recorded> {
    let (events, deliveries, mailboxes) = check(evidence).await;
    deliveries.compare_in(&mailboxes, evidence.copies, true);
    deliveries.all_settled();
    stream_reaches(evidence, events.len() as i64).await;
    events
}

/// The stream has the whole log, in a moment: something may have been recorded at the last.
async fn stream_reaches(evidence: &Evidence<'_>, head: i64) {
    let until = Instant::now() + RELAYED_WITHIN;
    loop {
        let held = sound_messages(evidence.log, evidence.nats, evidence.stream).await;
        if held.expect("the stream is there").last >= head {
            return;
        }
        assert!(Instant::now() < until, "the stream has the whole log");
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

async fn check(evidence: &Evidence<'_>) -> (Vec<Recorded>, Deliveries, Mailboxes) {
    // The stream first: the log may grow meanwhile, and may be ahead of it.
    sound_messages(evidence.log, evidence.nats, evidence.stream).await;
    let events = sound_log(evidence.log).await;
    for told in evidence.told {
        let event = events.get(told.position as usize - 1);
        assert_eq!(
            event.map(|event| event.stream_id),
            Some(told.stream_id),
            "acknowledged at {}, so it is there",
            told.position
        );
    }
    keys_stay_shredded(evidence, &events).await;
    no_id_twice(&events);
    let mailboxes = Mailboxes::of(evidence.vault, &events).await;
    readers::are_those_of(evidence.files, &events, &mailboxes);
    let deliveries = Deliveries::of(&events);
    (events, deliveries, mailboxes)
}

/// An event's id derives from what led to it: one that stands twice was carried out twice.
fn no_id_twice(events: &[Recorded]) {
    let mut ids = HashSet::new();
    for event in events {
        let first = ids.insert(event.event_id);
        assert!(first, "an event stands twice, at {}", event.position);
    }
}

async fn keys_stay_shredded(evidence: &Evidence<'_>, events: &[Recorded]) {
    let client = evidence.log.pool().get().await.unwrap();
    let sql = "select key_id, wrapped is null from publishing_keys where shredded_at is not null";
    let tombstones = client.query(sql, &[]).await.unwrap();
    let mut erased = HashSet::new();
    for row in &tombstones {
        let key_id: Uuid = row.get(0);
        assert!(row.get::<_, bool>(1), "key {key_id} was shredded");
        erased.insert(key_id);
    }
    let mut shredded = evidence.shredded.to_vec();
    for event in events {
        if let Ok(Event::SubscriberErased(done)) = event.decode() {
            let keys = done.shredded.iter();
            shredded.extend(keys.map(|it| Uuid::from_slice(&it.key_id).unwrap()));
        }
    }
    for key_id in &shredded {
        assert!(erased.contains(key_id), "key {key_id} has its tombstone");
        let opened = sealed::opened(evidence.vault, events, *key_id).await;
        assert_eq!(opened, 0, "what key {key_id} sealed is read by nobody");
    }
}
