//! When a delivery is tried again, and when it is given up.
//!
//! Waits are spread by up to 20 % either way, so that many deliveries put off together do not come
//! back together. The spread comes from the delivery's id and the attempt: the same every time.

use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::Tries;

/// Whose retry rules apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// SMTP: a greylisting server wants half an hour, a full mailbox days.
    Mail,
    /// Mail through a provider's API: a refusal is the provider's, not a server's that greylists, and lasts as for mail.
    MailApi,
    /// HTTP: quick at first, given up after a day.
    Http,
    /// A webhook, by the schedule of Standard Webhooks 1.0.0: ten attempts over three days, since whoever
    /// runs the receiver may be away for a weekend.
    Webhook,
}

/// What kept the receiving side from taking it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It answered: not now (SMTP 4xx, HTTP 429 or 5xx).
    PutOff {
        /// When it wants to be asked again, where it said so.
        retry_after: Option<Duration>,
    },
    /// It could not be reached.
    Unreachable,
    /// Nothing gets through to it for now: that says nothing of the delivery, which waits for the channel.
    ChannelDown {
        /// When the channel is tried again.
        until: OffsetDateTime,
    },
    /// It was given mails too quickly: that says nothing of the delivery either. The channel may be woken sooner; then
    /// this one goes too.
    ChannelRests {
        /// When the channel goes on.
        until: OffsetDateTime,
    },
}

impl Trouble {
    /// Whether it is no fault of the delivery's.
    pub fn is_of_the_channel(self) -> bool {
        matches!(self, Self::ChannelDown { .. } | Self::ChannelRests { .. })
    }
}

const MAIL_PUT_OFF: [Duration; 5] = [
    Duration::minutes(30),
    Duration::hours(1),
    Duration::hours(2),
    Duration::hours(4),
    Duration::hours(8),
];
const MAIL_UNREACHABLE: [Duration; 9] = [
    Duration::minutes(1),
    Duration::minutes(2),
    Duration::minutes(5),
    Duration::minutes(15),
    Duration::minutes(30),
    Duration::hours(1),
    Duration::hours(2),
    Duration::hours(4),
    Duration::hours(8),
];
const HTTP: [Duration; 5] = [
    Duration::seconds(5),
    Duration::seconds(30),
    Duration::minutes(5),
    Duration::minutes(30),
    Duration::hours(2),
];
const WEBHOOK: [Duration; 9] = [
    Duration::seconds(5),
    Duration::minutes(5),
    Duration::minutes(30),
    Duration::hours(2),
    Duration::hours(5),
    Duration::hours(10),
    Duration::hours(14),
    Duration::hours(20),
    Duration::hours(24),
];
const ABANDONED: [Duration; 4] = [
    Duration::seconds(1),
    Duration::seconds(5),
    Duration::seconds(30),
    Duration::minutes(5),
];
/// How far a wait is spread.
const SPREAD_MIN_PERMILLE: i32 = 800;
const SPREAD_MAX_PERMILLE: i32 = 1_200;
const RETRY_AFTER_MIN: Duration = Duration::seconds(1);
const RETRY_AFTER_MAX: Duration = Duration::hours(1);
/// The longest a delivery itself waits because its channel is down.
const CHANNEL_DOWN_MAX: Duration = Duration::seconds(30);
/// How long after a doubtful attempt it is sent once more.
pub const RESEND_AFTER: Duration = Duration::seconds(30);

impl Family {
    /// How long after the first attempt it is given up.
    pub const fn gives_up_after(self) -> Duration {
        match self {
            Self::Mail | Self::MailApi | Self::Webhook => Duration::days(5),
            Self::Http => Duration::hours(24),
        }
    }

    /// After how many deferrals it is given up; `None`: time alone decides.
    const fn deferrals_max(self) -> Option<u32> {
        match self {
            Self::Mail | Self::MailApi | Self::Http => None,
            Self::Webhook => Some(WEBHOOK.len() as u32),
        }
    }

    /// How many of these deferrals, the first of them so long ago, count. What is tried before its time, since its channel was
    /// said to work again, is not given up the sooner for it: each counts once the waits before it could have passed.
    fn counted(self, deferrals: u32, ago: Duration) -> u32 {
        let Self::Webhook = self else {
            return deferrals;
        };
        let mut waited = Duration::ZERO;
        let passed = WEBHOOK.iter().take_while(|wait| {
            waited += **wait * SPREAD_MIN_PERMILLE / 1_000;
            waited <= ago
        });
        deferrals.min(passed.count() as u32)
    }

