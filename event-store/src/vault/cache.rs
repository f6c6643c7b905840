//! Opened keys in memory: bounded in number and age, and known by owner as long as anybody holds one, so that a
//! shredded key can be destroyed wherever it is in use.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::{Duration, Instant};
use uuid::Uuid;

use super::KeyRing;
use super::cipher::{DataKey, WeakKey};

/// Bounds of a cache.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// Keys kept while nobody uses them; the oldest go first.
    pub(super) keys_max: usize,
    /// A key that was read longer ago is read again.
    pub(super) keep_for: Duration,
}

/// Opened keys by owner. Each question takes one short lock for however many owners.
pub(super) struct Cache {
    bounds: Bounds,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Counts destructions: what was read from the database before one is not trusted after it.
    shreds: u64,
    known: HashMap<Uuid, Entry>,
    /// When each key was read, oldest first; a key that was read again is in it again.
    order: VecDeque<(Uuid, Instant)>,
    /// When `known` has so many entries, those that nobody holds are swept out.
    sweep_at: usize,
}

struct Entry {
    /// Whoever still holds it.
    weak: WeakKey,
    /// Kept by the cache itself, and since when.
    kept: Option<(DataKey, Instant)>,
}

/// What the cache has to say about a list of owners.
pub(super) struct Looked {
    pub(super) ring: KeyRing,
    pub(super) missing: Vec<Uuid>,
    /// To be handed to [`Cache::keep`] with what the database says about the missing ones.
    pub(super) shreds: u64,
}

impl Cache {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            inner: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys that were read recently enough.
    pub(super) fn look(&self, owners: &[Uuid], now: Instant) -> Looked {
        let inner = self.lock();
        let mut ring = KeyRing::default();
        let mut missing = Vec::new();
        for owner in owners {
            match inner.known.get(owner).and_then(|it| it.kept.as_ref()) {
                Some((key, since)) if now.duration_since(*since) < self.bounds.keep_for => {
                    ring.insert(*owner, Some(key.clone()));
                }
                _ => missing.push(*owner),
            }
        }
        Looked {
            ring,
            missing,
            shreds: inner.shreds,
        }
    }

    /// Keeps what the database said; gives the keys to use. `None`: a key was shredded since `shreds` was counted, so
    /// the answer may be older than that and has to be read again.
    pub(super) fn keep(
        &self,
        read: Vec<(Uuid, Option<DataKey>)>,
        shreds: u64,
        now: Instant,
    ) -> Option<KeyRing> {
        let mut inner = self.lock();
        if inner.shreds != shreds {
            return None;
        }
        let mut ring = KeyRing::default();
        for (owner, key) in read {
            let key = match key {
                Some(key) => Some(inner.keep(owner, key, now)),
                None => {
                    inner.destroy(owner);
                    None
                }
            };
            ring.insert(owner, key);
        }
        inner.forget(self.bounds, now);
        if inner.known.len() >= inner.sweep_at.max(self.bounds.keys_max * 2) {
            inner.sweep();
        }
        Some(ring)
    }

    /// Destroys these keys wherever they are held in this process, and lets no answer count that is older than now.
    pub(super) fn destroy(&self, owners: &[Uuid]) {
        let mut inner = self.lock();
        inner.shreds += 1;
        for owner in owners {
            inner.destroy(*owner);
        }
    }

    /// Asks the database again for these keys, and lets no answer count that is older than now.
    pub(super) fn distrust(&self, owners: &[Uuid]) {
        let mut inner = self.lock();
        inner.shreds += 1;
        for owner in owners {
            if let Some(entry) = inner.known.get_mut(owner) {
                entry.kept = None;
            }
        }
    }

    /// Lets go of keys that are too old or too many.
    pub(super) fn forget(&self, now: Instant) {
        let mut inner = self.lock();
        inner.forget(self.bounds, now);
        inner.sweep();
    }

    /// The owners of all keys that are kept or in use.
    pub(super) fn owners(&self) -> Vec<Uuid> {
        let inner = self.lock();
        let held = inner.known.iter().filter(|(_, entry)| entry.weak.is_held());
        held.map(|(owner, _)| *owner).collect()
    }
}

impl Inner {
    /// One key in memory for one owner: who holds it already gets no second copy of it.
    fn keep(&mut self, owner: Uuid, read: DataKey, now: Instant) -> DataKey {
        let held = self
            .known
            .get(&owner)
            .and_then(|entry| entry.weak.upgrade());
        let key = held.unwrap_or(read);
        let entry = Entry {
            weak: key.downgrade(),
            kept: Some((key.clone(), now)),
        };
        self.known.insert(owner, entry);
        self.order.push_back((owner, now));
        key
    }

