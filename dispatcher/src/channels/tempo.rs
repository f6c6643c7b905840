//! How fast mails may go out by one account: as fast as the operator set, and slower as long as its server complains.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tidings_service::clock::Clock;
use uuid::Uuid;

use super::{cap::Cap, pace::Pace};
use crate::channel::{Blame, Outcome};

/// The first rest after a complaint; each further one doubles it.
const REST_MIN: Duration = Duration::from_secs(2);
const REST_MAX: Duration = Duration::from_secs(5 * 60);

/// The tempo of one account, in this process.
pub(super) struct Tempo {
    pace: Pace,
    /// The latest rest; none: the last mail was taken.
    latest_rest: Mutex<Option<Duration>>,
    cap: Cap,
    /// Deliveries whose attempt was opened and whose mail has not begun: the next mails are theirs.
    opened: Mutex<Vec<Uuid>>,
}

impl fmt::Debug for Tempo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tempo")
            .field("ready_after", &self.ready_after())
            .finish_non_exhaustive()
    }
}

impl Tempo {
    /// As fast as the server takes them. Under a limit, what was not used is saved up for so long.
    pub(super) fn new(saved: Duration, clock: &Clock) -> Self {
        Self {
            pace: Pace::new(clock.clone()),
            latest_rest: Mutex::default(),
            cap: Cap::unbounded(saved, clock.clone()),
            opened: Mutex::default(),
        }
    }

    /// No more than this process's share of so many a minute, of one in `sharers`; none: as fast as the server takes them.
    pub(super) fn limit(&self, per_minute: Option<u32>, sharers: u32) {
        self.cap.set(per_minute, sharers);
    }

    /// An attempt at this delivery is opened: no other is beside which its mail could not begin. Whoever says so says when it
    /// is over, too.
    pub(super) fn open(&self, delivery_id: Uuid) {
        self.opened().push(delivery_id);
    }

    /// It has begun, or does not begin any more.
    pub(super) fn opens_no_more(&self, delivery_id: Uuid) {
        let mut opened = self.opened();
        if let Some(index) = opened.iter().position(|it| *it == delivery_id) {
            opened.swap_remove(index);
        }
    }

    /// Whether a delivery's mail may be begun now; counts it if so.
    pub(super) fn begin(&self, delivery_id: Uuid) -> bool {
        let begins = self.pace.ready_after().is_none() && self.cap.take();
        if begins {
            self.opens_no_more(delivery_id);
        }
        begins
    }

    /// Counts one that is begun in any case: somebody tries the channel.
    pub(super) fn count(&self) {
        self.cap.count();
    }

    /// How long no attempt should be opened: its mail would find that those of the others, of whichever channel, were all that
    /// may begin.
    pub(super) fn ready_after(&self) -> Option<Duration> {
        let opened = self.opened().len();
        self.pace.ready_after().max(self.cap.ready_beside(opened))
    }

    /// How many attempts of `most` are worth having open: after a complaint one, to see whether it is over.
    pub(super) fn concurrency(&self, most: usize) -> usize {
        match self.latest_rest().is_some() {
            true => 1,
            false => most,
        }
    }

    /// Takes note of how an attempt ended. What was under way when a rest began ends in it, and changes nothing:
    /// neither is its complaint a new one, nor does its success say what comes after the rest.
    pub(super) fn learn(&self, outcome: &Outcome) {
        if self.pace.ready_after().is_some() {
            return;
        }
        match outcome {
            Outcome::Sent { .. } => *self.latest_rest() = None,
            Outcome::Deferred {
                blame: Blame::Pace, ..
            } => {
                let mut latest = self.latest_rest();
                let rest = latest.map_or(REST_MIN, |rest| (rest * 2).min(REST_MAX));
                *latest = Some(rest);
                self.pace.rest(rest);
            }
            _ => {}
        }
    }

    /// Rests for this long, however short the rests were before. Then one attempt is made, as after a complaint.
    pub(super) fn rest(&self, lasts: Duration) {
        *self.latest_rest() = Some(lasts);
        self.pace.rest(lasts);
    }

    /// Ends the rest. Then one attempt is made, as after any.
    pub(super) fn wake(&self) {
        self.pace.wake();
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, Vec<Uuid>> {
        // Each change of the list is one of a whole entry.
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn latest_rest(&self) -> std::sync::MutexGuard<'_, Option<Duration>> {
        // A duration cannot be left half-changed by a panic.
        self.latest_rest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::channels::support::{deferred, taken};

    const SAVED: Duration = Duration::from_secs(2);

    #[test]
    fn a_server_that_complains_is_left_alone_longer_each_time_until_it_takes_a_mail() {
        let hand = Clock::manual(datetime!(2026-01-02 03:04:05 UTC));
        let tempo = Tempo::new(SAVED, &hand.clock());
        let throttled = deferred("throttled", 454, "454 Throttling failure", Blame::Pace);
        assert_eq!(tempo.concurrency(32), 32);
        let mut rests_s = Vec::new();
        for _ in 0..10 {
            tempo.learn(&throttled);
            // Those under way meanwhile are throttled, or got through; neither counts.
            tempo.learn(&throttled);
            tempo.learn(&taken(250, "250 ok", None));
            assert!(!tempo.begin(Uuid::nil()));
            let rest = tempo.ready_after().unwrap();
            rests_s.push(rest.as_secs());
            hand.advance(rest);
            assert!(tempo.begin(Uuid::nil()) && tempo.ready_after().is_none());
            assert_eq!(tempo.concurrency(32), 1);
        }
        assert_eq!(rests_s, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        tempo.learn(&deferred("try_later", 451, "451 no", Blame::Receiver));
        assert_eq!(tempo.concurrency(32), 1);
        tempo.learn(&taken(250, "250 ok", None));
        assert_eq!(tempo.concurrency(32), 32);
        tempo.learn(&throttled);
        assert_eq!(tempo.ready_after(), Some(REST_MIN));
    }

    #[test]
    fn no_more_attempts_are_opened_than_the_cap_lets_begin() {
        let hand = Clock::manual(datetime!(2026-01-02 03:04:05 UTC));
        let tempo = Tempo::new(SAVED, &hand.clock());
        tempo.limit(Some(120), 1);
        let delivery = Uuid::from_u128;
        let open_all = |from: u128| {
            let opened = (from..from + 9).take_while(|n| {
                let is_ready = tempo.ready_after().is_none();
                if is_ready {
                    tempo.open(delivery(*n));
                }
                is_ready
            });
            opened.count()
        };
        assert_eq!(open_all(1), 4);
        // One begins, and is no longer one that will; one was put off.
        assert!(tempo.begin(delivery(1)));
        tempo.opens_no_more(delivery(1));
        assert_eq!(open_all(11), 0);
        tempo.opens_no_more(delivery(2));
        assert_eq!(open_all(21), 1);
        for n in [3, 4, 21] {
            assert!(tempo.begin(delivery(n)), "{n} was promised one");
        }
        assert!(!tempo.begin(delivery(5)));
        assert_eq!(tempo.ready_after(), Some(Duration::from_millis(500)));
    }
}
