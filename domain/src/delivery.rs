//! A delivery: one message to one receiver. Every attempt is on record before any byte goes out,
//! and every planned delivery is in exactly one accounting class at any time.

mod cause;
mod codec;
mod command;
mod decide;
mod event;
mod evolve;
mod feedback;
pub mod retry;
#[cfg(test)]
mod tests;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::aggregate::{Aggregate, CodecError};
use crate::personal::{Open, Seal};
use crate::value::{Code, code_enum};

pub use cause::{Cause, Purpose};
pub use codec::is_report;
pub use command::{Command, DoubtPolicy, Permit, Receiver, Reply};
pub use event::Event;
pub use feedback::{
    BounceClass, BounceReason, ComplaintKind, EnhancedStatus, Feedback, FeedbackSource, HEARD_MAX,
    Heard, report_digest,
};

/// Why an attempt was abandoned whose receiver wants the message at another time. It is nobody's trouble: it does not count
/// towards giving the delivery up.
pub const WANTED_LATER: &str = "preferences";

/// What is to be delivered, to whom, when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What asked for it.
    pub cause: Cause,
    /// Stream version of the cause's event whose content goes out.
    pub content_version: i32,
    /// The way out.
    pub channel_id: Uuid,
    /// The receiver; none for a broadcast delivery.
    pub subscriber_id: Option<Uuid>,
    /// Not before.
    pub due_at: OffsetDateTime,
    /// Greater goes first; 0 is ordinary.
    pub priority: i32,
}

impl Plan {
    /// Whose it is: the subscriber, or the channel for a broadcast. Under their key the receiving side's words are sealed.
    pub fn owner(&self) -> Uuid {
        self.subscriber_id.unwrap_or(self.channel_id)
    }
}

/// What was tried so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tries {
    /// Number of the latest attempt; 0: none.
    pub attempts: u32,
    /// Attempts the receiving side put off, and resends of doubtful ones.
    pub deferrals: u32,
    /// Attempts abandoned since the last one that reached the receiving side.
    pub abandons: u32,
    /// Attempts abandoned since it was planned or reopened.
    pub abandons_in_all: u32,
    /// The deadline of the first attempt: give-up rules count from here.
    pub since: Option<OffsetDateTime>,
    /// Attempts nobody knows the outcome of, oldest first.
    pub doubtful: Vec<u32>,
    /// What the receiving side said afterwards, oldest first; at most [`HEARD_MAX`] of what is grave, and of what is not.
    pub heard: Vec<Heard>,
}

/// State of a `delivery` stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// There is no such delivery.
    #[default]
    Unplanned,
    /// Waiting for its next attempt.
    Pending {
        /// What is to be delivered.
        plan: Plan,
        /// What was tried.
        tries: Tries,
        /// When the next attempt may be made.
        due_at: OffsetDateTime,
    },
    /// An attempt is open; its number is `tries.attempts`.
    Attempting {
        /// What is being delivered.
        plan: Plan,
        /// What was tried, this attempt included.
        tries: Tries,
        /// The process that attempts it.
        instance: Uuid,
        /// Without an outcome by then the attempt is in doubt.
        deadline: OffsetDateTime,
    },
    /// Its class is decided. Only a late word on an attempt in doubt can still move it.
    Settled {
        /// What was to be delivered.
        plan: Plan,
        /// What was tried.
        tries: Tries,
        /// How it ended.
        outcome: Outcome,
    },
}

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiving side took it.
    Sent {
        /// By which attempt.
        attempt: u32,
    },
    /// Given up.
    Failed {
        /// At which attempt; 0: before any.
        attempt: u32,
        /// Why.
        reason: Code,
    },
    /// The receiver must not get it.
    Suppressed(SuppressedReason),
    /// Nobody wants it sent any more.
    Cancelled(CancelledReason),
    /// Nobody knows whether the receiver has it, and it is not tried again.
    InDoubt {
        /// Which attempt.
        attempt: u32,
    },
}

code_enum! {
    /// Where a planned delivery stands in the accounting.
    AccountingClass {
        /// Not settled, also while attempted:
        Pending = "pending",
        /// Taken by the receiving side:
        Sent = "sent",
        /// Given up:
        Failed = "failed",
        /// The receiver must not get it:
        Suppressed = "suppressed",
        /// Cancelled:
        Cancelled = "cancelled",
        /// Held, nobody knows:
        InDoubt = "in_doubt",
    }
}

