//! Whether the feed follows JetStream, or lives off the log although there is a connection: nobody is told less by that,
//! only later, so it would go unnoticed.

use std::time::Duration;

use tokio::time::Instant;

use crate::log::ReadError;
use crate::outage::Outage;

/// Shorter than that it is nothing to speak of: the stream is being made, or the relay was a moment late.
const TOLERATED: Duration = Duration::from_secs(5);

/// Why it stopped: what the log had did not come by the stream in time.
pub(super) const LATE: &str = "events came late";

/// Why the feed stopped following.
pub(super) enum Unfollowed {
    /// Of the stream: the whole chain, as its client tells it.
    Stream(String),
    /// What the stream brought could not be compared with the log.
    Log(ReadError),
}

impl From<String> for Unfollowed {
    fn from(error: String) -> Self {
        Self::Stream(error)
    }
}

impl From<ReadError> for Unfollowed {
    fn from(error: ReadError) -> Self {
        Self::Log(error)
    }
}

/// How following goes.
#[derive(Default)]
pub(super) struct Following {
    /// Since when this try has had its subscription; none: it has not.
    subscribed: Option<Instant>,
    /// Whether anything has come by it.
    received: bool,
    /// Since when each try has failed soon.
    failing: Option<Instant>,
    outage: Outage,
    log: Outage,
}

impl Following {
    /// Another try.
    pub(super) fn begins(&mut self) {
        self.subscribed = None;
        self.received = false;
    }

    /// The stream is there and lets itself be read.
    pub(super) fn subscribed(&mut self, now: Instant) {
        self.subscribed = Some(now);
    }

    /// Events come.
    pub(super) fn works(&mut self) {
        self.failing = None;
        self.received = true;
        if self.outage.is_over() {
            tracing::info!("the feed follows JetStream again");
        }
    }

    /// The try has failed, over a connection that is there.
    pub(super) fn failed(&mut self, error: &str, now: Instant) {
        if self.is_to_be_told(error, now) {
            tracing::warn!(
                error,
                "the feed does not follow JetStream and reads the log instead"
            );
        }
    }

    /// The log cannot be read either.
    pub(super) fn log_is_away(&mut self, error: &str) {
        if self.log.is_news(error) {
            tracing::warn!(error, "the feed waits for the log");
        }
    }

    /// The log was read.
    pub(super) fn has_log(&mut self) {
        if self.log.is_over() {
            tracing::info!("the feed has the log again");
        }
    }

    fn is_to_be_told(&mut self, error: &str, now: Instant) -> bool {
        // What went well for so long has failed anew. A subscription by which nothing came that there was has never worked.
        let lasted = self.subscribed.is_some_and(|since| now - since > TOLERATED);
        if lasted && (self.received || error != LATE) {
            self.failing = None;
        }
        let since = *self.failing.get_or_insert(now);
        now - since > TOLERATED && self.outage.is_news(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A try that fails after a time, be it of a subscription that was had; whether that is told.
    fn fails(following: &mut Following, now: &mut Instant, after_s: u64, had: bool) -> bool {
        fails_as(following, now, after_s, had, "no permission")
    }

    fn fails_as(
        following: &mut Following,
        now: &mut Instant,
        after_s: u64,
        had: bool,
        error: &str,
    ) -> bool {
        following.begins();
        if had {
            following.subscribed(*now);
        }
        *now += Duration::from_secs(after_s);
        following.is_to_be_told(error, *now)
    }

    #[test]
    fn what_fails_for_long_is_told_once_until_it_has_worked() {
        let (mut following, mut now) = (Following::default(), Instant::now());
        for had in [true, false] {
            let told = [(); 6].map(|()| fails(&mut following, &mut now, 2, had));
            // Once it has failed for longer than is tolerated.
            assert_eq!(told, [false, false, false, true, false, false], "{had}");
            following.works();
        }
        // Also where each try waits long for an answer.
        let told = [(); 3].map(|()| fails(&mut following, &mut now, 60, false));
        assert_eq!(told, [false, true, false]);
        following.works();
        // Or nothing comes by the subscription that there is, of what the log has.
        let told = [(); 3].map(|()| fails_as(&mut following, &mut now, 60, true, LATE));
        assert_eq!(told, [false, true, false]);
    }

    #[test]
    fn a_hiccup_now_and_then_is_not_worth_a_word() {
        let (mut following, mut now) = (Following::default(), Instant::now());
        for _ in 0..10 {
            assert!(!fails(&mut following, &mut now, 60, true));
        }
    }
}
