//! Rate limits: how many requests one caller, or one address, may make. Counted in this process's memory, which is
//! bounded; told in the headers `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers).

mod address;
mod gcra;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::auth::Principal;
use crate::clock::Clock;
use crate::config::LimitsConfig;
use crate::problem::Problem;
use gcra::Quota;
pub use gcra::Verdict;

const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// The time over which requests are counted.
const WINDOW: Duration = Duration::from_secs(60);
/// Sign-ups with one mailbox, however it is written, that somebody may be asked for in a day.
const MAILBOX_PER_DAY: u32 = 5;
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// Callers remembered for each limit.
const REMEMBERED_MAX: usize = 65_536;

/// The name under which `/readyz` has [`Limits::remark`].
pub const HEALTH: &str = "address limits";
/// What an operator should know when requests came through a proxy that nobody has told of.
const THROUGH_A_PROXY: &str = "requests come through a proxy that `http.proxies` does not count, so nothing is limited by address: set \
    it to how many proxies of yours stand before this listener";

/// What is counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Requests of one caller with a token or an API key.
    Api,
    /// Sign-ups from one address.
    SignUp,
    /// Pages behind the links in mails, from one address.
    Links,
}

impl Policy {
    /// Its name in headers and problems.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::SignUp => "sign-up",
            Self::Links => "links",
        }
    }
}

/// The limits of this process; register it as `web::Data<Limits>`. Without it nothing is limited.
pub struct Limits {
    clock: Clock,
    /// Proxies before the listener that say whom a request is from.
    proxies: usize,
    /// Whether a request seemed to come through one that is not among them.
    is_behind_another: AtomicBool,
    api: Option<Counter>,
    sign_up: Option<Counter>,
    links: Option<Counter>,
    mailboxes: Option<Counter>,
}

/// What was counted for a request, and what is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    policy: Policy,
    quota: u32,
    verdict: Verdict,
}

impl Limits {
    /// The configured limits.
    #[must_use]
    pub fn new(config: &LimitsConfig, clock: Clock) -> Self {
        Self {
            clock,
            proxies: config.proxies,
            is_behind_another: AtomicBool::new(false),
            api: Counter::new(config.api_per_minute, WINDOW),
            sign_up: Counter::new(config.sign_up_per_minute, WINDOW),
            links: Counter::new(config.links_per_minute, WINDOW),
            mailboxes: Counter::new(MAILBOX_PER_DAY, DAY),
        }
    }

    /// Counts a sign-up with a mailbox, from wherever; false: it is one too many. Nothing is remembered of which it is but a
    /// number that this process alone can make.
    pub fn may_be_asked(&self, mailbox: &impl std::hash::Hash) -> bool {
        let now = self.clock.monotonic().since_start();
        self.mailboxes
            .as_ref()
            .is_none_or(|counter| matches!(counter.take(mailbox, now), Verdict::Taken { .. }))
    }

    /// Takes back what [`Limits::may_be_asked`] counted: it came to nothing, and whoever tries again is to be asked.
    pub fn was_not_asked(&self, mailbox: &impl std::hash::Hash) {
        if let Some(counter) = &self.mailboxes {
            counter.give_back(mailbox);
        }
    }

    /// Counts a request of a caller that is known. None: that is not limited.
    pub fn caller(&self, principal: &Principal) -> Option<Counted> {
        let Principal {
            issuer, subject, ..
        } = principal;
        self.count(Policy::Api, &(issuer, subject))
    }

    /// Counts a request of anybody, by the address it is from. None: that is not limited.
    pub fn anybody(&self, policy: Policy, request: &HttpRequest) -> Option<Counted> {
        let peer = request.peer_addr().map(|peer| peer.ip());
        if self.proxies == 0 && address::is_a_proxys(request.headers(), peer) {
            // Everybody comes from there: counted together, one caller would use up what is left for all.
            if !self.is_behind_another.swap(true, Ordering::Relaxed) {
                tracing::warn!("{THROUGH_A_PROXY}");
            }
            return None;
        }
        let address = address::of(request.headers(), peer, self.proxies);
        let block = address.map(|it| address::block(it.to_canonical()));
        self.count(policy, &block)
    }

    /// What an operator should know of the limits; none: nothing has come by so far that they do not hold for.
    pub fn remark(&self) -> Option<String> {
        let is_behind = self.is_behind_another.load(Ordering::Relaxed);
        is_behind.then(|| THROUGH_A_PROXY.to_owned())
    }

    fn count(&self, policy: Policy, who: &impl std::hash::Hash) -> Option<Counted> {
        let counter = match policy {
            Policy::Api => &self.api,
            Policy::SignUp => &self.sign_up,
            Policy::Links => &self.links,
        };
        let counter = counter.as_ref()?;
        // Ages alone are measured with it, by a clock that nobody sets.
        let now = self.clock.monotonic().since_start();
        Some(Counted {
            policy,
            quota: counter.quota.requests(),
            verdict: counter.take(who, now),
        })
    }
}

impl Counted {
    /// Passes while something is left.
    ///
    /// # Errors
    /// 429 that names the limit.
    pub fn permit(&self) -> Result<(), Problem> {
        match self.verdict {
            Verdict::Taken { .. } => Ok(()),
            Verdict::Refused { again_after, .. } => Err(Problem::rate_limited(
                self.policy.as_str(),
                self.quota,
                WINDOW.as_secs(),
                whole_seconds(again_after),
            )),
        }
    }

    /// Tells the caller what is left, on whatever they are answered.
    pub fn tell(&self, headers: &mut HeaderMap) {
        let (left, full_after) = match self.verdict {
            Verdict::Taken { left, full_after } => (left, full_after),
            Verdict::Refused { full_after, .. } => (0, full_after),
        };
        let name = self.policy.as_str();
        let policy = format!("\"{name}\";q={};w={}", self.quota, WINDOW.as_secs());
        let limit = format!("\"{name}\";r={left};t={}", whole_seconds(full_after));
        for (name, value) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, limit)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(name, value);
            }
        }
    }
}

/// One limit, and how much of it each caller has used.
struct Counter {
    quota: Quota,
    /// Keyed, so that nobody can choose callers that fall together.
    hasher: RandomState,
    /// Until when each has used its share; see [`Quota::take`].
    used: Mutex<HashMap<u64, Duration>>,
}

impl Counter {
    /// 0: there is no such limit.
    fn new(requests: u32, window: Duration) -> Option<Self> {
        Some(Self {
            quota: Quota::new(requests, window)?,
            hasher: RandomState::new(),
            used: Mutex::default(),
        })
    }

    fn take(&self, who: &impl std::hash::Hash, now: Duration) -> Verdict {
        let who = self.hasher.hash_one(who);
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= REMEMBERED_MAX && !used.contains_key(&who) {
            // Whoever has all of its share back need not be remembered.
            used.retain(|_, until| *until > now);
            // So many that are busy at once: to start over lets some through, to count them together would refuse all.
            if used.len() > REMEMBERED_MAX / 4 * 3 {
                used.clear();
            }
        }
        self.quota.take(used.entry(who).or_default(), now)
    }

    fn give_back(&self, who: &impl std::hash::Hash) {
        let who = self.hasher.hash_one(who);
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = used.get_mut(&who) {
            self.quota.give_back(until);
        }
    }
}

/// Rounded up: a caller that comes back then is not too early.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