code_enum! {
    /// Why the receiver must not get it.
    SuppressedReason {
        /// They left:
        Unsubscribed = "unsubscribed",
        /// They have not confirmed:
        NotConfirmed = "not_confirmed",
        /// Nothing may be sent to the address:
        AddressSuppressed = "address_suppressed",
        /// Nothing may be sent to the domain:
        DomainSuppressed = "domain_suppressed",
        /// Their data is gone:
        Erased = "erased",
        /// They want none of the topics it is about:
        TopicLeft = "topic_left",
        /// They want nothing by this channel:
        ChannelLeft = "channel_left",
        /// They have had as much as they want at the most, for as long as it has waited:
        FrequencyCap = "frequency_cap",
    }
}

code_enum! {
    /// Why nobody wants it sent any more.
    CancelledReason {
        /// The publication was cancelled:
        PublicationCancelled = "publication_cancelled",
    }
}

code_enum! {
    /// How an attempt came in doubt.
    DoubtReason {
        /// The connection broke after the receiver was committed:
        ConnectionLost = "connection_lost",
        /// An answer came that means neither yes nor no:
        UnexpectedReply = "unexpected_reply",
        /// No answer came:
        ReplyTimeout = "reply_timeout",
        /// The process that attempted it is gone:
        ProcessDied = "process_died",
        /// The attempt's deadline passed:
        DeadlinePassed = "deadline_passed",
        /// The attempt was open in the log that was put back, or was made in what that has lost:
        Restored = "restored",
    }
}

impl Outcome {
    /// Where it stands in the accounting.
    pub fn class(&self) -> AccountingClass {
        match self {
            Self::Sent { .. } => AccountingClass::Sent,
            Self::Failed { .. } => AccountingClass::Failed,
            Self::Suppressed(_) => AccountingClass::Suppressed,
            Self::Cancelled(_) => AccountingClass::Cancelled,
            Self::InDoubt { .. } => AccountingClass::InDoubt,
        }
    }
}

impl Delivery {
    /// Where it stands in the accounting; none while unplanned.
    pub fn accounting_class(&self) -> Option<AccountingClass> {
        match self {
            Self::Unplanned => None,
            Self::Pending { .. } | Self::Attempting { .. } => Some(AccountingClass::Pending),
            Self::Settled { outcome, .. } => Some(outcome.class()),
        }
    }

    /// What is to be delivered, once planned.
    pub fn plan(&self) -> Option<&Plan> {
        match self {
            Self::Unplanned => None,
            Self::Pending { plan, .. }
            | Self::Attempting { plan, .. }
            | Self::Settled { plan, .. } => Some(plan),
        }
    }

    /// What was tried, once planned.
    pub fn tries(&self) -> Option<&Tries> {
        match self {
            Self::Unplanned => None,
            Self::Pending { tries, .. }
            | Self::Attempting { tries, .. }
            | Self::Settled { tries, .. } => Some(tries),
        }
    }
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such stream.
    #[error("there is no such delivery")]
    NotFound,
    /// An attempt, suppression or cancellation while an attempt is open.
    #[error("attempt {attempt} of the delivery is under way")]
    UnderWay {
        /// The open attempt.
        attempt: u32,
    },
    /// Its class is decided.
    #[error("the delivery is settled: {class}")]
    AlreadySettled {
        /// How.
        class: AccountingClass,
    },
    /// Attempted too early.
    #[error("the delivery is not due before {due_at}")]
    NotDue {
        /// When it is due.
        due_at: OffsetDateTime,
    },
    /// Something is said of a message that never left.
    #[error("the delivery was never attempted")]
    NeverAttempted,
    /// As much has been said of it as is taken.
    #[error(
        "of the delivery {HEARD_MAX} reports as grave as this one are on record, and no more are taken"
    )]
    HeardEnough,
    /// An attempt that would be in doubt from the start.
    #[error("the attempt's deadline {deadline} has passed already")]
    DeadlineInThePast {
        /// The deadline.
        deadline: OffsetDateTime,
    },
    /// An attempt called overdue that is not.
    #[error("the attempt has until {deadline}")]
    DeadlineAhead {
        /// The deadline.
        deadline: OffsetDateTime,
    },
    /// An outcome of an attempt that is closed or was never made.
    #[error(
        "the outcome is one of attempt {attempt}, but the latest is {latest} and that one is not open to it"
    )]
    StaleAttempt {
        /// The attempt the outcome names.
        attempt: u32,
        /// The latest attempt.
        latest: u32,
    },
}

impl Aggregate for Delivery {
    const NOUN: &'static str = "delivery";
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
