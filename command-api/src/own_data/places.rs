//! How many files of somebody's own data are made and handed out at once, apart from those of officers: strangers with a mail
//! of somebody's must not keep these from their work.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use uuid::Uuid;

/// Files at once in a process, whoever they are about.
const AT_ONCE: usize = 2;

/// The places there are; whoever is here has one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places(Arc<Mutex<HashSet<Uuid>>>);

/// A place, which is free again once this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Places,
    subscriber_id: Uuid,
}

impl Places {
    /// A place for a file about this subscriber; none: all are taken, or there is one about them already.
    pub(crate) fn take(&self, subscriber_id: Uuid) -> Option<Place> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_free = taken.len() < AT_ONCE && taken.insert(subscriber_id);
        is_free.then(|| Place {
            places: self.clone(),
            subscriber_id,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let taken = self.places.0.lock();
        taken
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.subscriber_id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_two_places_and_one_a_subscriber() {
        let places = Places::default();
        let [ada, bob, eve] = [1, 2, 3].map(Uuid::from_u128);
        let of_ada = places.take(ada).unwrap();
        assert!(places.take(ada).is_none(), "she has one");
        let of_bob = places.take(bob).unwrap();
        assert!(places.take(eve).is_none(), "full");
        drop(of_ada);
        let of_eve = places.take(eve).unwrap();
        assert!(places.take(ada).is_none(), "full");
        drop((of_bob, of_eve));
        assert!(places.take(ada).is_some());
    }
}
