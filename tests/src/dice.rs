//! Chance that can be had again: one number decides what a run does, when, and how often.

use std::sync::LazyLock;

/// The variable that gives the number; a run without it takes one of its own.
const VARIABLE: &str = "TIDINGS_TEST_SEED";

/// A seed that is named when the run begins, and again when it fails.
pub struct Seed(pub u64);

impl Seed {
    /// That of the environment, else one that all tests of this process share.
    #[allow(
        clippy::disallowed_methods,
        reason = "a knob of the tests, not of the product"
    )]
    pub fn of_run() -> Self {
        static SEED: LazyLock<u64> = LazyLock::new(|| {
            let given = std::env::var(VARIABLE).ok();
            given.map_or_else(fresh, |text| text.parse().unwrap())
        });
        Self::new(*SEED)
    }

    /// This one.
    #[allow(clippy::print_stderr, reason = "how a failed run is had again")]
    pub fn new(seed: u64) -> Self {
        eprintln!("{VARIABLE}={seed}");
        Self(seed)
    }
}

impl Drop for Seed {
    #[allow(clippy::print_stderr, reason = "how a failed run is had again")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to have this run again: {VARIABLE}={}", self.0);
        }
    }
}

/// A number nobody chose: the standard library seeds its hash maps from the system.
fn fresh() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _};
    std::hash::RandomState::new().build_hasher().finish() >> 32
}

/// A source of numbers: the same seed and purpose give the same ones (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    /// For one part of a run. Parts with other names do not disturb each other.
    pub fn new(seed: u64, part: &str) -> Self {
        let mix = |state: u64, byte: u8| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self {
            state: part.bytes().fold(seed ^ 0xcbf2_9ce4_8422_2325, mix),
        }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to, not including, `end`, which is greater than 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// Another order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_run() {
        let thrown = |part| {
            let mut dice = Dice::new(7, part);
            [(); 5].map(|()| dice.below(1_000))
        };
        assert_eq!(thrown("a"), thrown("a"));
        assert_ne!(thrown("a"), thrown("b"));
    }

    #[test]
    fn shuffling_loses_nothing() {
        let mut items: Vec<usize> = (0..40).collect();
        Dice::new(1, "order").shuffle(&mut items);
        assert_ne!(items, (0..40).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..40).collect::<Vec<_>>());
    }
}
