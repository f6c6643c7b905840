//! What somebody wants of a delivery, and what has to be known for it.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::retry::{Family, Trouble};
use super::{
    CancelledReason, DoubtReason, Feedback, FeedbackSource, Plan, Purpose, SuppressedReason,
};
use crate::personal::Personal;
use crate::subscriber::Standing;
use crate::value::{Code, cut};

/// Everything that could forbid an attempt, as of the versions the commit is guarded on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    /// Whether the cause still wants it sent ([`crate::publication::Publication::may_send`]).
    pub cause_may_send: bool,
    /// What the message is for.
    pub purpose: Purpose,
    /// What speaks for or against the receiver.
    pub receiver: Receiver,
    /// Version of the channel's stream.
    pub channel_version: i32,
    /// Whether it was put off for the channel, which has been said to work since: then it need not wait for its own time.
    pub waits_no_longer: bool,
}

/// What speaks for or against a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// The destination of a broadcast channel: nobody who could have left.
    Broadcast,
    /// A subscriber.
    Addressed {
        /// Whether they may get mail.
        standing: Standing,
        /// Version of the subscriber's stream.
        subscriber_version: i32,
        /// Whether nothing may be sent to the address, for what the message is for ([`Suppression::forbids`]).
        ///
        /// [`Suppression::forbids`]: crate::suppression::Suppression::forbids
        address_suppressed: bool,
        /// Whether nothing may be sent to the address's domain.
        domain_suppressed: bool,
        /// Whether they left every topic it is about, or never asked for any.
        topic_left: bool,
        /// Whether they left the channel it goes by.
        channel_left: bool,
        /// Whether it has waited in vain for room below their frequency cap
        /// ([`Preferences::room`](crate::preferences::Preferences::room)).
        over_cap: bool,
    },
}

impl Receiver {
    /// Why the receiver must not get a message for this purpose, if so.
    pub fn forbids(&self, purpose: Purpose) -> Option<SuppressedReason> {
        let Self::Addressed {
            standing,
            address_suppressed,
            domain_suppressed,
            topic_left,
            channel_left,
            over_cap,
            ..
        } = *self
        else {
            return None;
        };
        match (standing, purpose) {
            (Standing::Erased, Purpose::Mail | Purpose::AskForConsent | Purpose::OwnData) => {
                Some(SuppressedReason::Erased)
            }
            (Standing::Unsubscribed, Purpose::Mail) => Some(SuppressedReason::Unsubscribed),
            (Standing::Pending, Purpose::Mail | Purpose::OwnData) => {
                Some(SuppressedReason::NotConfirmed)
            }
            (_, Purpose::Mail | Purpose::AskForConsent | Purpose::OwnData)
                if address_suppressed =>
            {
                Some(SuppressedReason::AddressSuppressed)
            }
            (_, Purpose::Mail | Purpose::AskForConsent | Purpose::OwnData) if domain_suppressed => {
                Some(SuppressedReason::DomainSuppressed)
            }
            (_, Purpose::Mail) if topic_left => Some(SuppressedReason::TopicLeft),
            (_, Purpose::Mail) if channel_left => Some(SuppressedReason::ChannelLeft),
            (_, Purpose::Mail) if over_cap => Some(SuppressedReason::FrequencyCap),
            (
                Standing::Active | Standing::Pending | Standing::Unsubscribed,
                Purpose::AskForConsent,
            )
            | (Standing::Active | Standing::Unsubscribed, Purpose::OwnData)
            | (Standing::Active, Purpose::Mail) => None,
        }
    }

    /// It has waited in vain for room below their frequency cap.
    pub fn forbid_over_cap(&mut self) {
        if let Self::Addressed { over_cap, .. } = self {
            *over_cap = true;
        }
    }

    pub(super) fn version(&self) -> i32 {
        match *self {
            Self::Broadcast => 0,
            Self::Addressed {
                subscriber_version, ..
            } => subscriber_version,
        }
    }
}

/// What the receiving side answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The text; absent when there was none.
    pub text: Option<Personal<String>>,
    /// SMTP reply code or HTTP status; absent when there was none.
    pub code: Option<u16>,
}

impl Reply {
    /// The most characters that are kept of a reply.
    pub const TEXT_CHARS_MAX: usize = 1_000;

