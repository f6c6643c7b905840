//! What all channels of a process have in common which go by the same name: it lives as long as any of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// By name; those that no channel uses any more are forgotten.
pub(super) struct Sharing<T>(Mutex<HashMap<String, Weak<T>>>);

impl<T> Default for Sharing<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Sharing<T> {
    /// The one that goes by this name; made if nobody has it.
    pub(super) fn of(&self, name: String, make: impl FnOnce() -> T) -> Arc<T> {
        let mut by_name = self.lock();
        by_name.retain(|_, it| it.strong_count() > 0);
        if let Some(it) = by_name.get(&name).and_then(Weak::upgrade) {
            return it;
        }
        let it = Arc::new(make());
        by_name.insert(name, Arc::downgrade(&it));
        it
    }

    /// Every one of them.
    pub(super) fn all(&self) -> Vec<Arc<T>> {
        self.lock().values().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Weak<T>>> {
        // Each change of the map is one of a whole entry.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_goes_by_the_same_name_shares_one_and_it_is_forgotten_with_the_last_of_them() {
        let sharing = Sharing::default();
        let of = |name: &str| sharing.of(name.to_owned(), || Mutex::new(0));
        let (one, two, other) = (of("a"), of("a"), of("b"));
        *one.lock().unwrap() = 3;
        let values = [&two, &other].map(|it| *it.lock().unwrap());
        assert_eq!((values, sharing.all().len()), ([3, 0], 2));
        drop((one, two));
        assert_eq!(sharing.all().len(), 1);
        assert_eq!(*of("a").lock().unwrap(), 0);
    }
}
