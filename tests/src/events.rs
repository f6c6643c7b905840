//! Events and commits for tests of the log itself: they count something, and no room knows them.

use prost::Message as _;
use tidings_event_store::{Commit, CommitError, Committed, Guard, NewEvent, Store};
use tidings_proto::common::Metadata;
use uuid::Uuid;

use crate::platform::Platform;

/// The type of these events.
pub const COUNTED: &str = "tally.Counted";

/// What such an event counts; `None` when it is another event.
pub fn amount(payload: &[u8]) -> Option<i64> {
    payload.first_chunk().copied().map(i64::from_be_bytes)
}

/// A guard.
pub fn guard(stream_id: Uuid, version: i32) -> Guard {
    Guard { stream_id, version }
}

impl Platform {
    /// An event of a stream that counts `amount`, with the next id and the present time.
    pub fn counted(&self, stream_id: Uuid, amount: i64) -> NewEvent {
        self.event(
            stream_id,
            amount.to_be_bytes().to_vec(),
            &Metadata::default(),
        )
    }

    /// An event of a stream with any payload.
    pub fn event(&self, stream_id: Uuid, payload: Vec<u8>, metadata: &Metadata) -> NewEvent {
        NewEvent {
            stream_id,
            event_id: self.ids.next(),
            event_type: COUNTED,
            subject: None,
            occurred_at: self.clock.clock().now(),
            actor: "system:test".to_owned(),
            correlation_id: self.ids.next(),
            causation: None,
            metadata: metadata.encode_to_vec(),
            payload,
        }
    }

    /// Commits events under guards.
    pub async fn commit(
        &self,
        guards: Vec<Guard>,
        events: Vec<NewEvent>,
    ) -> Result<Committed, CommitError> {
        self.store.log().commit(Commit { guards, events }).await
    }

    /// Commits `count` events over `streams` streams, one a commit, without guards; gives the last position.
    pub async fn fill(&self, count: usize, streams: usize) -> i64 {
        self.fill_as(&self.store, count, streams).await
    }

    /// The same by another process.
    pub async fn fill_as(&self, process: &Store, count: usize, streams: usize) -> i64 {
        let streams: Vec<Uuid> = (0..streams).map(|_| self.ids.next()).collect();
        let commits = (0..count).map(|n| {
            let event = self.counted(streams[n % streams.len()], n as i64);
            process.log().commit(Commit {
                guards: Vec::new(),
                events: vec![event],
            })
        });
        let all = futures_util::future::join_all(commits).await;
        all.into_iter()
            .map(|committed| committed.unwrap().last_position)
            .max()
            .unwrap_or(0)
    }
}
