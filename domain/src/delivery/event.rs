//! What happened to a delivery.

use time::OffsetDateTime;
use uuid::Uuid;

use super::{CancelledReason, DoubtReason, Feedback, Plan, Reply, SuppressedReason};
use crate::value::Code;

/// What happened to a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It is to be delivered.
    Planned(Plan),
    /// An attempt begins.
    Attempted {
        /// 1, 2, 3, …
        attempt: u32,
        /// The process that attempts it.
        instance: Uuid,
        /// Without an outcome by then the attempt is in doubt.
        deadline: OffsetDateTime,
        /// Version of the subscriber's stream the permission was judged at; 0 for a broadcast.
        subscriber_version: i32,
        /// Version of the channel's stream.
        channel_version: i32,
    },
    /// The receiving side took it.
    Sent {
        /// By which attempt.
        attempt: u32,
        /// The answer.
        reply: Reply,
        /// The receiving side's id of the message.
        provider_message_id: Option<String>,
    },
    /// Not this time.
    Deferred {
        /// Which attempt.
        attempt: u32,
        /// Why.
        reason: Code,
        /// The answer.
        reply: Reply,
        /// When it is tried again.
        retry_at: OffsetDateTime,
        /// Nothing gets through the whole channel: that does not count when it comes to giving up.
        channel_down: bool,
    },
    /// Given up.
    Failed {
        /// At which attempt; 0: before any.
        attempt: u32,
        /// Why.
        reason: Code,
        /// The answer.
        reply: Reply,
    },
    /// The receiver must not get it.
    Suppressed {
        /// Why.
        reason: SuppressedReason,
    },
    /// Nobody wants it sent any more.
    Cancelled {
        /// Why.
        reason: CancelledReason,
    },
    /// The attempt ended before any byte that commits the receiver went out.
    Abandoned {
        /// Which attempt.
        attempt: u32,
        /// Why.
        reason: Code,
        /// When it is tried again.
        retry_at: OffsetDateTime,
    },
    /// Nobody knows how the attempt ended.
    InDoubt {
        /// Which attempt.
        attempt: u32,
        /// How that came.
        reason: DoubtReason,
        /// When it is sent again although the receiver may have it; none: held.
        retry_at: Option<OffsetDateTime>,
    },
    /// It failed or was held in doubt, and waits for another attempt after all.
    Reopened {
        /// As it was planned, but for the time it is due.
        plan: Plan,
        /// When it was planned: the date the message bears.
        planned_at: OffsetDateTime,
        /// Attempts made so far.
        attempts: u32,
    },
    /// The receiving side said something afterwards.
    Reported {
        /// Of which attempt; 0: not known.
        attempt: u32,
        /// What.
        feedback: Feedback,
        /// When that happened, as they say.
        reported_at: OffsetDateTime,
        /// Keyed digest of what they call this report.
        digest: [u8; 32],
        /// Who says so, a [`super::FeedbackSource`].
        source: Code,
    },
}
