//! The one source of time: the machine's clock, or a clock that a test moves by hand.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

/// Tells the time. Cheap to clone; clones share one source.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Source>);

#[derive(Debug)]
enum Source {
    System { started: Instant, ahead: Duration },
    Manual(Arc<Manual>),
}

/// A clock that stands still until a test moves it.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Manual>);

#[derive(Debug)]
struct Manual {
    state: Mutex<ManualState>,
}

#[derive(Clone, Copy, Debug)]
struct ManualState {
    now: OffsetDateTime,
    elapsed: Duration,
}

/// A point on a clock that never goes backwards; only good for measuring ages within one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Monotonic(Duration);

/// A moment by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    monotonic: Monotonic,
    now: OffsetDateTime,
}

impl Monotonic {
    /// Time from the point at which the clock began.
    #[must_use]
    pub fn since_start(self) -> Duration {
        self.0
    }

    /// Time from `earlier` to `self`; zero when `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self::ahead(Duration::ZERO)
    }

    /// The machine's clock, and so much later: for a process that a test tells that its machine's clock is wrong.
    #[must_use]
    pub fn ahead(ahead: Duration) -> Self {
        Self(Arc::new(Source::System {
            started: machine_instant(),
            ahead,
        }))
    }

    /// A clock for tests, standing at `start`; take [`ManualClock::clock`] to hand it out.
    #[must_use]
    pub fn manual(start: OffsetDateTime) -> ManualClock {
        ManualClock(Arc::new(Manual {
            state: Mutex::new(ManualState {
                now: start,
                elapsed: Duration::ZERO,
            }),
        }))
    }

    /// The present instant in UTC, cut to microseconds, which is what Postgres keeps.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        let now = match &*self.0 {
            Source::System { ahead, .. } => machine_time() + *ahead,
            Source::Manual(manual) => manual.state().now,
        };
        to_microseconds(now)
    }

    /// The present point of the clock that only moves forwards.
    #[must_use]
    pub fn monotonic(&self) -> Monotonic {
        Monotonic(match &*self.0 {
            Source::System { started, .. } => started.elapsed(),
            Source::Manual(manual) => manual.state().elapsed,
        })
    }

    /// How long ago `earlier` was, by the clock that only moves forwards.
    #[must_use]
    pub fn age(&self, earlier: Monotonic) -> Duration {
        self.monotonic().since(earlier)
    }

    /// The present moment by both clocks.
    #[must_use]
    pub fn moment(&self) -> Moment {
        Moment {
            monotonic: self.monotonic(),
            now: self.now(),
        }
    }

    /// How long ago a moment was at the most: the clock that only moves forwards stands still while the machine is suspended, and
    /// the other one may be set back.
    #[must_use]
    pub fn passed_since(&self, earlier: Moment) -> Duration {
        let by_the_wall = Duration::try_from(self.now() - earlier.now).unwrap_or_default();
        self.age(earlier.monotonic).max(by_the_wall)
    }
}

impl ManualClock {
    /// The clock that this hand moves.
    #[must_use]
    pub fn clock(&self) -> Clock {
        Clock(Arc::new(Source::Manual(Arc::clone(&self.0))))
    }

    /// Moves both the wall clock and the monotonic clock forwards.
    pub fn advance(&self, by: Duration) {
        self.0.change(|state| {
            state.now += by;
            state.elapsed += by;
        });
    }

    /// Sets the wall clock, backwards too; the monotonic clock stays.
    pub fn set(&self, now: OffsetDateTime) {
        self.0.change(|state| state.now = now);
    }
}

impl Manual {
    fn state(&self) -> ManualState {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, f: impl FnOnce(&mut ManualState)) {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn to_microseconds(at: OffsetDateTime) -> OffsetDateTime {
    at.replace_nanosecond(at.nanosecond() / 1_000 * 1_000)
        .unwrap_or(at)
        .to_offset(UtcOffset::UTC)
}

#[allow(
    clippy::disallowed_methods,
    reason = "the one place that reads the machine's clock"
)]
fn machine_time() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

