//! Receiving domains that put off one mail after the other: mail to them goes out less often, and everybody else's as
//! before.
//!
//! In memory, and so for each process and channel apart: who starts over is told once more.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tidings_service::clock::{Clock, Monotonic};
use uuid::Uuid;

use crate::channel::{Blame, Outcome, Rendered};

/// Receivers of a domain that are put off in a row before it is slowed: one alone says something of itself.
const COMPLAINTS: usize = 3;
/// The first rest of a domain; each further one doubles it.
const REST_MIN: Duration = Duration::from_secs(60);
const REST_MAX: Duration = Duration::from_secs(30 * 60);
/// How long the mail that finds out after a rest keeps the others waiting.
const TRIAL_TIME_MAX: Duration = Duration::from_secs(60);
/// What waits for a domain waits at least so long: each wait is an entry in the log, and a large domain has many mails.
const WAIT_MIN: Duration = Duration::from_secs(10 * 60);
/// A mail waits for its domain so often at most, then it is asked for by its own schedule: who answers "not yet" to each
/// mail's first attempt must hear of every mail, and a domain that never takes any must not be waited for for ever.
const WAITS_MAX: u32 = 3;
/// More are not remembered.
const DOMAINS_MAX: usize = 1_000;

/// The domains that one channel's mails were put off by, in this process.
pub(super) struct Domains {
    clock: Clock,
    since: Monotonic,
    by_name: Mutex<HashMap<String, Domain>>,
}

/// One that has put off mails and taken none since.
#[derive(Default)]
struct Domain {
    /// The deliveries that were put off, until it is slowed.
    put_off: Vec<Uuid>,
    /// The latest rest; none: it is not slowed.
    rest: Option<Duration>,
    /// Nothing is sent there before, counted from [`Domains::since`].
    until: Duration,
    /// The delivery that finds out whether it takes mail again.
    trial: Option<Uuid>,
}

// Domains can be people's.
impl fmt::Debug for Domains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Domains")
            .field("known", &self.lock().len())
            .finish_non_exhaustive()
    }
}

