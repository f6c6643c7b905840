//! What somebody wants of a publication.

use time::OffsetDateTime;

use super::{Accounting, Aim, Audience, Content, Picked, Plan, Retry, SegmentList};
use crate::schedule::CivilTime;
use crate::value::{ChannelIds, Code};

/// What somebody wants of a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// An editor begins.
    Draft {
        /// What goes out.
        content: Content,
        /// Where it goes.
        channel_ids: ChannelIds,
        /// To whom.
        aim: Aim,
    },
    /// An editor rewrites the whole draft.
    Revise {
        /// What goes out.
        content: Content,
        /// Where it goes.
        channel_ids: ChannelIds,
        /// To whom.
        aim: Aim,
        /// Lists of segments that they say nothing about, which are empty in `aim`.
        unsaid: Vec<SegmentList>,
    },
    /// An editor fixes the content and sends it off, whether it is scheduled or not.
    Publish,
    /// An editor has it go out by itself.
    Schedule {
        /// When.
        time: CivilTime,
        /// The time it is.
        now: OffsetDateTime,
    },
    /// An editor makes it a draft again.
    Unschedule,
    /// The time of a schedule may have come.
    Fire {
        /// Stream version of the event that scheduled it.
        schedule_version: i32,
        /// The time it is.
        now: OffsetDateTime,
        /// Whether the log was put back to an earlier state since it was scheduled: what that has lost may have sent it,
        /// or taken it back.
        restored_since: bool,
    },
    /// An editor stops it for now.
    Pause {
        /// Why, as a code.
        reason: Code,
    },
    /// An editor lets it go on.
    Resume,
    /// An editor has deliveries tried again.
    RequestRetry(Retry),
    /// A retry was put into effect.
    CompleteRetry {
        /// Stream version of the request.
        version: i32,
    },
    /// The receivers were read.
    Freeze {
        /// Who they are.
        audience: Audience,
        /// What segments have said, if they have a say.
        picked: Option<Picked>,
    },
    /// Planning has ended.
    CompletePlan(Plan),
    /// An editor takes it back.
    Cancel {
        /// Why, as a code.
        reason: Code,
    },
    /// Every delivery is settled.
    Complete {
        /// The counts, taken from the deliveries.
        totals: Accounting,
    },
}