    /// The wait after the n-th deferral (from 0), before it is spread. Never shorter for a greater
    /// n, and nothing while the whole channel waits. A `Retry-After` (not of mail) counts within 1 s and 1 h: it goes
    /// before the schedule of HTTP, and only lengthens that of a webhook, whose attempts are numbered.
    pub fn wait(self, trouble: Trouble, n: u32) -> Duration {
        let wanted = match trouble {
            Trouble::PutOff { retry_after } => retry_after,
            Trouble::Unreachable | Trouble::ChannelDown { .. } | Trouble::ChannelRests { .. } => {
                None
            }
        };
        let wanted = wanted.map(|wanted| wanted.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX));
        match (self, trouble) {
            (_, Trouble::ChannelDown { .. } | Trouble::ChannelRests { .. }) => Duration::ZERO,
            (Self::Http, _) => wanted.unwrap_or_else(|| step(&HTTP, n)),
            (Self::Webhook, _) => step(&WEBHOOK, n).max(wanted.unwrap_or_default()),
            (Self::Mail, Trouble::PutOff { .. }) => step(&MAIL_PUT_OFF, n),
            (Self::Mail, Trouble::Unreachable) => step(&MAIL_UNREACHABLE, n),
            (Self::MailApi, _) => step(&MAIL_UNREACHABLE, n).max(wanted.unwrap_or_default()),
        }
    }

    /// The longest that a delivery waits between two attempts, however it is spread.
    pub fn wait_max(self) -> Duration {
        self.wait(Trouble::Unreachable, u32::MAX) * SPREAD_MAX_PERMILLE / 1_000
    }

    /// The shortest wait the receiving side stands for.
    fn wait_min(self, trouble: Trouble) -> Duration {
        match (self, trouble) {
            (Self::Mail, Trouble::PutOff { .. }) => MAIL_PUT_OFF[0],
            // What was asked for is never undercut; the first step of a webhook is shorter than that.
            (
                Self::Http | Self::Webhook | Self::MailApi,
                Trouble::PutOff {
                    retry_after: Some(_),
                },
            ) => Self::Http.wait(trouble, 0),
            _ => Duration::ZERO,
        }
    }
}

/// When a delivery that was put off at `now` is tried again; `None`: it is given up.
pub fn retry_at(
    family: Family,
    trouble: Trouble,
    tries: &Tries,
    delivery_id: Uuid,
    now: OffsetDateTime,
) -> Option<OffsetDateTime> {
    // However long that takes, the delivery is not to blame: it is not given up for it.
    match trouble {
        // It waits for the channel, which may be mended before its time; this wait is for a channel whose stream has yet to say
        // that it is down.
        Trouble::ChannelDown { until } => {
            return Some(until.min(now.saturating_add(CHANNEL_DOWN_MAX)).max(now));
        }
        Trouble::ChannelRests { until } => {
            return Some(until.min(now.saturating_add(RETRY_AFTER_MAX)).max(now));
        }
        Trouble::PutOff { .. } | Trouble::Unreachable => {}
    }
    let since = tries.since.unwrap_or(now);
    let deferrals = family.counted(tries.deferrals, now - since);
    if family.deferrals_max().is_some_and(|max| deferrals >= max) {
        return None;
    }
    let wait = spread(family.wait(trouble, deferrals), delivery_id, tries.attempts)
        .max(family.wait_min(trouble));
    let at = now.checked_add(wait)?;
    (at <= since.checked_add(family.gives_up_after())?).then_some(at)
}

/// When a delivery whose attempt was abandoned at `now` is tried again, no sooner than `wait_min` and up to half as long
/// again. That was our own doing, so it is never given up for it.
pub fn after_abandoned(
    tries: &Tries,
    delivery_id: Uuid,
    now: OffsetDateTime,
    wait_min: Duration,
) -> OffsetDateTime {
    let spread = |wait| spread(wait, delivery_id, tries.attempts);
    let own = spread(step(&ABANDONED, tries.abandons));
    // What waits together must not come back together: 80 % of this is all of it.
    now.saturating_add(own.max(spread(wait_min * 5 / 4)))
}

/// The n-th wait; the last one for ever.
fn step(waits: &[Duration], n: u32) -> Duration {
    waits[(n as usize).min(waits.len() - 1)]
}

