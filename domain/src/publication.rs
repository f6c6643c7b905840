//! A publication: what an editor wrote, from draft to the last settled delivery.

mod codec;
mod command;
mod decide;
mod event;
mod evolve;
mod picked;
mod refusal;
#[cfg(test)]
mod tests;

use sha2::{Digest as _, Sha256};
use time::Duration;
use uuid::Uuid;

use crate::aggregate::{Aggregate, CodecError};
use crate::personal::{Open, Personal, Seal};
use crate::schedule::CivilTime;
use crate::segment::Condition;
use crate::value::{
    ChannelIds, Code, Html, Markdown, PageUrl, SegmentIds, Title, TopicIds, code_enum,
};

pub use command::Command;
pub use event::Event;
pub use picked::{AskedSegment, Picked, Picking};
pub use refusal::Refusal;

/// What goes out, under the publication's own key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Subject of a mail, headline of a message.
    pub title: Personal<Title>,
    /// The one source every channel renders.
    pub source: Personal<Source>,
    /// Where it can be read whole on the web; none: nowhere that its editor names.
    pub url: Option<Personal<PageUrl>>,
}

/// A text as its editor wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In Markdown.
    Markdown(Markdown),
    /// As a page.
    Html(Html),
}

impl From<Markdown> for Source {
    fn from(text: Markdown) -> Self {
        Self::Markdown(text)
    }
}

impl From<Html> for Source {
    fn from(page: Html) -> Self {
        Self::Html(page)
    }
}

impl Content {
    /// Content that is known.
    pub fn new(title: Title, source: impl Into<Source>) -> Self {
        Self {
            title: Personal::Known(title),
            source: Personal::Known(source.into()),
            url: None,
        }
    }

    /// The same, which can be read whole there.
    #[must_use]
    pub fn at(self, url: Option<PageUrl>) -> Self {
        Self {
            url: url.map(Personal::Known),
            ..self
        }
    }
}

code_enum! {
    /// How soon a publication's readers are to have it.
    Priority {
        /// When they want to have it:
        Ordinary = "ordinary",
        /// At once, whatever day they have chosen; but not in their quiet hours:
        Urgent = "urgent",
    }
}

impl Priority {
    /// The priority of its deliveries: greater goes first.
    pub fn of_deliveries(self) -> i32 {
        match self {
            Self::Ordinary => 0,
            Self::Urgent => 10,
        }
    }
}

/// Whom a publication is for, and how soon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aim {
    /// What it is about: it goes to whoever wants at least one of these; none: to everybody.
    pub topic_ids: TopicIds,
    /// Of those who get it otherwise, only whom any of these picks; none: everybody.
    pub segment_ids: SegmentIds,
    /// Nobody whom any of these picks.
    pub excluded_segment_ids: SegmentIds,
    /// How soon.
    pub priority: Priority,
}

impl Aim {
    /// Values that its segments compare with together, at most: any one segment has room.
    pub const VALUES_MAX: usize = Condition::COUNT_MAX * Condition::VALUES_MAX;

    /// Whether segments have a say in who gets it.
    pub fn is_by_segments(&self) -> bool {
        self.segments().next().is_some()
    }

    /// The segments that have a say, those that pick first.
    pub fn segments(&self) -> impl Iterator<Item = Uuid> + '_ {
        let [picking, excluding] = [&self.segment_ids, &self.excluded_segment_ids];
        picking
            .as_slice()
            .iter()
            .chain(excluding.as_slice())
            .copied()
    }
}

/// A list of segments that a draft names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentList {
    /// Those that pick.
    Picking,
    /// Those that exclude.
    Excluding,
}

impl Default for Aim {
    /// Everybody, when they want to have it.
    fn default() -> Self {
        Self {
            topic_ids: TopicIds::default(),
            segment_ids: SegmentIds::default(),
            excluded_segment_ids: SegmentIds::default(),
            priority: Priority::Ordinary,
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
    /// To whom.
    pub aim: Aim,
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

impl Audience {
    /// The digest of these subscribers, ascending by id.
    pub fn digest_of(subscribers: &[Uuid]) -> [u8; 32] {
        let mut digest = Sha256::new();
        subscribers.iter().for_each(|id| digest.update(id));
        digest.finalize().into()
    }

    /// Whether it is these subscribers, ascending by id.
    pub fn is_of(&self, subscribers: &[Uuid]) -> bool {
        self.subscribers == subscribers.len() as u64 && self.digest == Self::digest_of(subscribers)
    }
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
        /// It may have gone out, or been taken back, in what the log has lost:
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

    fn min_reader(event: &Event) -> u32 {
        codec::min_reader(event)
    }

    fn encode(event: &Event, seal: &dyn Seal) -> tidings_proto::Event {
        codec::encode(event, seal)
    }

    fn decode(event: &tidings_proto::Event, open: &dyn Open) -> Result<Event, CodecError> {
        codec::decode(event, open)
    }
}
