//! Rate limits: a token bucket per destination.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use time::OffsetDateTime;

use crate::record::lock;

/// How much one destination may be sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// Messages per second in the long run.
    pub per_s: f64,
    /// Messages that may come at once after a pause.
    pub burst: u32,
}

impl RateLimit {
    /// One message a second, three at once: Slack says "short bursts", this puts a number to it.
    pub const SLACK: Self = Self {
        per_s: 1.0,
        burst: 3,
    };

    /// Five messages in two seconds, as Discord has it for a webhook.
    pub const DISCORD: Self = Self {
        per_s: 2.5,
        burst: 5,
    };
}

/// What a bucket says of itself after it was asked for a token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Token {
    /// How many the full bucket holds.
    pub(crate) limit: u32,
    /// How many it holds now.
    pub(crate) remaining: u32,
    /// When it will hold one; zero if it does.
    pub(crate) next_after: Duration,
}

impl Token {
    /// There is no bucket.
    pub(super) const UNLIMITED: Self = Self {
        limit: u32::MAX,
        remaining: u32::MAX,
        next_after: Duration::ZERO,
    };

    /// [`Token::next_after`] in whole seconds, as a `Retry-After` has it.
    pub(crate) fn next_after_s(self) -> u64 {
        let whole = self.next_after.as_secs();
        whole + u64::from(self.next_after > Duration::from_secs(whole))
    }
}

struct Bucket {
    tokens: f64,
    at: OffsetDateTime,
}

/// The buckets of all destinations.
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

    /// Takes a token of a destination's bucket, or says when there is one.
    pub(super) fn take(&self, name: &str, now: OffsetDateTime) -> Result<Token, Token> {
        let full = f64::from(self.limit.burst);
        let mut buckets = lock(&self.buckets);
        let bucket = buckets.entry(name.to_owned()).or_insert(Bucket {
            tokens: full,
            at: now,
        });
        let passed_s = (now - bucket.at).as_seconds_f64().max(0.0);
        bucket.tokens = (bucket.tokens + passed_s * self.limit.per_s).min(full);
        bucket.at = now;
        let taken = bucket.tokens >= 1.0;
        if taken {
            bucket.tokens -= 1.0;
        }
        let missing = (1.0 - bucket.tokens).max(0.0);
        let token = Token {
            limit: self.limit.burst,
            // Never negative, and never more than the burst.
            remaining: bucket.tokens as u32,
            next_after: Duration::from_secs_f64(missing / self.limit.per_s),
        };
        if taken { Ok(token) } else { Err(token) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_one_a_second() {
        let buckets = Buckets::new(RateLimit::SLACK);
        let start = OffsetDateTime::UNIX_EPOCH;
        let take_of = |name, after_ms| {
            let taken = buckets.take(name, start + Duration::from_millis(after_ms));
            taken.map(drop).map_err(Token::next_after_s)
        };
        let take = |after_ms| take_of("a", after_ms);
        assert_eq!([take(0), take(0), take(0)], [Ok(()); 3]);
        assert_eq!(take(0), Err(1));
        assert_eq!(take(500), Err(1));
        assert_eq!(take(1_000), Ok(()));
        assert_eq!(take(1_000), Err(1));
        assert_eq!(take_of("b", 0), Ok(()));
        assert_eq!([take(60_000), take(60_000), take(60_000)], [Ok(()); 3]);
        assert_eq!(take(60_000), Err(1));
    }

    #[test]
    fn a_bucket_says_what_it_holds_and_when_it_holds_more() {
        let buckets = Buckets::new(RateLimit {
            per_s: 0.1,
            burst: 2,
        });
        let start = OffsetDateTime::UNIX_EPOCH;
        let token = |remaining, next_after_ms| Token {
            limit: 2,
            remaining,
            next_after: Duration::from_millis(next_after_ms),
        };
        assert_eq!(buckets.take("a", start), Ok(token(1, 0)));
        assert_eq!(buckets.take("a", start), Ok(token(0, 10_000)));
        let later = start + Duration::from_millis(2_500);
        assert_eq!(buckets.take("a", later), Err(token(0, 7_500)));
        assert_eq!(token(0, 7_500).next_after_s(), 8);
        assert_eq!(token(0, 7_000).next_after_s(), 7);
    }
}