/// 80 % to 120 % of the wait.
fn spread(wait: Duration, delivery_id: Uuid, attempt: u32) -> Duration {
    let digest = Sha256::new()
        .chain_update(b"tidings.retry.v1")
        .chain_update(delivery_id.as_bytes())
        .chain_update(attempt.to_be_bytes())
        .finalize();
    let spread = SPREAD_MAX_PERMILLE - SPREAD_MIN_PERMILLE + 1;
    let drawn = i32::from(u16::from_be_bytes([digest[0], digest[1]]));
    let permille = SPREAD_MIN_PERMILLE + drawn % spread;
    wait * permille / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-01-02 03:04:05 UTC);
    const PUT_OFF: Trouble = Trouble::PutOff { retry_after: None };

    fn tries(attempts: u32, deferrals: u32) -> Tries {
        Tries {
            attempts,
            deferrals,
            since: Some(NOW),
            ..Tries::default()
        }
    }

    #[test]
    fn schedules() {
        let waits = |family: Family, trouble| -> Vec<i64> {
            (0..11)
                .map(|n| family.wait(trouble, n).whole_seconds())
                .collect()
        };
        let minutes = |all: &[i64]| all.iter().map(|m| m * 60).collect::<Vec<_>>();
        assert_eq!(
            waits(Family::Mail, PUT_OFF),
            minutes(&[30, 60, 120, 240, 480, 480, 480, 480, 480, 480, 480])
        );
        assert_eq!(
            waits(Family::Mail, Trouble::Unreachable),
            minutes(&[1, 2, 5, 15, 30, 60, 120, 240, 480, 480, 480])
        );
        for trouble in [PUT_OFF, Trouble::Unreachable] {
            assert_eq!(
                waits(Family::MailApi, trouble)[..9],
                minutes(&[1, 2, 5, 15, 30, 60, 120, 240, 480])
            );
            assert_eq!(
                waits(Family::Webhook, trouble)[..9],
                [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]
            );
            assert_eq!(
                waits(Family::Http, trouble),
                [
                    5, 30, 300, 1_800, 7_200, 7_200, 7_200, 7_200, 7_200, 7_200, 7_200
                ]
            );
        }
    }

    #[test]
    fn retry_after_is_honoured_within_bounds() {
        let wait = |seconds| {
            let trouble = Trouble::PutOff {
                retry_after: Some(Duration::seconds(seconds)),
            };
            Family::Http.wait(trouble, 3).whole_seconds()
        };
        assert_eq!(
            [wait(-5), wait(0), wait(1), wait(90), wait(86_400)],
            [1, 1, 1, 90, 3_600]
        );
    }

    #[test]
    fn whoever_waits_for_a_channel_is_not_given_up() {
        let (now, until) = (NOW + Duration::days(30), NOW + Duration::days(31));
        let at = |until| {
            let down = Trouble::ChannelDown { until };
            retry_at(Family::Http, down, &tries(9, 9), Uuid::nil(), now)
        };
        let soon = now + Duration::seconds(10);
        assert_eq!(
            [at(until), at(soon), at(NOW)],
            [Some(now + CHANNEL_DOWN_MAX), Some(soon), Some(now)]
        );
        let at = |until| {
            let rests = Trouble::ChannelRests { until };
            retry_at(Family::Mail, rests, &tries(9, 9), Uuid::nil(), now)
        };
        assert_eq!(
            [at(until), at(soon), at(NOW)],
            [Some(now + RETRY_AFTER_MAX), Some(soon), Some(now)]
        );
    }

    #[test]
    fn a_webhook_is_asked_no_sooner_than_it_wants_and_no_sooner_than_its_schedule() {
        let wait = |seconds, n| {
            let trouble = Trouble::PutOff {
                retry_after: Some(Duration::seconds(seconds)),
            };
            Family::Webhook.wait(trouble, n).whole_seconds()
        };
        assert_eq!(
            [wait(1, 0), wait(90, 0), wait(90, 1), wait(86_400, 0)],
            [5, 90, 300, 3_600]
        );
    }

    #[test]
    fn a_webhook_gets_ten_attempts_and_no_more() {
        let mut now = NOW;
        let mut attempts = 0;
        for deferrals in 0.. {
            attempts += 1;
            let tries = tries(deferrals + 1, deferrals);
            match retry_at(Family::Webhook, PUT_OFF, &tries, Uuid::nil(), now) {
                Some(at) => now = at,
                None => break,
            }
        }
        assert_eq!(attempts, 10);
        let sum = Duration::hours(75) + Duration::minutes(35) + Duration::seconds(5);
        let took = now - NOW;
        assert!(took >= sum * 8 / 10 && took <= sum * 12 / 10, "{took}");
    }

    /// What its channel had kept back is due whenever that works again, and meets the same trouble each time.
    #[test]
    fn a_webhook_that_comes_and_goes_gives_up_no_message_before_its_time() {
        let retry = |deferrals, later| {
            let tries = tries(deferrals + 1, deferrals);
            retry_at(Family::Webhook, PUT_OFF, &tries, Uuid::nil(), NOW + later)
        };
        for deferrals in 0..40 {
            let later = Duration::seconds(35) * deferrals as i32;
            let wait = retry(deferrals, later).expect("minutes are too few") - NOW - later;
            assert!(wait <= Duration::minutes(36), "{deferrals}: {wait}");
        }
        assert!(retry(40, Duration::hours(60)).is_some());
        assert_eq!(retry(40, Duration::hours(61)), None);
        // However long it takes, one that was tried seldom is tried once more.
        assert!(retry(8, Duration::hours(80)).is_some());
    }

    #[test]
    fn given_up_after_days_and_hours() {
        let at = |family: Family, later| {
            retry_at(family, PUT_OFF, &tries(9, 9), Uuid::nil(), NOW + later).is_some()
        };
        assert!(at(Family::Mail, Duration::hours(110)));
        assert!(!at(Family::Mail, Duration::hours(114)));
        assert!(at(Family::Http, Duration::hours(21)));
        assert!(!at(Family::Http, Duration::hours(23)));
    }

    fn any_trouble() -> impl Strategy<Value = Trouble> {
        prop_oneof![
            Just(Trouble::Unreachable),
            Just(PUT_OFF),
            (-10i64..10_000).prop_map(|s| Trouble::PutOff {
                retry_after: Some(Duration::seconds(s))
            }),
        ]
    }

    fn any_family() -> impl Strategy<Value = Family> {
        prop_oneof![
            Just(Family::Mail),
            Just(Family::MailApi),
            Just(Family::Http),
            Just(Family::Webhook)
        ]
    }

    proptest! {
        #[test]
        fn waits_never_shrink(trouble in any_trouble(), family in any_family(), n in 0u32..100) {
            prop_assert!(family.wait(trouble, n) <= family.wait(trouble, n + 1));
        }

        #[test]
        fn waits_are_bounded_and_repeatable(
            trouble in any_trouble(), family in any_family(), attempts in any::<u32>(),
            deferrals in prop_oneof![0u32..12, any::<u32>()], id in any::<u128>(), hours in 0i64..20,
        ) {
            let tries = tries(attempts, deferrals);
            let id = Uuid::from_u128(id);
            let ago = Duration::hours(hours);
            let now = NOW + ago;
            let at = retry_at(family, trouble, &tries, id, now);
            prop_assert_eq!(at, retry_at(family, trouble, &tries, id, now));
            let deferrals = family.counted(deferrals, ago);
            let Some(at) = at else {
                prop_assert!(family.deferrals_max().is_some_and(|max| deferrals >= max));
                return Ok(());
            };
            let waited = at - now;
            let base = family.wait(trouble, deferrals);
            prop_assert!(waited >= base * 8 / 10 && waited <= base * 12 / 10);
            prop_assert!(waited >= family.wait_min(trouble) && waited <= family.wait_max());
            if family == Family::Mail && matches!(trouble, Trouble::PutOff { .. }) {
                prop_assert!(waited >= Duration::minutes(30));
            }
        }

        #[test]
        fn no_retry_lies_beyond_the_end(hours in 0i64..200, family in any_family(), n in 0u32..20) {
            let now = NOW + Duration::hours(hours);
            if let Some(at) = retry_at(family, PUT_OFF, &tries(n, n), Uuid::nil(), now) {
                prop_assert!(at <= NOW + family.gives_up_after());
            }
        }

        #[test]
        fn an_abandoned_attempt_is_retried_soon(abandons in any::<u32>(), id in any::<u128>()) {
            let tries = Tries { abandons, ..tries(1, 0) };
            let waited = |wait_min| after_abandoned(&tries, Uuid::from_u128(id), NOW, wait_min) - NOW;
            let soon = waited(Duration::ZERO);
            prop_assert!(soon >= Duration::milliseconds(800) && soon <= Duration::minutes(6));
            let held = waited(Duration::hours(1));
            prop_assert!(held >= Duration::hours(1) && held <= Duration::minutes(90));
        }
    }
}
