//! A publication: what an editor wrote, from draft to the last settled delivery.

mod codec;
mod decide;
mod evolve;
#[cfg(test)]
mod tests;

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::aggregate::{Aggregate, CodecError};
use crate::personal::{Open, Personal, Seal};
use crate::schedule::CivilTime;
use crate::value::{ChannelIds, Code, Markdown, Title, code_enum};

/// What goes out, under the publication's own key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Subject of a mail, headline of a message.
    pub title: Personal<Title>,
    /// The one source every channel renders.
    pub markdown: Personal<Markdown>,
}

impl Content {
    /// Content that is known.
    pub fn new(title: Title, markdown: Markdown) -> Self {
        Self {
            title: Personal::Known(title),
            markdown: Personal::Known(markdown),
        }
    }
}

/// The content and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What goes out.
    pub content: Content,
    /// Where it goes.
    pub channel_ids: ChannelIds,
    /// Stream version of the event that wrote this content.
    pub content_version: i32,
}

/// Who receives it, as it was frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audience {
    /// The log position the audience was read at.
    pub view_position: i64,
    /// Subscribers in it.
    pub subscribers: u64,
    /// Deliveries to plan.
    pub deliveries: u64,
    /// SHA-256 over the subscriber ids in ascending order.
    pub digest: [u8; 32],
}

/// What became of the frozen audience's deliveries when planning ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Deliveries that were planned.
    pub planned: u64,
    /// Deliveries a cancellation left unplanned.
    pub not_planned: u64,
}

/// How many deliveries ended in which class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accounting {
    /// Accepted by the receiving side.
    pub sent: u64,
    /// Given up.
    pub failed: u64,
    /// The receiver must not get it.
    pub suppressed: u64,
    /// Cancelled before any attempt was open.
    pub cancelled: u64,
    /// Nobody knows; held.
    pub in_doubt: u64,
    /// Left unplanned by a cancellation.
    pub not_planned: u64,
}

impl Accounting {
    /// The planned deliveries that are settled.
    pub fn settled(&self) -> u64 {
        [
            self.sent,
            self.failed,
            self.suppressed,
            self.cancelled,
            self.in_doubt,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }
}

/// How late a schedule may fire: later than this nobody knows whether it is still wanted.
pub const MISFIRE_AFTER: Duration = Duration::hours(1);

/// Which deliveries are to be tried again: those of which every condition holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// The class they were in when it was asked for.
    pub class: RetriedClass,
    /// Those of one channel only.
    pub channel_id: Option<Uuid>,
    /// One delivery only.
    pub delivery_id: Option<Uuid>,
    /// Those that failed for one of these reasons only; none: for whatever reason.
    pub failed_reasons: Vec<Code>,
    /// Why they are tried again, as a code.
    pub reason: Code,
}

code_enum! {
    /// Why a scheduled publication did not go out.
    MissedReason {
        /// It was found too late:
        Late = "late",
        /// It may have gone out in what the log has lost:
        Restored = "restored",
    }
}

code_enum! {
    /// Which settled deliveries can be tried again.
    RetriedClass {
        /// Given up:
        Failed = "failed",
        /// Nobody knows; whoever has it already gets it twice:
        InDoubt = "in_doubt",
    }
}

/// A retry that was asked for and is not put into effect yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRetry {
    /// Stream version of the request.
    pub version: i32,
    /// What was asked for.
    pub retry: Retry,
}

/// Whether deliveries go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// They do.
    Now,
    /// It is paused: they wait.
    Later,
    /// They do not: it was never published, or is cancelled, or everything is settled.
    Never,
}

/// State of a `publication` stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publication {
    version: i32,
    stage: Stage,
    /// Why nothing goes out for now.
    paused: Option<Code>,
    retries: Vec<OpenRetry>,
}