    fn destroy(&mut self, owner: Uuid) {
        if let Some(key) = self.known.remove(&owner).and_then(|it| it.weak.upgrade()) {
            key.destroy();
        }
    }

    fn forget(&mut self, bounds: Bounds, now: Instant) {
        while let Some((owner, since)) = self.order.front().copied() {
            let young = now.duration_since(since) < bounds.keep_for;
            if young && self.order.len() <= bounds.keys_max {
                break;
            }
            self.order.pop_front();
            if let Some(entry) = self.known.get_mut(&owner)
                && entry.kept.as_ref().is_some_and(|(_, kept)| *kept == since)
            {
                entry.kept = None;
            }
        }
    }

    /// Removes what nobody holds. A look at everything, so it is not worth it again before there is twice as much.
    fn sweep(&mut self) {
        self.known.retain(|_, entry| entry.weak.is_held());
        self.sweep_at = self.known.len() * 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        keys_max: 3,
        keep_for: Duration::from_secs(60),
    };

    fn owner(number: u8) -> Uuid {
        Uuid::from_bytes([number; 16])
    }

    fn read(cache: &Cache, numbers: &[u8], now: Instant) -> KeyRing {
        let shreds = cache.look(&[], now).shreds;
        let keys = numbers
            .iter()
            .map(|number| (owner(*number), Some(DataKey::from_bytes([*number; 32]))));
        cache.keep(keys.collect(), shreds, now).unwrap()
    }

    fn missing(cache: &Cache, numbers: &[u8], now: Instant) -> Vec<Uuid> {
        let owners: Vec<Uuid> = numbers.iter().copied().map(owner).collect();
        cache.look(&owners, now).missing
    }

    #[test]
    fn the_oldest_are_forgotten_first() {
        let (cache, now) = (Cache::new(BOUNDS), Instant::now());
        read(&cache, &[1, 2, 3], now);
        read(&cache, &[1], now + Duration::from_secs(1));
        read(&cache, &[4], now + Duration::from_secs(2));
        let later = now + Duration::from_secs(3);
        assert_eq!(missing(&cache, &[1, 2, 3, 4], later), [owner(2)]);
        for number in 0..=255 {
            read(&cache, &[number], later);
        }
        let inner = cache.lock();
        assert!(inner.order.len() <= 3 && inner.known.len() <= 6);
    }

    #[test]
    fn a_key_is_read_again_after_a_while_and_leaves_memory() {
        let (cache, now) = (Cache::new(BOUNDS), Instant::now());
        let ring = read(&cache, &[1], now);
        let almost = now + BOUNDS.keep_for - Duration::from_millis(1);
        assert!(missing(&cache, &[1], almost).is_empty());
        let later = now + BOUNDS.keep_for;
        assert_eq!(missing(&cache, &[1], later), [owner(1)]);
        cache.forget(later);
        assert_eq!(cache.owners(), [owner(1)], "a ring still holds it");
        drop(ring);
        assert!(cache.owners().is_empty());
    }

    #[test]
    fn a_destroyed_key_is_gone_from_every_ring_even_from_those_the_cache_has_forgotten() {
        let (cache, now) = (Cache::new(BOUNDS), Instant::now());
        let first = read(&cache, &[1], now);
        cache.forget(now + BOUNDS.keep_for);
        let second = read(&cache, &[1], now + BOUNDS.keep_for);
        assert!(first.get(owner(1)).is_some() && second.get(owner(1)).is_some());
        cache.destroy(&[owner(1)]);
        for ring in [first, second] {
            assert!(ring.knows(owner(1)));
            let key = ring.get(owner(1)).unwrap();
            assert!(key.secret().is_none());
            assert!(key.seal([0; 12], b"", vec![1]).is_none());
            assert!(key.open([0; 12], b"", vec![1]).is_none());
        }
        assert_eq!(missing(&cache, &[1], now), [owner(1)]);
    }

    #[test]
    fn an_answer_from_before_a_destruction_does_not_count() {
        let (cache, now) = (Cache::new(BOUNDS), Instant::now());
        let looked = cache.look(&[owner(1)], now);
        cache.destroy(&[owner(1)]);
        let answer = vec![(owner(1), Some(DataKey::from_bytes([1; 32])))];
        assert!(cache.keep(answer, looked.shreds, now).is_none());
        // A tombstone that was read is a destruction too.
        let held = read(&cache, &[2], now);
        let shreds = cache.look(&[], now).shreds;
        cache.keep(vec![(owner(2), None)], shreds, now).unwrap();
        assert!(held.get(owner(2)).unwrap().secret().is_none());
    }
}
