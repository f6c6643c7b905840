//! When a channel may be used again, as the receiving side's rate limit has it. In memory only: after a restart
//! the receiving side says so once more.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidings_service::clock::{Clock, Monotonic};

use super::sharing::Sharing;

/// Rests that all channels of this process take which speak to the same receiving side: it counts what comes from one
/// address, whichever channel it is for. Clones share them.
#[derive(Clone, Default)]
pub struct Paces(Arc<Sharing<Pace>>);

impl Paces {
    /// The rest of everybody who speaks to this receiving side, given in the words of the channel's kind.
    pub(super) fn of(&self, side: String, clock: &Clock) -> Arc<Pace> {
        self.0.of(side, || Pace::new(clock.clone()))
    }
}

/// The rest a channel takes, on the clock that only moves forwards.
pub(super) struct Pace {
    clock: Clock,
    rest: Mutex<Option<Rest>>,
}

#[derive(Clone, Copy)]
struct Rest {
    since: Monotonic,
    lasts: Duration,
}

impl Pace {
    /// No rest so far.
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            rest: Mutex::default(),
        }
    }

    /// Rests from now on for this long, or for what is left of a longer rest.
    pub(super) fn rest(&self, lasts: Duration) {
        let since = self.clock.monotonic();
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        if rest.is_none_or(|rest| left(rest, since) < lasts) {
            *rest = Some(Rest { since, lasts });
        }
    }

    /// Ends the rest: somebody says that there is no reason for it any more.
    pub(super) fn wake(&self) {
        *self.rest.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// How much of the rest is left; none when it is over.
    pub(super) fn ready_after(&self) -> Option<Duration> {
        let now = self.clock.monotonic();
        let rest = *self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        rest.map(|rest| left(rest, now))
            .filter(|left| !left.is_zero())
    }
}

fn left(rest: Rest, now: Monotonic) -> Duration {
    rest.lasts.saturating_sub(now.since(rest.since))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn who_speaks_to_the_same_side_rests_together() {
        let hand = Clock::manual(datetime!(2026-01-02 03:04:05 UTC));
        let paces = Paces::default();
        let of = |side: &str| paces.of(side.to_owned(), &hand.clock());
        let (one, two, other) = (of("a"), of("a"), of("b"));
        one.rest(Duration::from_secs(3));
        assert_eq!(two.ready_after(), Some(Duration::from_secs(3)));
        assert_eq!(other.ready_after(), None);
    }

    #[test]
    fn a_rest_ends_by_time_or_by_a_word_and_a_shorter_one_does_not_end_it() {
        let hand = Clock::manual(datetime!(2026-01-02 03:04:05 UTC));
        let pace = Pace::new(hand.clock());
        assert_eq!(pace.ready_after(), None);
        pace.rest(Duration::from_secs(10));
        hand.advance(Duration::from_secs(4));
        pace.rest(Duration::from_secs(1));
        assert_eq!(pace.ready_after(), Some(Duration::from_secs(6)));
        pace.rest(Duration::from_secs(7));
        assert_eq!(pace.ready_after(), Some(Duration::from_secs(7)));
        // The wall clock may jump; it decides nothing here.
        hand.set(datetime!(2036-01-01 00:00 UTC));
        assert_eq!(pace.ready_after(), Some(Duration::from_secs(7)));
        hand.advance(Duration::from_secs(7));
        assert_eq!(pace.ready_after(), None);
        pace.rest(Duration::from_secs(7));
        pace.wake();
        assert_eq!(pace.ready_after(), None);
    }
}
