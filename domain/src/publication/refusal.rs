//! Why something can not be done with a publication.

use super::SegmentList;
use crate::schedule::CivilTime;

/// Why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such stream.
    #[error("there is no such publication")]
    NotFound,
    /// Drafted twice.
    #[error("the publication exists already; revise it instead of drafting it again")]
    AlreadyDrafted,
    /// Revised after publishing.
    #[error("only a draft can be revised; this one has left that stage and its content is fixed")]
    NotADraft,
    /// Revised without a word on lists of segments, of which the draft names some: it could go to more than before.
    #[error(
        "the draft names segments, and without a word on this list it could go to more than it does by now: list them again, or \
         give an empty list for none"
    )]
    SegmentsUnsaid {
        /// The lists that were left out.
        lists: Vec<SegmentList>,
    },
    /// Published twice.
    #[error("the publication is published already; nothing was sent twice")]
    AlreadyPublished,
    /// Cancelled twice.
    #[error("the publication is cancelled already")]
    AlreadyCancelled,
    /// Asked to go on after a cancellation.
    #[error("the publication is cancelled; draft a new one to send it after all")]
    Cancelled,
    /// Cancelled after the end.
    #[error("the publication is completed: every delivery is settled, nothing is left to cancel")]
    Completed,
    /// Scheduled at a time that is no instant, or has passed.
    #[error("{time} has passed; schedule it at a time to come, or publish it now")]
    TimePassed {
        /// The time that was wanted.
        time: CivilTime,
    },
    /// Scheduled in a zone whose rules nobody knows any more.
    #[error("{time} can not be turned into an instant: its time zone is not known to this version")]
    UnknownZone {
        /// The time that was wanted.
        time: CivilTime,
    },
    /// Unscheduled without a schedule.
    #[error("the publication is not scheduled")]
    NotScheduled,
    /// Paused before it is published.
    #[error(
        "the publication is scheduled, nothing is sent yet; unschedule it instead of pausing it"
    )]
    OnlyScheduled,
    /// Paused or resumed in a stage where nothing goes out.
    #[error("the publication is not on its way: nothing is sent, and nothing can be paused")]
    NotUnderWay,
    /// Paused or resumed when everything is settled.
    #[error(
        "the publication is completed: nothing of it waits, so nothing can be paused or resumed"
    )]
    AllSettled,
    /// Resumed without a pause.
    #[error("the publication is not paused")]
    NotPaused,
    /// Tried again before it was sent.
    #[error("the publication was not sent yet: nothing can be tried again")]
    NothingSent,
    /// Tried again while its deliveries are planned.
    #[error("its deliveries are still being planned; ask again when that has ended")]
    StillPlanning,
    /// Tried again before the last retry was put into effect.
    #[error("deliveries of the publication are being reopened already; ask again in a moment")]
    RetryUnderWay,
    /// Frozen before publishing.
    #[error("the publication is not published yet")]
    NotPublished,
    /// Frozen otherwise than by its segments.
    #[error("the audience is not whom all the segments of the publication have picked")]
    PickedOtherwise,
    /// Planned before freezing.
    #[error("the publication's audience is not frozen yet")]
    NotFrozen,
    /// Completed before planning ended.
    #[error("the publication's deliveries are not all planned yet")]
    NotPlanned,
    /// A plan that is not the frozen audience's.
    #[error(
        "{planned} deliveries planned and {not_planned} not planned are not the {frozen} of the frozen audience"
    )]
    PlanMismatch {
        /// Deliveries planned.
        planned: u64,
        /// Deliveries left out.
        not_planned: u64,
        /// Deliveries of the frozen audience.
        frozen: u64,
    },
    /// Totals that do not add up.
    #[error(
        "{settled} settled and {not_planned} not planned deliveries are not the {planned} planned and {left_out} left out"
    )]
    TotalsMismatch {
        /// Deliveries settled, by the totals.
        settled: u64,
        /// Deliveries left unplanned, by the totals.
        not_planned: u64,
        /// Deliveries planned, by the plan.
        planned: u64,
        /// Deliveries left unplanned, by the plan.
        left_out: u64,
    },
}