impl Domains {
    /// None is slowed.
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            since: clock.monotonic(),
            clock,
            by_name: Mutex::default(),
        }
    }

    /// How long a mail had better wait; none: it may go out now. After a rest one may, and the others wait for its word.
    /// `abandons`: how often an attempt of it was abandoned, as each wait is; a wait for the channel's pace counts too.
    pub(super) fn wait(&self, mail: &Rendered, abandons: u32) -> Option<Duration> {
        if abandons >= WAITS_MAX {
            return None;
        }
        let now = self.now();
        let mut by_name = self.lock();
        let domain = by_name.get_mut(&name(mail))?;
        let rest = domain.rest?;
        if domain.trial == Some(mail.delivery_id) {
            return None;
        }
        if now < domain.until {
            return Some((domain.until - now).max(WAIT_MIN));
        }
        domain.trial = Some(mail.delivery_id);
        domain.until = now + rest.min(TRIAL_TIME_MAX);
        None
    }

    /// Takes note of how an attempt ended. What was under way when a rest began ends in it, and changes nothing.
    pub(super) fn learn(&self, mail: &Rendered, outcome: &Outcome) {
        let complains = matches!(
            outcome,
            Outcome::Deferred {
                blame: Blame::Domain,
                ..
            }
        );
        let now = self.now();
        let (name, id) = (name(mail), mail.delivery_id);
        let mut by_name = self.lock();
        if complains && !by_name.contains_key(&name) {
            make_room(&mut by_name, now);
            if by_name.len() >= DOMAINS_MAX {
                return;
            }
        }
        let Some(domain) = (match complains {
            true => Some(by_name.entry(name.clone()).or_default()),
            false => by_name.get_mut(&name),
        }) else {
            return;
        };
        let finds_out = domain.trial.take_if(|trial| *trial == id).is_some();
        if now < domain.until && !finds_out {
            return;
        }
        match outcome {
            Outcome::Sent { .. } => {
                by_name.remove(&name);
            }
            _ if complains => domain.complain(id, now),
            // Nothing is known yet: the next one may find out.
            _ => domain.until = now,
        }
    }

    fn now(&self) -> Duration {
        self.clock.monotonic().since(self.since)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Domain>> {
        // Each change of a domain is one of plain values.
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Domain {
    fn complain(&mut self, delivery_id: Uuid, now: Duration) {
        if self.rest.is_none() && !self.put_off.contains(&delivery_id) {
            self.put_off.push(delivery_id);
        }
        if self.rest.is_none() && self.put_off.len() < COMPLAINTS {
            return;
        }
        if self.rest.is_none() {
            tracing::warn!(
                "a receiving domain puts off one mail after the other: those to it go out less often"
            );
        }
        let rest = self.rest.map_or(REST_MIN, |rest| (rest * 2).min(REST_MAX));
        self.rest = Some(rest);
        self.until = now + rest;
    }
}

/// Forgets what rests no longer, if there are too many: it will tell us again.
fn make_room(by_name: &mut HashMap<String, Domain>, now: Duration) {
    if by_name.len() >= DOMAINS_MAX {
        by_name.retain(|_, domain| now < domain.until);
    }
}

fn name(mail: &Rendered) -> String {
    let (_, domain) = mail.to.rsplit_once('@').unwrap_or_default();
    domain.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::channels::support::{deferred, failed, taken};

    fn mail(n: u128, to: &str) -> Rendered {
        Rendered {
            attempt: 1,
            delivery_id: Uuid::from_u128(n),
            media_type: "message/rfc822",
            from: String::new(),
            to: to.to_owned(),
            body: Vec::new(),
        }
    }

    fn slow(n: u128) -> Rendered {
        mail(n, "reader@Slow.example")
    }

    fn puts_off() -> Outcome {
        deferred("try_later", 450, "450 4.7.1 too many", Blame::Domain)
    }

    fn takes() -> Outcome {
        taken(250, "250 ok", None)
    }

    /// One that was slowed at this moment.
    fn slowed(clock: &Clock) -> Domains {
        let domains = Domains::new(clock.clone());
        for n in 1..=3 {
            assert_eq!(domains.wait(&slow(n), 0), None);
            domains.learn(&slow(n), &puts_off());
        }
        domains
    }

    #[test]
    fn a_domain_is_slowed_when_several_receivers_are_put_off_in_a_row_and_no_other_is() {
        let hand = Clock::manual(datetime!(2026-01-02 03:04:05 UTC));
        let domains = Domains::new(hand.clock());
        // One receiver alone, time and again; several, with one between them that is taken; and what is not the
        // domain's fault.
        for n in [1, 1, 1, 2] {
            domains.learn(&slow(n), &puts_off());
        }
        domains.learn(&slow(3), &takes());
        domains.learn(&slow(4), &puts_off());
        domains.learn(&slow(5), &puts_off());
        for n in 6..20 {
            let full = deferred("mailbox_full", 452, "452 4.2.2 full", Blame::Receiver);
            domains.learn(&slow(n), &full);
        }
        assert_eq!(domains.wait(&slow(20), 0), None);
        domains.learn(&slow(20), &puts_off());
        assert_eq!(
            domains.wait(&mail(21, "ada@SLOW.example"), 0),
            Some(WAIT_MIN)
        );
        assert_eq!(domains.wait(&mail(21, "ada@notslow.example"), 0), None);
    }

    #[test]
    fn after_a_rest_one_mail_finds_out_and_each_that_is_put_off_doubles_the_rest() {
        let hand = Clock::manual(datetime!(2026-01-02 03:04:05 UTC));
        let domains = slowed(&hand.clock());
        let mut rests_s = Vec::new();
        let mut rest = REST_MIN;
        for n in 10..17 {
            rests_s.push(rest.as_secs());
            hand.advance(rest - Duration::from_secs(1));
            assert!(domains.wait(&slow(n), 0).is_some());
            hand.advance(Duration::from_secs(1));
            // Asked again, because a guard did not hold, it may still.
            assert_eq!(
                [domains.wait(&slow(n), 0), domains.wait(&slow(n), 0)],
                [None; 2]
            );
            assert!(domains.wait(&slow(n + 100), 0).is_some());
            // Words on what was under way before are not its word.
            domains.learn(&slow(n + 100), &takes());
            domains.learn(&slow(n + 100), &puts_off());
            domains.learn(&slow(n), &puts_off());
            rest = (rest * 2).min(REST_MAX);
        }
        assert_eq!(rests_s, [60, 120, 240, 480, 960, 1_800, 1_800]);
        // What waits, waits for the whole rest.
        assert_eq!(domains.wait(&slow(1), 0), Some(REST_MAX));
        hand.advance(REST_MAX);
        assert_eq!(domains.wait(&slow(1), 0), None);
        domains.learn(&slow(1), &takes());
        for n in 200..300 {
            assert_eq!(domains.wait(&slow(n), 0), None);
        }
    }

    #[test]
    fn a_mail_that_finds_nothing_out_lets_the_next_one_try() {
        let hand = Clock::manual(datetime!(2026-01-02 03:04:05 UTC));
        let domains = slowed(&hand.clock());
        hand.advance(REST_MIN);
        assert_eq!(domains.wait(&slow(10), 0), None);
        domains.learn(&slow(10), &failed("bad_address", 550, "550 5.1.1 nobody"));
        assert_eq!(domains.wait(&slow(11), 0), None);
        // Nor does one keep them waiting that nobody hears of again.
        assert!(domains.wait(&slow(12), 0).is_some());
        hand.advance(TRIAL_TIME_MAX);
        assert_eq!(domains.wait(&slow(12), 0), None);
    }

    #[test]
    fn a_mail_that_has_waited_often_is_asked_for_by_its_own_schedule() {
        let hand = Clock::manual(datetime!(2026-01-02 03:04:05 UTC));
        let domains = slowed(&hand.clock());
        // However often it was attempted: only waits count.
        let tried = Rendered {
            attempt: 9,
            ..slow(4)
        };
        assert!(domains.wait(&tried, WAITS_MAX - 1).is_some());
        assert_eq!(domains.wait(&tried, WAITS_MAX), None);
    }

    #[test]
    fn no_more_domains_are_remembered_than_there_is_room_for() {
        let hand = Clock::manual(datetime!(2026-01-02 03:04:05 UTC));
        let domains = Domains::new(hand.clock());
        let known = || domains.lock().len();
        let complain = |n: usize| {
            let to = format!("reader@d{n}.example");
            for id in 0..3 {
                domains.learn(&mail(id, &to), &puts_off());
            }
        };
        (0..DOMAINS_MAX + 10).for_each(complain);
        assert_eq!(known(), DOMAINS_MAX);
        hand.advance(REST_MIN);
        complain(DOMAINS_MAX + 10);
        assert_eq!(known(), 1);
    }
}
