//! Which erasures wait, and what for, as whoever erases has found it last: told to who asks, and to an operator once one
//! waits for longer than what stands in the way takes to end by itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// Attempts, files and rebuilds end within it, but for very large ones.
const LONG: Duration = Duration::minutes(10);

/// Erasures that were asked for and are not done. A cheap handle; clones share everything.
#[derive(Clone, Default)]
pub struct Waiting {
    known: Arc<Mutex<HashMap<Uuid, Wait>>>,
}

#[derive(Default)]
struct Wait {
    /// In words; none: nobody has looked yet.
    obstacle: Option<String>,
    is_told: bool,
}

impl Waiting {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.known().len()
    }

    /// What a subscriber's waits for, in words without personal data; none: nothing is known to be in its way.
    #[must_use]
    pub fn obstacle(&self, subscriber_id: Uuid) -> Option<String> {
        self.known().get(&subscriber_id)?.obstacle.clone()
    }

    /// These are all.
    pub(super) fn are(&self, subscribers: &[Uuid]) {
        let mut known = self.known();
        let mut before = std::mem::take(&mut *known);
        let of = |id: &Uuid| (*id, before.remove(id).unwrap_or_default());
        *known = subscribers.iter().map(of).collect();
    }

    /// One is done.
    pub(super) fn is_done(&self, subscriber_id: Uuid) {
        self.known().remove(&subscriber_id);
    }

    /// What one waits for that was requested at this time. True, once: it has waited so long that somebody should look.
    pub(super) fn waits(
        &self,
        subscriber_id: Uuid,
        (requested_at, now): (OffsetDateTime, OffsetDateTime),
        obstacle: &str,
    ) -> bool {
        let mut known = self.known();
        let wait = known.entry(subscriber_id).or_default();
        wait.obstacle = Some(obstacle.to_owned());
        now - requested_at > LONG && !std::mem::replace(&mut wait.is_told, true)
    }

    /// What one waits for that fails at each try. True at the first: nothing ends it by itself.
    pub(super) fn fails(&self, subscriber_id: Uuid, obstacle: &str) -> bool {
        let mut known = self.known();
        let wait = known.entry(subscriber_id).or_default();
        wait.obstacle.replace(obstacle.to_owned()).as_deref() != Some(obstacle)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Uuid, Wait>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_long_is_told_once_and_what_it_waits_for_whenever_somebody_asks() {
        let [one, other] = [1, 2].map(Uuid::from_u128);
        let requested_at = OffsetDateTime::UNIX_EPOCH;
        let after = |minutes| (requested_at, requested_at + Duration::minutes(minutes));
        let waiting = Waiting::default();
        waiting.are(&[one, other]);
        assert_eq!((waiting.count(), waiting.obstacle(one)), (2, None));

        assert!(!waiting.waits(one, after(10), "a rebuild"));
        assert!(waiting.waits(one, after(11), "an import"));
        waiting.are(&[one, other]);
        assert!(!waiting.waits(one, after(12), "an import"), "it was told");
        assert_eq!(waiting.obstacle(one).as_deref(), Some("an import"));
        assert!(waiting.waits(other, after(12), "an import"), "of another");

        assert!(waiting.fails(other, "it fails") && !waiting.fails(other, "it fails"));
        assert_eq!(waiting.obstacle(other).as_deref(), Some("it fails"));

        waiting.is_done(one);
        assert_eq!((waiting.count(), waiting.obstacle(one)), (1, None));
        waiting.are(&[]);
        assert_eq!(waiting.count(), 0);
    }
}
