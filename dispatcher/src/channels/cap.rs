//! A bound on how many messages are begun in a minute, kept as a bucket of tokens. In memory, and so for each process
//! apart: where several share the bound, each takes its part of it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_service::clock::{Clock, Monotonic};

const MINUTE: Duration = Duration::from_secs(60);

/// The bucket, on the clock that only moves forwards.
pub(crate) struct Cap {
    clock: Clock,
    since: Monotonic,
    /// What was not used is saved up for this long.
    saved: Duration,
    bucket: Mutex<Bucket>,
}

#[derive(Clone, Copy, Default)]
struct Bucket {
    /// From one message to the next; zero: there is no bound.
    spacing: Duration,
    /// When the next message would be due if they went out one by one, counted from `since`.
    due: Duration,
}

impl Bucket {
    /// How far ahead of time the messages are that have begun.
    fn ahead(&self, now: Duration) -> Duration {
        self.due.saturating_sub(now)
    }

    fn begin(&mut self, now: Duration) {
        self.put(now, self.ahead(now) + self.spacing);
    }

    /// Messages are so far ahead of time from now on: by a minute at the most, or by one of them.
    fn put(&mut self, now: Duration, ahead: Duration) {
        self.due = now + ahead.min(MINUTE.max(self.spacing));
    }
}

impl Cap {
    /// No bound so far. Under one, what was not used is saved up for this long: a worker may look around only now and then.
    pub(super) fn unbounded(saved: Duration, clock: Clock) -> Self {
        Self {
            since: clock.monotonic(),
            clock,
            saved,
            bucket: Mutex::default(),
        }
    }

    /// A full bucket of `per_minute` messages, at least 1.
    pub(crate) fn with_saved(per_minute: u32, saved: Duration, clock: Clock) -> Self {
        let cap = Self::unbounded(saved, clock);
        cap.set(Some(per_minute), 1);
        cap
    }

    /// From now on this share of so many: one of `sharers` parts; none: no bound. Messages that are ahead of time stay so many,
    /// as far as a minute holds them.
    pub(super) fn set(&self, per_minute: Option<u32>, sharers: u32) {
        let spacing = per_minute.map_or(Duration::ZERO, |most| MINUTE * sharers / most.max(1));
        let now = self.now();
        let mut bucket = self.lock();
        if bucket.spacing == spacing {
            return;
        }
        let ahead = match bucket.spacing.is_zero() {
            true => Duration::ZERO,
            false => bucket
                .ahead(now)
                .mul_f64(spacing.div_duration_f64(bucket.spacing)),
        };
        bucket.spacing = spacing;
        bucket.put(now, ahead);
    }

    /// Counts one message, if one may go out now.
    pub(crate) fn take(&self) -> bool {
        let now = self.now();
        let mut bucket = self.lock();
        if bucket.ahead(now) > self.slack(*bucket) {
            return false;
        }
        bucket.begin(now);
        true
    }

    /// Counts one that goes out in any case: the others wait for it.
    pub(super) fn count(&self) {
        let now = self.now();
        self.lock().begin(now);
    }

    /// How long from now none may go out; none: one may now.
    pub(crate) fn ready_after(&self) -> Option<Duration> {
        self.ready_beside(0)
    }

    /// How long from now none may go out beside so many that are about to; none: one may now.
    pub(super) fn ready_beside(&self, others: usize) -> Option<Duration> {
        let bucket = *self.lock();
        let others = u32::try_from(others).unwrap_or(u32::MAX);
        let ahead = bucket
            .ahead(self.now())
            .saturating_add(bucket.spacing.saturating_mul(others));
        let wait = ahead.saturating_sub(self.slack(bucket));
        (!wait.is_zero()).then_some(wait)
    }

    /// How far ahead of time a message may be.
    fn slack(&self, bucket: Bucket) -> Duration {
        self.saved.saturating_sub(bucket.spacing)
    }

    fn now(&self) -> Duration {
        self.clock.monotonic().since(self.since)
    }

    fn lock(&self) -> MutexGuard<'_, Bucket> {
        // Two durations, which are put in their place together.
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const SAVED: Duration = Duration::from_secs(2);

    fn full(per_minute: u32, clock: Clock) -> Cap {
        Cap::with_saved(per_minute, SAVED, clock)
    }

    /// How many may go out now.
    fn left(cap: &Cap) -> usize {
        if cap.lock().spacing.is_zero() {
            return usize::MAX;
        }
        let mut others = 0..;
        others.find(|it| cap.ready_beside(*it).is_some()).unwrap()
    }

    #[test]
    fn one_a_minute_is_one_a_minute() {
        let hand = Clock::manual(datetime!(2026-01-02 03:04:05 UTC));
        let cap = full(1, hand.clock());
        assert_eq!((left(&cap), cap.ready_after()), (1, None));
        assert!(cap.take());
        assert!(!cap.take());
        assert_eq!((left(&cap), cap.ready_after()), (0, Some(MINUTE)));
        hand.advance(Duration::from_secs(59));
        assert!(!cap.take());
        hand.advance(Duration::from_secs(1));
        assert_eq!((left(&cap), cap.ready_after()), (1, None));
        // A silent hour saves up nothing.
        hand.advance(MINUTE * 60);
        assert!(cap.take());
        assert!(!cap.take());
    }

