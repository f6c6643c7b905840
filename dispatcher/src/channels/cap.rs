//! A bound on how many messages a channel begins in a minute, kept as a bucket of tokens. In memory, and so for each
//! process apart.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tidings_service::clock::{Clock, Monotonic};

const MINUTE: Duration = Duration::from_secs(60);
/// What was not used is saved up for this long: a worker may look around only every second.
const SAVED: Duration = Duration::from_secs(2);

/// The bucket, on the clock that only moves forwards.
pub(crate) struct Cap {
    clock: Clock,
    since: Monotonic,
    /// From one message to the next.
    spacing: Duration,
    /// How far ahead of time a message may be.
    slack: Duration,
    /// When the next message would be due if they went out one by one, counted from `since`.
    due: Mutex<Duration>,
}

impl Cap {
    /// A full bucket of a cap of `per_minute` messages, at least 1.
    pub(super) fn new(per_minute: u32, clock: Clock) -> Self {
        Self::with_saved(per_minute, SAVED, clock)
    }

    /// The same, and what was not used is saved up for this long.
    pub(crate) fn with_saved(per_minute: u32, saved: Duration, clock: Clock) -> Self {
        let spacing = MINUTE / per_minute.max(1);
        Self {
            since: clock.monotonic(),
            clock,
            spacing,
            slack: saved.saturating_sub(spacing),
            due: Mutex::default(),
        }
    }

    /// Counts one message, if one may go out now.
    pub(crate) fn take(&self) -> bool {
        let now = self.now();
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if due.saturating_sub(now) > self.slack {
            return false;
        }
        *due = now.max(*due) + self.spacing;
        true
    }

    /// How long from now none may go out; none: one may now.
    pub(crate) fn ready_after(&self) -> Option<Duration> {
        let wait = self.ahead().saturating_sub(self.slack);
        (!wait.is_zero()).then_some(wait)
    }

    /// How many may go out now.
    pub(super) fn left(&self) -> usize {
        match self.slack.checked_sub(self.ahead()) {
            Some(room) => (room.as_nanos() / self.spacing.as_nanos()) as usize + 1,
            None => 0,
        }
    }

    fn ahead(&self) -> Duration {
        let due = *self.due.lock().unwrap_or_else(PoisonError::into_inner);
        due.saturating_sub(self.now())
    }

    fn now(&self) -> Duration {
        self.clock.monotonic().since(self.since)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn one_a_minute_is_one_a_minute() {
        let hand = Clock::manual(datetime!(2026-01-02 03:04:05 UTC));
        let cap = Cap::new(1, hand.clock());
        assert_eq!((cap.left(), cap.ready_after()), (1, None));
        assert!(cap.take());
        assert!(!cap.take());
        assert_eq!((cap.left(), cap.ready_after()), (0, Some(MINUTE)));
        hand.advance(Duration::from_secs(59));
        assert!(!cap.take());
        hand.advance(Duration::from_secs(1));
        assert_eq!((cap.left(), cap.ready_after()), (1, None));
        // A silent hour saves up nothing.
        hand.advance(MINUTE * 60);
        assert!(cap.take());
        assert!(!cap.take());
    }

    #[test]
    fn two_seconds_worth_may_go_at_once() {
        let hand = Clock::manual(datetime!(2026-01-02 03:04:05 UTC));
        let cap = Cap::new(600, hand.clock());
        assert_eq!(cap.left(), 20);
        assert_eq!((0..100).filter(|_| cap.take()).count(), 20);
        assert_eq!(cap.ready_after(), Some(Duration::from_millis(100)));
        hand.advance(Duration::from_millis(350));
        assert_eq!(cap.left(), 3);
    }

    proptest! {
        #[test]
        fn no_minute_holds_more_than_the_cap_and_what_was_saved(
            per_minute in 1u32..3_000,
            waits_ms in prop::collection::vec(0u64..5_000, 1..200),
        ) {
            let hand = Clock::manual(datetime!(2026-01-02 03:04:05 UTC));
            let cap = Cap::new(per_minute, hand.clock());
            let (mut now_ms, mut taken) = (0, Vec::new());
            for wait_ms in waits_ms {
                hand.advance(Duration::from_millis(wait_ms));
                now_ms += wait_ms;
                let left = cap.left();
                let took = (0..=left).filter(|_| cap.take()).count();
                prop_assert_eq!(took, left);
                taken.extend(std::iter::repeat_n(now_ms, took));
            }
            let most = per_minute as usize + (per_minute as usize).div_ceil(30) + 1;
            for (index, start_ms) in taken.iter().enumerate() {
                let within = taken[index..].iter().filter(|at| **at < start_ms + 60_000);
                prop_assert!(within.count() <= most);
            }
        }
    }
}
