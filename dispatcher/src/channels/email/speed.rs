//! Whether a server takes mails quickly. One that does not gets no more attempts than connections: the others would only
//! wait until they are too old to be sent.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A mail that took longer was a slow one.
const QUICK: Duration = Duration::from_millis(500);
/// One that is under way for longer makes the server slow before it has ended.
const HANGS: Duration = Duration::from_millis(1_500);

/// How the latest mails went.
#[derive(Debug, Default)]
pub(super) struct Speed(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// When each mail that is under way was begun, from before its connection was opened; the oldest first.
    under_way: Vec<Instant>,
    latest_was_slow: bool,
}

/// A mail under way. Dropping it says nothing of the server.
pub(super) struct UnderWay<'a> {
    speed: &'a Speed,
    since: Instant,
}

impl Speed {
    /// A mail begins.
    pub(super) fn begin(&self) -> UnderWay<'_> {
        let since = Instant::now();
        self.lock().under_way.push(since);
        UnderWay { speed: self, since }
    }

    /// Whether the latest mail took long or found no connection, or one that is under way takes long already.
    pub(super) fn is_slow(&self) -> bool {
        self.is_slow_at(Instant::now())
    }

    fn is_slow_at(&self, now: Instant) -> bool {
        let known = self.lock();
        let hangs = |since: &Instant| now.saturating_duration_since(*since) >= HANGS;
        known.latest_was_slow || known.under_way.first().is_some_and(hangs)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // A list of moments cannot be left half-changed by a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay<'_> {
    /// The server has had its say.
    pub(super) fn ended(self) {
        self.note(self.since.elapsed() >= QUICK);
    }

    /// There was no connection.
    pub(super) fn not_connected(self) {
        self.note(true);
    }

    fn note(&self, is_slow: bool) {
        self.speed.lock().latest_was_slow = is_slow;
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut known = self.speed.lock();
        if let Some(index) = known.under_way.iter().position(|it| *it == self.since) {
            known.under_way.remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_that_hangs_makes_its_server_slow_until_one_is_quick_again() {
        let speed = Speed::default();
        let now = Instant::now();
        let hanging = speed.begin();
        assert!(!speed.is_slow_at(now + Duration::from_secs(1)));
        assert!(speed.is_slow_at(hanging.since + HANGS));
        drop(hanging);
        assert!(!speed.is_slow_at(now + 2 * HANGS));
        speed.begin().not_connected();
        assert!(speed.is_slow_at(now));
        speed.begin().ended();
        assert!(!speed.is_slow_at(now));
    }
}
