//! Slack's rate limit: a token bucket per webhook.

use std::collections::HashMap;
use std::sync::Mutex;

use time::OffsetDateTime;

use crate::record::lock;

/// How much one webhook may send. Slack says: one message a second, short bursts allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// Messages per second in the long run.
    pub per_s: f64,
    /// Messages that may come at once after a pause.
    pub burst: u32,
}

impl RateLimit {
    /// One message a second, three at once: "short bursts" with a number put to it.
    pub const SLACK: Self = Self {
        per_s: 1.0,
        burst: 3,
    };
}

struct Bucket {
    tokens: f64,
    at: OffsetDateTime,
}

/// The buckets of all webhooks.
pub(super) struct Buckets {
    limit: RateLimit,
    buckets: Mutex<HashMap<String, Bucket>>,
}

impl Buckets {
    pub(super) fn new(limit: RateLimit) -> Self {
        Self {
            limit,
            buckets: Mutex::default(),
        }
    }

    /// Takes a token of `webhook`'s, or says after how many whole seconds there is one.
    pub(super) fn take(&self, webhook: &str, now: OffsetDateTime) -> Result<(), u64> {
        let full = f64::from(self.limit.burst);
        let mut buckets = lock(&self.buckets);
        let bucket = buckets.entry(webhook.to_owned()).or_insert(Bucket {
            tokens: full,
            at: now,
        });
        let passed_s = (now - bucket.at).as_seconds_f64().max(0.0);
        bucket.tokens = (bucket.tokens + passed_s * self.limit.per_s).min(full);
        bucket.at = now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        let wait_s = (1.0 - bucket.tokens) / self.limit.per_s;
        Err(wait_s.ceil().max(1.0) as u64)
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;

    #[test]
    fn a_burst_passes_then_one_a_second() {
        let buckets = Buckets::new(RateLimit::SLACK);
        let start = OffsetDateTime::UNIX_EPOCH;
        let take = |after_ms| buckets.take("a", start + Duration::milliseconds(after_ms));
        assert_eq!([take(0), take(0), take(0)], [Ok(()); 3]);
        assert_eq!(take(0), Err(1));
        assert_eq!(take(500), Err(1));
        assert_eq!(take(1_000), Ok(()));
        assert_eq!(take(1_000), Err(1));
        assert_eq!(buckets.take("b", start), Ok(()));
        assert_eq!([take(60_000), take(60_000), take(60_000)], [Ok(()); 3]);
        assert_eq!(take(60_000), Err(1));
    }

    #[test]
    fn a_slow_bucket_says_how_long() {
        let buckets = Buckets::new(RateLimit {
            per_s: 0.1,
            burst: 1,
        });
        let start = OffsetDateTime::UNIX_EPOCH;
        assert_eq!(buckets.take("a", start), Ok(()));
        assert_eq!(buckets.take("a", start), Err(10));
        assert_eq!(
            buckets.take("a", start + Duration::milliseconds(2_500)),
            Err(8)
        );
    }
}