#[allow(
    clippy::disallowed_methods,
    reason = "the one place that reads the machine's clock"
)]
fn machine_instant() -> Instant {
    Instant::now()
}

/// An instant as people give it (RFC 3339), in UTC; none for what is none, or where its offset leads out of the years that can
/// be written.
pub fn parse_instant(text: &str) -> Option<OffsetDateTime> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    at.checked_to_offset(UtcOffset::UTC)
        .filter(|at| at.year() >= 0)
}

/// An instant as people read it: `2026-11-25 08:00:00 UTC`, of one in UTC.
pub fn shown(at: OffsetDateTime) -> String {
    let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
    at.format(format).unwrap_or_default()
}

/// The same as `parse_instant`, of a field that may be left out.
///
/// # Errors
/// For what is no instant.
pub fn instant<'de, D: Deserializer<'de>>(field: D) -> Result<Option<OffsetDateTime>, D::Error> {
    let text = Option::<String>::deserialize(field)?;
    let wrong = || D::Error::custom("it must be an instant such as 2026-11-25T08:00:00Z");
    text.map(|text| parse_instant(&text).ok_or_else(wrong))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn times_are_cut_to_microseconds() {
        let manual = Clock::manual(datetime!(2026-03-01 10:00:00.123456789 +2));
        assert_eq!(
            manual.clock().now(),
            datetime!(2026-03-01 08:00:00.123456 UTC)
        );
        assert_eq!(Clock::system().now().nanosecond() % 1_000, 0);
    }

    #[test]
    fn a_clock_that_is_ahead_says_what_the_machine_will_say_later() {
        let (machine, ahead) = (Clock::system(), Clock::ahead(Duration::from_secs(60)));
        assert!(ahead.now() > machine.now() + Duration::from_secs(59));
        assert!(ahead.monotonic().since(machine.monotonic()) < Duration::from_secs(59));
    }

    #[test]
    fn setting_the_wall_clock_back_leaves_ages_alone() {
        let manual = Clock::manual(datetime!(2026-03-01 10:00 UTC));
        let clock = manual.clock();
        let before = clock.monotonic();
        manual.advance(Duration::from_secs(7));
        manual.set(datetime!(2020-01-01 0:00 UTC));
        assert_eq!(clock.age(before), Duration::from_secs(7));
        assert_eq!(clock.now(), datetime!(2020-01-01 0:00 UTC));
        assert_eq!(before.since(clock.monotonic()), Duration::ZERO);
    }

    #[test]
    fn of_a_moment_passes_what_the_clock_that_says_more_says() {
        let start = datetime!(2026-03-01 10:00 UTC);
        let manual = Clock::manual(start);
        let clock = manual.clock();
        let moment = clock.moment();
        manual.advance(Duration::from_secs(7));
        assert_eq!(clock.passed_since(moment), Duration::from_secs(7));
        manual.set(start + Duration::from_secs(60));
        assert_eq!(
            clock.passed_since(moment),
            Duration::from_secs(60),
            "suspended"
        );
        manual.set(datetime!(2020-01-01 0:00 UTC));
        assert_eq!(
            clock.passed_since(moment),
            Duration::from_secs(7),
            "set back"
        );
    }

    #[test]
    fn an_instant_is_one_in_utc_too() {
        let written = "2026-03-01T09:30:00+02:00";
        assert_eq!(parse_instant(written), Some(datetime!(2026-03-01 7:30 UTC)));
        let beyond = ["9999-12-31T23:59:59-05:00", "0000-01-01T00:00:00+01:00"];
        for wrong in beyond.into_iter().chain(["2026-03-01", "soon", ""]) {
            assert_eq!(parse_instant(wrong), None, "{wrong}");
        }
    }
}
