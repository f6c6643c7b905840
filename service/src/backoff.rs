//! How long to wait before trying again: exponential growth with full jitter and a cap.

use std::time::Duration;

/// Delays that grow from `base` by doubling, up to `cap`.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// Ceiling of the first delay.
    pub base: Duration,
    /// No delay is longer.
    pub cap: Duration,
}

impl Backoff {
    /// The delay before try number `attempt` (0 = first retry): a share `jitter` (`0.0..=1.0`, drawn by the
    /// caller) of `base * 2^attempt`, at most `cap`. Full jitter keeps a crowd from returning in step.
    #[must_use]
    pub fn delay(&self, attempt: u32, jitter: f64) -> Duration {
        let ceiling = self
            .base
            .saturating_mul(2_u32.saturating_pow(attempt.min(31)))
            .min(self.cap);
        ceiling.mul_f64(jitter.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BACKOFF: Backoff = Backoff {
        base: Duration::from_millis(100),
        cap: Duration::from_secs(5),
    };

    #[test]
    fn doubles_until_the_cap() {
        let delays: Vec<u128> = [0, 1, 5, 6, u32::MAX]
            .map(|attempt| BACKOFF.delay(attempt, 1.0).as_millis())
            .to_vec();
        assert_eq!(delays, [100, 200, 3_200, 5_000, 5_000]);
    }

    proptest! {
        #[test]
        fn never_above_the_cap(attempt: u32, jitter: f64) {
            prop_assume!(!jitter.is_nan());
            prop_assert!(BACKOFF.delay(attempt, jitter) <= BACKOFF.cap);
        }
    }
}
