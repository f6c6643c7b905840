//! Looks at one subscriber's data: who saw what, and who took it along; and what the platform itself wrote to them. The stream is apart from the subscriber's, so
//! that a look moves no version that an attempt is guarded on.

mod codec;
mod decide;
mod evolve;
mod own_data;
#[cfg(test)]
mod tests;

use tidings_proto::EventMessage as _;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::aggregate::{Aggregate, CodecError};
use crate::delivery::Purpose;
use crate::personal::{Open, Personal, Seal};
use crate::subscriber::Consent;
use crate::value::{Code, Evidence, LookReason, code_enum};

pub use own_data::{LinkRefusal, Moves, NotTheirs, theirs};

/// State of an `access` stream. Every look is recorded, however often it is repeated; notices are not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// How often somebody looked.
    pub views: u64,
    /// How often it was all written to a file.
    pub exports: u64,
    /// The deliveries by whose links that was, oldest first.
    pub by_link: Vec<Uuid>,
    /// What the platform wrote, oldest first.
    pub notices: Vec<Notice>,
}

impl Access {
    /// The types of the events that say what the platform wrote.
    pub const NOTICES: &[&str] = &[tidings_proto::access::NoticeIssued::TYPE];
    /// The types of the events that say whether a link to somebody's data still works.
    pub const LINKS: &[&str] = &[
        tidings_proto::access::NoticeIssued::TYPE,
        tidings_proto::access::Exported::TYPE,
    ];

    /// The notice that a delivery carries.
    pub fn notice(&self, delivery_id: Uuid) -> Option<&Notice> {
        let carried = |notice: &&Notice| notice.delivery_id == delivery_id;
        self.notices.iter().find(carried)
    }
}

/// A notice that was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it says: [`NoticeKind`], or one that a later build knows.
    pub kind: Code,
    /// The delivery that carries it.
    pub delivery_id: Uuid,
    /// When.
    pub issued_at: OffsetDateTime,
    /// How often the subscriber had left everything by then.
    pub departures: u32,
    /// What they are asked to agree to, where no sign-up in the same commit says it.
    pub consent: Option<Consent>,
}

code_enum! {
    /// What the platform itself writes.
    NoticeKind {
        /// Whether they want to be subscribed.
        ConfirmSignUp = "confirm_sign_up",
        /// That what they get was changed, or that they get something again: on the page behind a link that others may have too, or
        /// through the API.
        PreferencesChanged = "preferences_changed",
        /// The link to all that is held about them, which somebody with a mail of theirs asked for.
        OwnData = "own_data",
    }
}

impl NoticeKind {
    /// So many are issued to one subscriber within each of these times, whoever asks: nobody can have somebody else flooded.
    pub fn at_most(self) -> &'static [(usize, Duration)] {
        const A_MONTH: Duration = Duration::days(30);
        match self {
            Self::ConfirmSignUp | Self::PreferencesChanged => &[(3, Duration::DAY)],
            Self::OwnData => &[(2, Duration::DAY), (4, A_MONTH)],
        }
    }

    /// What it is for.
    pub fn purpose(self) -> Purpose {
        match self {
            Self::ConfirmSignUp => Purpose::AskForConsent,
            Self::PreferencesChanged => Purpose::Mail,
            Self::OwnData => Purpose::OwnData,
        }
    }
}

code_enum! {
    /// What is looked at.
    View {
        /// What the subscriber's profile holds.
        Profile = "profile",
        /// Who has an address.
        Search = "search",
        /// All that happened to them.
        Timeline = "timeline",
        /// Who they are and what they chose, in a file of many.
        BulkExport = "bulk_export",
    }
}

code_enum! {
    /// What kind of file is handed out.
    Format {
        /// `tidings.export.v1`.
        Zip = "zip",
    }
}

code_enum! {
    /// How an export is asked for.
    Method {
        /// An officer asks, by the program's verb too.
        Api = "api",
        /// Whoever has the link of a mail that was sent for it.
        Link = "link",
    }
}

/// What somebody wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// To look.
    View {
        /// Whose data.
        subscriber_id: Uuid,
        /// At what.
        what: View,
        /// Why.
        reason: Option<LookReason>,
    },
    /// To take it all along.
    Export {
        /// Whose data.
        subscriber_id: Uuid,
        /// The file that is ready.
        file: File,
        /// Why.
        reason: Option<LookReason>,
    },
    /// To write to them; nothing is issued when it would be too many.
    Issue {
        /// To whom.
        subscriber_id: Uuid,
        /// What.
        kind: NoticeKind,
        /// The delivery that carries it.
        delivery_id: Uuid,
        /// The time it is.
        now: OffsetDateTime,
        /// How often they have left everything.
        departures: u32,
        /// What they are asked to agree to, where no sign-up in the same commit says it.
        consent: Option<Consent>,
        /// What the request looked like, where no sign-up in the same commit says it.
        evidence: Option<Evidence>,
    },
}

/// A file that is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// Its kind.
    pub format: Format,
    /// How it was asked for.
    pub method: Method,
    /// SHA-256 of it.
    pub digest: [u8; 32],
    /// How many events it tells of.
    pub events: u64,
    /// Up to which position of the log.
    pub through_position: i64,
    /// The delivery whose link it was asked for by, if it was.
    pub delivery_id: Option<Uuid>,
}

/// What was seen. Codes that a later build writes are taken as they are: nothing is decided by them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody looked.
    Viewed {
        /// Whose data.
        subscriber_id: Uuid,
        /// At what: [`View`].
        what: Code,
        /// Why.
        reason: Option<Personal<LookReason>>,
    },
    /// Somebody took it all along.
    Exported {
        /// Whose data.
        subscriber_id: Uuid,
        /// [`Format`]
        format: Code,
        /// [`Method`]
        method: Code,
        /// SHA-256 of the file.
        digest: [u8; 32],
        /// How many events the file tells of.
        events: u64,
        /// Up to which position of the log.
        through_position: i64,
        /// Why.
        reason: Option<Personal<LookReason>>,
        /// The delivery whose link it was asked for by, if it was.
        delivery_id: Option<Uuid>,
    },
    /// The platform wrote to them.
    NoticeIssued {
        /// Who is written to.
        subscriber_id: Uuid,
        /// What, by which delivery, and when.
        notice: Notice,
        /// What the request looked like.
        evidence: Option<Personal<Evidence>>,
    },
}

/// Nothing is refused: who may look is for the gate to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {}

impl Aggregate for Access {
    const NOUN: &'static str = "access";
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Refusal> {
        Ok(decide::decide(self, command))
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
