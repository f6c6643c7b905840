//! The generic cell rate algorithm: a quota that comes back evenly, kept as one instant a caller.

use std::time::Duration;

/// So many requests in a time. All of them may come at once; each comes back after its part of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quota {
    requests: u32,
    /// The time one request is worth.
    each: Duration,
}

/// What comes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It counts.
    Taken {
        /// Requests that may follow at once.
        left: u32,
        /// After this the whole quota is there again.
        full_after: Duration,
    },
    /// It is one too many, and does not count.
    Refused {
        /// After this one is taken again.
        again_after: Duration,
        /// After this the whole quota is there again.
        full_after: Duration,
    },
}

impl Quota {
    /// None of nothing.
    pub(super) fn new(requests: u32, window: Duration) -> Option<Self> {
        let each = window.checked_div(requests)?;
        Some(Self { requests, each })
    }

    pub(super) fn requests(self) -> u32 {
        self.requests
    }

    /// Takes one request from what a caller has used: `until` is when all of it is back.
    pub(super) fn take(self, until: &mut Duration, now: Duration) -> Verdict {
        let whole = self.each * self.requests;
        let used = until.saturating_sub(now);
        let with_this = used + self.each;
        if with_this > whole {
            return Verdict::Refused {
                again_after: with_this - whole,
                full_after: used,
            };
        }
        *until = now + with_this;
        // Fits: it is at most the number of requests.
        let left = (whole - with_this).as_nanos() / self.each.as_nanos().max(1);
        Verdict::Taken {
            left: u32::try_from(left).unwrap_or(self.requests),
            full_after: with_this,
        }
    }

    /// As if one that was taken had not been.
    pub(super) fn give_back(self, until: &mut Duration) {
        *until = until.saturating_sub(self.each);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: Duration = Duration::from_secs(60);

    #[test]
    fn a_burst_is_taken_and_comes_back_evenly() {
        let quota = Quota::new(3, WINDOW).unwrap();
        let mut until = Duration::ZERO;
        let left = |until: &mut Duration, s: u64| match quota.take(until, Duration::from_secs(s)) {
            Verdict::Taken { left, .. } => Ok(left),
            Verdict::Refused { again_after, .. } => Err(again_after.as_secs()),
        };
        let start = 1_000;
        assert_eq!(
            [0, 0, 0].map(|s| left(&mut until, start + s)),
            [Ok(2), Ok(1), Ok(0)]
        );
        assert_eq!(left(&mut until, start + 5), Err(15));
        assert_eq!(left(&mut until, start + 20), Ok(0));
        assert_eq!(left(&mut until, start + 20), Err(20));
        assert_eq!(left(&mut until, start + 200), Ok(2));
        assert_eq!(Quota::new(0, WINDOW), None);
    }

    proptest! {
        /// No more than the quota, and what comes back meanwhile; and no fewer while that is not used up.
        #[test]
        fn what_is_taken_is_what_a_plain_count_would_take(
            requests in 1..2_000_u32,
            steps_ms in prop::collection::vec(0..90_000_u64, 1..200),
        ) {
            let quota = Quota::new(requests, WINDOW).unwrap();
            let mut until = Duration::ZERO;
            let mut now = Duration::from_secs(5);
            // A bucket that is refilled evenly, in nanoseconds of its worth.
            let each = WINDOW.as_nanos() / u128::from(requests);
            let full = each * u128::from(requests);
            let mut bucket = full;
            for step in steps_ms {
                let step = Duration::from_millis(step);
                now += step;
                bucket = full.min(bucket + step.as_nanos());
                let expected = bucket >= each;
                bucket -= if expected { each } else { 0 };
                match quota.take(&mut until, now) {
                    Verdict::Taken { left, full_after } => {
                        prop_assert!(expected);
                        prop_assert_eq!(u128::from(left), bucket / each);
                        prop_assert_eq!(full_after.as_nanos(), full - bucket);
                    }
                    Verdict::Refused { again_after, .. } => {
                        prop_assert!(!expected);
                        prop_assert_eq!(again_after.as_nanos(), each - bucket);
                        let mut later = until;
                        let again = quota.take(&mut later, now + again_after);
                        let taken = matches!(again, Verdict::Taken { .. });
                        prop_assert!(taken);
                    }
                }
            }
        }
    }
}
