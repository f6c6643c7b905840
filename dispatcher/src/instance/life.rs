//! Whether others can have taken an instance for dead: they judge by its session, so the answers of that tell.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidings_service::Clock;
use tidings_service::clock::Moment;

/// So long after its session has answered nobody takes an instance for dead: the server keeps a session for longer whose process
/// stands still or is cut off.
const HOLDS_FOR: Duration = Duration::from_secs(20);
/// The same once its session has ended.
const HOLDS_FOR_WITHOUT: Duration = Duration::from_secs(4);

/// A time in which nobody can have taken an instance for dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Life(u64);

/// The answers of an instance's sessions.
pub(super) struct Answers {
    clock: Clock,
    /// None: there was no session yet.
    last: Mutex<Option<Answer>>,
}

#[derive(Clone, Copy)]
struct Answer {
    /// When it was asked for.
    asked: Moment,
    /// How long nobody takes the instance for dead after that.
    holds_for: Duration,
    life: Life,
}

impl Answers {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            last: Mutex::new(None),
        }
    }

    /// The present life, if nobody else can have taken the instance for dead by now: what was begun in another one may be in doubt.
    pub(super) fn life(&self) -> Option<Life> {
        let last = *self.lock();
        last.filter(|last| self.holds(last)).map(|last| last.life)
    }

    /// A session has answered what it was asked then.
    pub(super) fn hear(&self, asked: Moment) {
        let mut last = self.lock();
        let life = match &*last {
            None => 0,
            Some(last) if self.holds(last) => last.life.0,
            Some(last) => last.life.0 + 1,
        };
        *last = Some(Answer {
            asked,
            holds_for: HOLDS_FOR,
            life: Life(life),
        });
    }

    /// The session has ended.
    pub(super) fn miss(&self) {
        if let Some(last) = &mut *self.lock() {
            last.holds_for = HOLDS_FOR_WITHOUT;
        }
    }

    /// Whether there was one to a question no longer ago than this.
    pub(super) fn is_within(&self, time: Duration) -> bool {
        let last = *self.lock();
        last.is_some_and(|last| self.clock.passed_since(last.asked) < time)
    }

    fn holds(&self, last: &Answer) -> bool {
        self.clock.passed_since(last.asked) < last.holds_for
    }

    fn lock(&self) -> MutexGuard<'_, Option<Answer>> {
        // Each change is one of a whole answer.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn who_has_been_silent_for_too_long_lives_another_life_afterwards() {
        let hand = Clock::manual(datetime!(2026-03-01 10:00 UTC));
        let clock = hand.clock();
        let answers = Answers::new(clock.clone());
        let asked = || clock.moment();
        assert_eq!(answers.life(), None);
        answers.hear(asked());
        let first = answers.life();
        assert!(first.is_some());
        let almost = HOLDS_FOR - Duration::from_millis(1);
        hand.advance(almost);
        assert_eq!(answers.life(), first);
        answers.hear(asked());
        hand.advance(almost);
        assert_eq!(answers.life(), first);
        hand.advance(Duration::from_millis(1));
        assert_eq!(answers.life(), None);
        answers.hear(asked());
        let second = answers.life();
        assert!(second.is_some() && second != first);
        // A question that took long counts from when it was asked.
        let long_ago = asked();
        hand.advance(HOLDS_FOR);
        answers.hear(long_ago);
        assert_eq!(answers.life(), None);
    }

    #[test]
    fn without_a_session_it_is_taken_for_dead_sooner_and_a_new_one_in_time_is_the_same_life() {
        let hand = Clock::manual(datetime!(2026-03-01 10:00 UTC));
        let clock = hand.clock();
        let answers = Answers::new(clock.clone());
        answers.hear(clock.moment());
        let life = answers.life();
        answers.miss();
        hand.advance(HOLDS_FOR_WITHOUT - Duration::from_millis(1));
        assert_eq!(answers.life(), life);
        answers.hear(clock.moment());
        hand.advance(HOLDS_FOR_WITHOUT);
        assert_eq!(answers.life(), life);
        answers.miss();
        assert_eq!(answers.life(), None);
        answers.hear(clock.moment());
        assert_ne!(answers.life(), life);
    }
}