/// How far a publication has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Stage {
    /// There is no such publication.
    #[default]
    Unknown,
    /// Being written.
    Draft(Draft),
    /// Goes out by itself; until then it can be revised.
    Scheduled {
        /// What will go out.
        draft: Draft,
        /// When.
        time: CivilTime,
        /// Stream version of the event that scheduled it so.
        schedule_version: i32,
    },
    /// Its content is fixed.
    Published(Draft),
    /// Its receivers are fixed.
    Frozen {
        /// What goes out.
        draft: Draft,
        /// To whom.
        audience: Audience,
    },
    /// Every delivery is planned.
    Planned {
        /// What goes out.
        draft: Draft,
        /// To whom.
        audience: Audience,
        /// What was planned of it.
        plan: Plan,
    },
    /// Nothing more goes out; what was planned is still being settled.
    Cancelled {
        /// What would have gone out.
        draft: Draft,
        /// Why not.
        reason: Code,
        /// To whom, when that was decided already.
        audience: Option<Audience>,
        /// What was planned of it, when planning has ended.
        plan: Option<Plan>,
    },
    /// Every delivery is settled.
    Completed {
        /// What went out.
        draft: Draft,
        /// To whom.
        audience: Audience,
        /// What was planned of it.
        plan: Plan,
        /// The counts as of completion.
        totals: Accounting,
        /// Why it was cancelled, if it was.
        cancelled: Option<Code>,
    },
}

impl Publication {
    /// How far it has come.
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// The stream's version: how many events were folded.
    pub fn version(&self) -> i32 {
        self.version
    }

    /// The content and where it goes, once drafted.
    pub fn draft(&self) -> Option<&Draft> {
        match &self.stage {
            Stage::Unknown => None,
            Stage::Draft(draft)
            | Stage::Scheduled { draft, .. }
            | Stage::Published(draft)
            | Stage::Frozen { draft, .. }
            | Stage::Planned { draft, .. }
            | Stage::Cancelled { draft, .. }
            | Stage::Completed { draft, .. } => Some(draft),
        }
    }

    /// The frozen audience, while deliveries of it may be open.
    pub fn audience(&self) -> Option<&Audience> {
        match &self.stage {
            Stage::Frozen { audience, .. } | Stage::Planned { audience, .. } => Some(audience),
            Stage::Cancelled { audience, .. } => audience.as_ref(),
            _ => None,
        }
    }

    /// Why nothing goes out for now, if it is paused.
    pub fn paused(&self) -> Option<&Code> {
        self.paused.as_ref()
    }

    /// Retries to put into effect, in the order they were asked for.
    pub fn retries(&self) -> &[OpenRetry] {
        &self.retries
    }

    /// Whether its deliveries go out.
    pub fn sending(&self) -> Sending {
        match self.stage {
            Stage::Published(_) | Stage::Frozen { .. } | Stage::Planned { .. } => {
                match self.paused {
                    None => Sending::Now,
                    Some(_) => Sending::Later,
                }
            }
            _ => Sending::Never,
        }
    }

    /// Whether an editor has taken it back.
    pub fn is_cancelled(&self) -> bool {
        matches!(
            self.stage,
            Stage::Cancelled { .. }
                | Stage::Completed {
                    cancelled: Some(_),
                    ..
                }
        )
    }
}

/// What somebody wants of a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// An editor begins.
    Draft {
        /// What goes out.
        content: Content,
        /// Where it goes.
        channel_ids: ChannelIds,
    },
    /// An editor rewrites the whole draft.
    Revise {
        /// What goes out.
        content: Content,
        /// Where it goes.
        channel_ids: ChannelIds,
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
        /// When the log was last put back to an earlier state, if ever.
        restored_at: Option<OffsetDateTime>,
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
    Freeze(Audience),
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

/// What happened to a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The first draft.
    Drafted {
        /// What goes out.
        content: Content,
        /// Where it goes.
        channel_ids: ChannelIds,
    },
    /// A new draft instead of the old one.
    Revised {
        /// What goes out.
        content: Content,
        /// Where it goes.
        channel_ids: ChannelIds,
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
    AudienceFrozen(Audience),
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
    /// Resumed without a pause.
    #[error("the publication is not paused")]
    NotPaused,
    /// Tried again before it was sent.
    #[error("the publication was not sent yet: nothing can be tried again")]
    NothingSent,
    /// Tried again before the last retry was put into effect.
    #[error("deliveries of the publication are being reopened already; ask again in a moment")]
    RetryUnderWay,
    /// Frozen before publishing.
    #[error("the publication is not published yet")]
    NotPublished,
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

impl Aggregate for Publication {
    const NOUN: &'static str = "publication";
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Refusal> {
        decide::decide(self, command)
    }

    fn evolve(self, event: &Event) -> Self {
        evolve::evolve(self, event)
    }

    fn event_type(event: &Event) -> &'static str {
        codec::event_type(event)
    }

    fn encode(event: &Event, seal: &dyn Seal) -> tidings_proto::Event {
        codec::encode(event, seal)
    }

    fn decode(event: &tidings_proto::Event, open: &dyn Open) -> Result<Event, CodecError> {
        codec::decode(event, open)
    }
}
