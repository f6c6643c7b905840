//! The one source of ids and randomness: the machine's, or a seeded one for tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Uuid;

use crate::clock::Clock;

/// Start of the seeded ids' time part, in Unix milliseconds (2026-01-01).
const SEEDED_START_MS: u64 = 1_767_225_600_000;

/// Hands out ids and random bytes. Cheap to clone; clones share one source.
#[derive(Clone, Debug)]
pub struct Ids(Arc<Source>);

#[derive(Debug)]
enum Source {
    System { clock: Clock },
    Seeded { seed: u64, drawn: AtomicU64 },
}

impl Ids {
    /// Random ids, their time part taken from `clock`.
    #[must_use]
    pub fn system(clock: Clock) -> Self {
        Self(Arc::new(Source::System { clock }))
    }

    /// The same sequence for the same seed, one millisecond apart: for tests only.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Arc::new(Source::Seeded {
            seed,
            drawn: AtomicU64::new(0),
        }))
    }

    /// A fresh time-ordered id (UUID version 7).
    #[must_use]
    pub fn next(&self) -> Uuid {
        let time_ms = match &*self.0 {
            Source::System { clock } => {
                u64::try_from(clock.now().unix_timestamp_nanos() / 1_000_000).unwrap_or_default()
            }
            Source::Seeded { drawn, .. } => SEEDED_START_MS + drawn.load(Ordering::Relaxed),
        };
        uuid::Builder::from_unix_timestamp_millis(time_ms, &self.bytes()).into_uuid()
    }

    /// `N` random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        match &*self.0 {
            Source::System { .. } => aws_lc_rs::rand::fill(&mut bytes)
                .expect("the operating system's random source answers"),
            Source::Seeded { seed, drawn } => {
                for chunk in bytes.chunks_mut(8) {
                    let n = drawn.fetch_add(1, Ordering::Relaxed);
                    chunk.copy_from_slice(&scramble(*seed, n).to_le_bytes()[..chunk.len()]);
                }
            }
        }
        bytes
    }

    /// A random number in `0.0..1.0`, for jitter.
    #[must_use]
    pub fn fraction(&self) -> f64 {
        // 32 bits convert to f64 without loss.
        f64::from(u32::from_le_bytes(self.bytes())) / (f64::from(u32::MAX) + 1.0)
    }
}

/// The n-th output of SplitMix64 (Steele, Lea, Flood 2014) from `seed`.
fn scramble(seed: u64, n: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(n.wrapping_add(1)));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn the_same_seed_gives_the_same_ids_in_order() {
        let (a, b) = (Ids::seeded(7), Ids::seeded(7));
        let ids: Vec<Uuid> = (0..100).map(|_| a.next()).collect();
        assert_eq!(ids, (0..100).map(|_| b.next()).collect::<Vec<_>>());
        assert!(ids.is_sorted());
        assert_ne!(Ids::seeded(8).next(), ids[0]);
    }

    #[test]
    fn system_ids_carry_the_clock_and_never_repeat() {
        let manual = Clock::manual(datetime!(2026-03-01 10:00 UTC));
        let ids = Ids::system(manual.clock());
        let (first, second) = (ids.next(), ids.next());
        assert_ne!(first, second);
        assert_eq!(first.get_version_num(), 7);
        let (seconds, nanos) = first.get_timestamp().unwrap().to_unix();
        assert_eq!((seconds, nanos), (1_772_359_200, 0));
    }

    #[test]
    fn fractions_stay_below_one() {
        let ids = Ids::seeded(1);
        assert!((0..1_000).all(|_| (0.0..1.0).contains(&ids.fraction())));
    }
}