    #[test]
    fn two_seconds_worth_may_go_at_once() {
        let hand = Clock::manual(datetime!(2026-01-02 03:04:05 UTC));
        let cap = full(600, hand.clock());
        assert_eq!(left(&cap), 20);
        assert_eq!((0..100).filter(|_| cap.take()).count(), 20);
        assert_eq!(cap.ready_after(), Some(Duration::from_millis(100)));
        hand.advance(Duration::from_millis(350));
        assert_eq!(left(&cap), 3);
    }

    #[test]
    fn what_has_gone_out_counts_under_a_new_bound_too() {
        let hand = Clock::manual(datetime!(2026-01-02 03:04:05 UTC));
        let cap = full(1, hand.clock());
        assert!(cap.take());
        cap.set(Some(1), 2);
        assert_eq!(cap.ready_after(), Some(MINUTE * 2));
        hand.advance(MINUTE);
        cap.set(Some(1), 1);
        assert_eq!(cap.ready_after(), Some(MINUTE / 2));
        cap.set(None, 1);
        assert_eq!((cap.ready_after(), left(&cap)), (None, usize::MAX));
        assert!((0..1_000).all(|_| cap.take()));
        cap.set(Some(600), 1);
        assert_eq!(left(&cap), 20);
    }

    #[test]
    fn what_goes_out_in_any_case_is_counted_and_the_others_wait_for_it() {
        let hand = Clock::manual(datetime!(2026-01-02 03:04:05 UTC));
        let cap = full(60, hand.clock());
        (0..5).for_each(|_| cap.count());
        assert!(!cap.take());
        assert_eq!(cap.ready_after(), Some(Duration::from_secs(4)));
    }

    #[test]
    fn what_is_ahead_of_a_lowered_cap_keeps_nobody_waiting_for_longer_than_a_minute() {
        let hand = Clock::manual(datetime!(2026-01-02 03:04:05 UTC));
        let cap = full(6_000, hand.clock());
        while cap.take() {}
        cap.set(Some(10), 1);
        assert_eq!(cap.ready_after(), Some(MINUTE));
        // However many go out in any case.
        (0..100).for_each(|_| cap.count());
        assert_eq!(cap.ready_after(), Some(MINUTE));
        hand.advance(MINUTE);
        assert!(cap.take() && !cap.take());
        // One that takes longer than that goes by its own measure.
        cap.set(Some(1), 3);
        cap.count();
        assert_eq!(cap.ready_after(), Some(3 * MINUTE));
    }

    proptest! {
        #[test]
        fn no_minute_holds_more_than_the_cap_however_many_share_it(
            per_minute in 1u32..3_000,
            steps in prop::collection::vec((0u64..5_000, 0usize..6, 1usize..6), 1..100),
        ) {
            let hand = Clock::manual(datetime!(2026-01-02 03:04:05 UTC));
            let mut caps = vec![full(per_minute, hand.clock())];
            let (mut now_ms, mut taken, mut joined) = (0, Vec::new(), Vec::new());
            for (wait_ms, who, live) in steps {
                hand.advance(Duration::from_millis(wait_ms));
                now_ms += wait_ms;
                let cap = &caps[who % caps.len()];
                let left = left(cap);
                let took = (0..=left).filter(|_| cap.take()).count();
                prop_assert_eq!(took, left);
                taken.extend(std::iter::repeat_n((now_ms, caps.len()), took));
                // Whoever comes begins with a full one.
                joined.extend(std::iter::repeat_n(now_ms, live.saturating_sub(caps.len())));
                caps.resize_with(live, || full(per_minute, hand.clock()));
                caps.iter().for_each(|cap| cap.set(Some(per_minute), live as u32));
            }
            let (cap, saved) = (f64::from(per_minute), f64::from(per_minute) / 30.0);
            for (index, (start_ms, live)) in taken.iter().enumerate() {
                let is_within = |at: u64| (*start_ms..start_ms + 60_000).contains(&at);
                let within = taken[index..].iter().filter(|(at, _)| is_within(*at)).count();
                let joined = joined.iter().filter(|at| is_within(**at)).count() as f64;
                // Each may be one ahead.
                let most = cap + saved + *live as f64 + joined * (saved + 1.0);
                prop_assert!(within as f64 <= most, "{within} of {most}");
            }
        }

        #[test]
        fn no_minute_holds_more_than_the_cap_and_what_was_saved(
            per_minute in 1u32..3_000,
            waits_ms in prop::collection::vec(0u64..5_000, 1..200),
        ) {
            let hand = Clock::manual(datetime!(2026-01-02 03:04:05 UTC));
            let cap = full(per_minute, hand.clock());
            let (mut now_ms, mut taken) = (0, Vec::new());
            for wait_ms in waits_ms {
                hand.advance(Duration::from_millis(wait_ms));
                now_ms += wait_ms;
                let left = left(&cap);
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
