//! The views of all rooms: one list to rebuild from, and a watch on how far each has come.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidings_event_store::{ReadError, Store};
use tidings_projector::Registered;
use tidings_service::Clock;
use tidings_service::clock::Monotonic;
use tokio_util::sync::CancellationToken;

use super::until;

/// How often the views' checkpoints are read.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// A view that has events to fold and folds none for this long stands still.
pub(crate) const STILL_AFTER: Duration = Duration::from_secs(30);

/// The dispatcher's own view.
pub(super) const QUEUE: Registered = Registered::of::<tidings_dispatcher::queue::DispatchQueue>();

/// Every view there is, those of the projector and those of the dispatcher.
#[must_use]
pub fn all_views() -> Vec<Registered> {
    let mut views = tidings_projector::VIEWS.to_vec();
    views.push(QUEUE);
    views
}

/// How far one view is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) position: i64,
    /// Events it has yet to fold.
    pub(super) lag: i64,
    /// When its position last changed, or when it last had nothing to do.
    moved_at: Monotonic,
}

/// What is known of the views' progress. Cheap to clone; clones share it.
#[derive(Clone)]
pub(super) struct Watch {
    store: Store,
    clock: Clock,
    views: Arc<Mutex<BTreeMap<String, Standing>>>,
}

impl Watch {
    pub(super) fn new(store: Store, clock: Clock) -> Self {
        Self {
            store,
            clock,
            views: Arc::default(),
        }
    }

    /// Reads the checkpoints now and then until told to stop.
    pub(super) async fn run(self, stop: CancellationToken) -> Result<(), std::convert::Infallible> {
        while until(&stop, LOOK_EVERY).await {
            // Without a database there is no news; the check of the database says so.
            if let Err(error) = self.look().await {
                tracing::debug!(%error, "the views' checkpoints cannot be read");
            }
        }
        Ok(())
    }

    pub(super) async fn look(&self) -> Result<(), ReadError> {
        let lags = tidings_projector::lags(&self.store).await?;
        let now = self.clock.monotonic();
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, position, lag) in lags {
            let before = views.get(&name).copied();
            views.insert(name, Standing::after(before, position, lag, now));
        }
        Ok(())
    }

    /// Every view by name.
    pub(super) fn standings(&self) -> BTreeMap<String, Standing> {
        self.views
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Ready unless a view stands still.
    pub(super) fn ready(&self) -> Result<(), String> {
        let now = self.clock.monotonic();
        let still: Vec<String> = self
            .standings()
            .into_iter()
            .filter(|(_, standing)| standing.still(now))
            .map(|(name, it)| {
                let (position, lag) = (it.position, it.lag);
                format!("{name} stands still at position {position}, {lag} events behind")
            })
            .collect();
        if still.is_empty() {
            Ok(())
        } else {
            Err(still.join("; "))
        }
    }
}

impl Standing {
    fn after(before: Option<Self>, position: i64, lag: i64, now: Monotonic) -> Self {
        let moved_at = match before {
            Some(before) if before.position == position && lag > 0 => before.moved_at,
            _ => now,
        };
        Self {
            position,
            lag,
            moved_at,
        }
    }

    fn still(&self, now: Monotonic) -> bool {
        self.lag > 0 && now.since(self.moved_at) >= STILL_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_view_stands_still_only_when_it_has_work_and_does_none() {
        let manual = Clock::manual(datetime!(2026-03-01 10:00 UTC));
        let clock = manual.clock();
        let at = |before, position, lag| Standing::after(before, position, lag, clock.monotonic());

        let idle = at(None, 100, 0);
        manual.advance(STILL_AFTER);
        assert!(!idle.still(clock.monotonic()));

        let behind = at(Some(idle), 100, 5);
        let moving = at(Some(behind), 101, 4);
        manual.advance(STILL_AFTER);
        assert!(!at(Some(moving), 102, 3).still(clock.monotonic()));
        assert!(at(Some(moving), 101, 9).still(clock.monotonic()));
    }
}
