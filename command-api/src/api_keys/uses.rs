//! When keys were used last: noted by whoever verifies them, written down at most once a minute for each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_event_store::{Progress, ReadError, Store};
use tidings_service::Clock;
use tidings_service::problem::chain;
use time::OffsetDateTime;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A use so soon after the last one that was noted is none to write down.
const EVERY: Duration = Duration::from_secs(60);
/// After a failure it is tried again, whoever comes.
const AGAIN_AFTER: Duration = Duration::from_secs(10);
/// Keys whose uses are remembered; past it, memory starts over.
const REMEMBERED_MAX: usize = 20_000;

const WRITE: &str = "insert into publishing_api_key_uses (key_id, last_used_at, earlier_secret_used_at) \
     select * from unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) on conflict (key_id) do update set \
     last_used_at = greatest(publishing_api_key_uses.last_used_at, excluded.last_used_at), \
     earlier_secret_used_at = greatest(publishing_api_key_uses.earlier_secret_used_at, excluded.earlier_secret_used_at)";

/// What was noted. A cheap handle.
#[derive(Clone)]
pub(super) struct Noted(Arc<Inner>);

struct Inner {
    clock: Clock,
    uses: Mutex<Uses>,
    news: Notify,
}

#[derive(Default)]
struct Uses {
    /// When a use was noted last, by key and whether its newest secret was used.
    last: HashMap<(Uuid, bool), OffsetDateTime>,
    pending: HashMap<Uuid, Use>,
}

/// The last uses of one key that are to be written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Use {
    at: OffsetDateTime,
    /// With a secret of before.
    earlier_at: Option<OffsetDateTime>,
}

impl Use {
    fn and(self, other: Self) -> Self {
        Self {
            at: self.at.max(other.at),
            earlier_at: self.earlier_at.max(other.earlier_at),
        }
    }
}

impl Noted {
    pub(super) fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner {
            clock,
            uses: Mutex::default(),
            news: Notify::new(),
        }))
    }

    /// A key has let somebody in. Costs a look into memory.
    pub(super) fn note(&self, id: Uuid, newest: bool) {
        let now = self.0.clock.now();
        let mut uses = self.uses();
        let last = uses.last.get(&(id, newest));
        if last.is_some_and(|last| (now - *last).unsigned_abs() < EVERY) {
            return;
        }
        if uses.last.len() >= REMEMBERED_MAX {
            uses.last.clear();
        }
        uses.last.insert((id, newest), now);
        let this = Use {
            at: now,
            earlier_at: (!newest).then_some(now),
        };
        uses.add(id, this);
        drop(uses);
        self.0.news.notify_one();
    }

    fn uses(&self) -> MutexGuard<'_, Uses> {
        self.0.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Uses {
    fn add(&mut self, id: Uuid, this: Use) {
        let pending = self.pending.entry(id).or_insert(this);
        *pending = pending.and(this);
    }
}

/// Writes down when keys were used. What it had not written yet is lost with the process.
pub struct KeyUses {
    store: Store,
    noted: Noted,
}

impl KeyUses {
    pub(super) fn new(store: Store, noted: Noted) -> Self {
        Self { store, noted }
    }

    /// Writes down what was noted.
    ///
    /// # Errors
    /// When the database does not answer; then it is still to be written.
    pub async fn step(&self) -> Result<Progress, ReadError> {
        let pending = std::mem::take(&mut self.noted.uses().pending);
        if pending.is_empty() {
            return Ok(Progress::Idle);
        }
        let ids: Vec<Uuid> = pending.keys().copied().collect();
        let ats: Vec<OffsetDateTime> = pending.values().map(|it| it.at).collect();
        let earlier: Vec<Option<OffsetDateTime>> =
            pending.values().map(|it| it.earlier_at).collect();
        let log = self.store.log();
        if let Err(error) = log.query(WRITE, &[&ids, &ats, &earlier]).await {
            let mut uses = self.noted.uses();
            for (id, this) in pending {
                uses.add(id, this);
            }
            return Err(error);
        }
        Ok(Progress::Advanced)
    }

    /// Steps until told to stop; wakes when something is noted.
    pub async fn run(self, stop: CancellationToken) {
        loop {
            let pause = match self.step().await {
                Ok(_) => None,
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "when API keys were used waits to be written down");
                    Some(AGAIN_AFTER)
                }
            };
            let woken = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => self.noted.0.news.notified().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = woken => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_key_is_noted_once_a_minute_for_each_kind_of_secret() {
        let manual = Clock::manual(datetime!(2026-03-01 10:00 UTC));
        let noted = Noted::new(manual.clock());
        let (id, start) = (Uuid::from_u128(1), manual.clock().now());
        let pending = || std::mem::take(&mut noted.uses().pending).remove(&id);
        let at = |seconds: i64| start + time::Duration::seconds(seconds);
        noted.note(id, true);
        let first = Use {
            at: at(0),
            earlier_at: None,
        };
        assert_eq!(pending(), Some(first));
        manual.advance(Duration::from_secs(59));
        noted.note(id, true);
        assert_eq!(pending(), None);
        noted.note(id, false);
        let earlier = Use {
            at: at(59),
            earlier_at: Some(at(59)),
        };
        assert_eq!(pending(), Some(earlier));
        manual.advance(Duration::from_secs(1));
        noted.note(id, true);
        noted.note(id, false);
        let third = Use {
            at: at(60),
            earlier_at: None,
        };
        assert_eq!(pending(), Some(third));
        // A clock that was put back does not stop the writing.
        manual.set(at(-3_600));
        noted.note(id, true);
        assert!(pending().is_some());
    }
}
