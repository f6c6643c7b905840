//! What happened to a publication.

use time::OffsetDateTime;

use super::{Accounting, Aim, Audience, Content, MissedReason, Picked, Plan, Retry};
use crate::schedule::CivilTime;
use crate::value::{ChannelIds, Code};

/// What happened to a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The first draft.
    Drafted {
        /// What goes out.
        content: Content,
        /// Where it goes.
        channel_ids: ChannelIds,
        /// To whom.
        aim: Aim,
    },
    /// A new draft instead of the old one.
    Revised {
        /// What goes out.
        content: Content,
        /// Where it goes.
        channel_ids: ChannelIds,
        /// To whom.
        aim: Aim,
    },
    /// The content is fixed.
    Published {
        /// Stream version of the event whose content goes out.
        content_version: i32,
    },
    /// It goes out by itself.
    Scheduled {
        /// When.
        time: CivilTime,
        /// The instant that was when it was scheduled.
        at: OffsetDateTime,
    },
    /// It is a draft again.
    Unscheduled,
    /// It did not go out at its time and is a draft again.
    ScheduleMissed {
        /// Stream version of the event that scheduled it.
        schedule_version: i32,
        /// Why.
        reason: MissedReason,
    },
    /// Nothing goes out for now.
    Paused {
        /// Why, as a code.
        reason: Code,
    },
    /// It goes on.
    Resumed,
    /// Deliveries are to be tried again.
    RetryRequested(Retry),
    /// They wait for their next attempt.
    RetryCompleted {
        /// Stream version of the request.
        version: i32,
    },
    /// The receivers are fixed.
    AudienceFrozen {
        /// Who they are.
        audience: Audience,
        /// What segments have said, if they have a say.
        picked: Option<Picked>,
    },
    /// Planning has ended.
    PlanCompleted(Plan),
    /// Nothing more goes out.
    Cancelled {
        /// Why, as a code.
        reason: Code,
    },
    /// Every delivery is settled.
    Completed(Accounting),
}
