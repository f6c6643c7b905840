//! What the log counts, for whoever exports metrics.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Is told of every batch: the events it wrote, and how long the database took.
pub type BatchObserver = Box<dyn Fn(u64, Duration) + Send + Sync>;

/// Totals since the process started.
#[derive(Default)]
pub struct Counters {
    /// Batches written.
    pub batches: AtomicU64,
    /// Events written.
    pub events: AtomicU64,
    /// Commits accepted.
    pub commits: AtomicU64,
    /// Commits refused by a guard.
    pub refused: AtomicU64,
    /// Time spent waiting for the database, microseconds.
    pub commit_us: AtomicU64,
    /// Messages the relay published.
    pub relayed: AtomicU64,
    /// The relay's last position in the stream.
    pub relay_position: AtomicU64,
    observer: OnceLock<BatchObserver>,
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters").finish_non_exhaustive()
    }
}

impl Counters {
    /// Has every batch observed from now on, for histograms. There is one observer: a second is dropped.
    pub fn observe_batches(&self, observer: BatchObserver) {
        drop(self.observer.set(observer));
    }

    pub(crate) fn batch(&self, accepted: u64, refused: u64, events: u64, took: Duration) {
        self.batches.fetch_add(1, Relaxed);
        self.events.fetch_add(events, Relaxed);
        self.commits.fetch_add(accepted, Relaxed);
        self.refused.fetch_add(refused, Relaxed);
        self.commit_us.fetch_add(took.as_micros() as u64, Relaxed);
        if let Some(observer) = self.observer.get() {
            observer(events, took);
        }
    }
}