    /// A reply with a code and, where there was one, a text, cut to [`Self::TEXT_CHARS_MAX`].
    pub fn new(code: u16, text: Option<&str>) -> Self {
        Self {
            text: text.map(|text| Personal::Known(cut(text, Self::TEXT_CHARS_MAX).to_owned())),
            code: Some(code).filter(|code| *code != 0),
        }
    }

    /// There was no reply.
    pub fn none() -> Self {
        Self::default()
    }
}

/// What to do about an attempt in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoubtPolicy {
    /// Rather nothing than twice: leave it in doubt.
    Hold,
    /// Rather twice than nothing: send it once more, then hold.
    ResendOnce,
}

/// What somebody wants of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// It is to be delivered.
    Plan(Plan),
    /// A process is about to attempt it.
    Attempt {
        /// The process.
        instance: Uuid,
        /// The time it is.
        now: OffsetDateTime,
        /// Without an outcome by then the attempt is in doubt.
        deadline: OffsetDateTime,
        /// What could forbid it.
        permit: Permit,
    },
    /// The receiving side took it.
    RecordSent {
        /// The attempt this is the outcome of.
        attempt: u32,
        /// The answer.
        reply: Reply,
        /// The receiving side's id of the message.
        provider_message_id: Option<String>,
    },
    /// The receiving side did not take it this time, or was not there.
    RecordDeferred {
        /// The delivery's own stream id: spreads retries of many deliveries.
        delivery_id: Uuid,
        /// The attempt this is the outcome of.
        attempt: u32,
        /// Why.
        reason: Code,
        /// The answer.
        reply: Reply,
        /// The time it is.
        now: OffsetDateTime,
        /// Whose retry rules apply.
        family: Family,
        /// What kind of trouble it was.
        trouble: Trouble,
    },
    /// The receiving side will never take it.
    RecordFailed {
        /// The attempt this is the outcome of.
        attempt: u32,
        /// Why.
        reason: Code,
        /// The answer.
        reply: Reply,
    },
    /// The message can not be made.
    FailToRender {
        /// Why.
        reason: Code,
    },
    /// The attempt ended before any byte that commits the receiver went out.
    Abandon {
        /// The delivery's own stream id: spreads retries of many deliveries.
        delivery_id: Uuid,
        /// The attempt.
        attempt: u32,
        /// Why.
        reason: Code,
        /// The time it is.
        now: OffsetDateTime,
        /// At least so long, and up to half as long again: for one that others wait with.
        wait_min: Duration,
    },
    /// The attempt was not made after all: its receiver wants it at another time.
    PutOff {
        /// The attempt.
        attempt: u32,
        /// Why.
        reason: Code,
        /// When they want it.
        until: OffsetDateTime,
    },
    /// Nobody knows how the attempt ended.
    Doubt {
        /// The attempt.
        attempt: u32,
        /// How that came.
        reason: DoubtReason,
        /// The time it is.
        now: OffsetDateTime,
        /// What to do about it.
        policy: DoubtPolicy,
    },
    /// It was attempted in what the log has lost, and nobody knows how that ended.
    DoubtUnrecorded {
        /// Its number there.
        attempt: u32,
        /// When the delivery was planned: the date its message bears.
        planned_at: OffsetDateTime,
        /// The process that attempted it.
        instance: Uuid,
        /// The deadline it had.
        deadline: OffsetDateTime,
        /// Version of the subscriber's stream the permission was judged at; 0 for a broadcast.
        subscriber_version: i32,
        /// Version of the channel's stream.
        channel_version: i32,
    },
    /// Somebody wants it tried again although it failed, or although nobody knows.
    Reopen {
        /// Not before.
        due_at: OffsetDateTime,
        /// When it was planned: the date the message bears.
        planned_at: OffsetDateTime,
    },
    /// The receiving side says something afterwards.
    Report {
        /// Of which attempt; none: not known.
        attempt: Option<u32>,
        /// What.
        feedback: Feedback,
        /// When that happened, as they say.
        reported_at: OffsetDateTime,
        /// Keyed digest of what they call this report.
        digest: [u8; 32],
        /// Who says so.
        source: FeedbackSource,
    },
    /// The receiver must not get it.
    Suppress {
        /// Why.
        reason: SuppressedReason,
    },
    /// Nobody wants it sent any more.
    Cancel {
        /// Why.
        reason: CancelledReason,
    },
}
