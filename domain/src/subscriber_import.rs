//! An import: a file of subscribers, worked off line by line, each chunk once.

mod codec;
mod decide;
mod evolve;
#[cfg(test)]
mod tests;

use uuid::Uuid;

use crate::aggregate::{Aggregate, CodecError};
use crate::personal::{Open, Personal, Seal};
use crate::value::Code;

/// How far an import has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Data records in the file.
    pub lines: u64,
    /// Records worked off.
    pub through: u64,
    /// Subscribers signed up.
    pub accepted: u64,
    /// Records that could not be used.
    pub rejected: u64,
    /// Records whose address already belonged to a subscriber.
    pub existing: u64,
    /// Records by which somebody gets no mail.
    pub suppressed: u64,
}

/// State of a `subscriber_import` stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SubscriberImport {
    /// There is no such import.
    #[default]
    Unknown,
    /// The file is being worked off.
    Running(Progress),
    /// The whole file is worked off.
    Completed(Progress),
}

impl SubscriberImport {
    /// How far it has come.
    pub fn progress(&self) -> Option<&Progress> {
        match self {
            Self::Unknown => None,
            Self::Running(progress) | Self::Completed(progress) => Some(progress),
        }
    }
}

/// A record that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Line in the file, from 1, header included.
    pub line: u64,
    /// Why: `invalid_email`, `duplicate_in_file`, `wrong_field_count`, …
    pub reason: Code,
    /// The record; absent when it names somebody who is a subscriber, or was erased, or when nobody can tell whom it names.
    pub record: Option<Personal<String>>,
    /// Ids of the `address` streams of the addresses that the record quotes.
    pub address_ids: Vec<Uuid>,
    /// What the header calls the column at fault, where it is one in particular.
    pub column: Option<Personal<String>>,
}

/// What said that nobody may write to somebody, and of how many it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SuppressedFor {
    /// What the header calls the column that said so; absent where the file as a whole does.
    pub column: Option<Personal<String>>,
    /// For what their addresses were suppressed.
    pub reason: Code,
    /// Records.
    pub records: u64,
    /// They had not agreed there, or not yet; otherwise they had left, or their address was refused.
    pub unconfirmed: bool,
}

impl Rejected {
    /// A longer record is not kept: an event has to fit a message, and by a part nobody can tell whom all of it names.
    pub const RECORD_BYTES_MAX: usize = 1_000;

    /// A rejected record; without it if that is longer than [`Self::RECORD_BYTES_MAX`].
    pub fn new(line: u64, reason: Code, record: Option<&str>) -> Self {
        Self {
            line,
            reason,
            record: record
                .filter(|text| text.len() <= Self::RECORD_BYTES_MAX)
                .map(|text| Personal::Known(text.to_owned())),
            address_ids: Vec::new(),
            column: None,
        }
    }

    /// The same, for what stands in a column of this name.
    #[must_use]
    pub fn in_column(self, column: Option<&str>) -> Self {
        let column = column.map(|name| Personal::Known(name.to_owned()));
        Self { column, ..self }
    }
}

/// What somebody wants of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A file was received.
    Start {
        /// Keyed digest of the file.
        file_digest: [u8; 32],
        /// Data records in it.
        lines: u64,
    },
    /// One chunk is worked off.
    Advance {
        /// Records worked off so far, this chunk included.
        through: u64,
        /// Subscribers signed up by this chunk.
        accepted: u64,
        /// Records of this chunk whose address already belonged to a subscriber.
        existing: u64,
        /// Records of this chunk by which somebody gets no mail.
        suppressed: u64,
        /// Records of this chunk that could not be used.
        rejected: Vec<Rejected>,
        /// What said so of those suppressed.
        suppressed_for: Vec<SuppressedFor>,
    },
    /// The whole file is worked off.
    Complete,
}

/// What happened to an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A file was received.
    Started {
        /// Keyed digest of the file.
        file_digest: [u8; 32],
        /// Data records in it.
        lines: u64,
    },
    /// One chunk is worked off.
    Advanced {
        /// Records worked off so far, this chunk included.
        through: u64,
        /// Subscribers signed up by this chunk.
        accepted: u64,
        /// Records of this chunk that could not be used.
        rejected: Vec<Rejected>,
        /// Records of this chunk whose address already belonged to a subscriber.
        existing: u64,
        /// Records of this chunk by which somebody gets no mail.
        suppressed: u64,
        /// What said so.
        suppressed_for: Vec<SuppressedFor>,
    },
    /// The whole file is worked off.
    Completed {
        /// Subscribers signed up.
        accepted: u64,
        /// Records that could not be used.
        rejected: u64,
        /// Records whose address already belonged to a subscriber.
        existing: u64,
        /// Records by which somebody gets no mail.
        suppressed: u64,
    },
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such stream.
    #[error("there is no such import")]
    NotFound,
    /// Started twice.
    #[error("the import has started already")]
    AlreadyStarted,
    /// A chunk that does not go on where the last one ended, or leaves the file.
    #[error(
        "a chunk of {records} records ending at {through} does not go on from {worked_off} of {lines}"
    )]
    NotTheNextChunk {
        /// Records the chunk accounts for.
        records: u64,
        /// Where it ends.
        through: u64,
        /// Records worked off before.
        worked_off: u64,
        /// Records of the file.
        lines: u64,
    },
    /// Completed too early.
    #[error("{through} of {lines} records are worked off; the import is not complete")]
    NotFinished {
        /// Records worked off.
        through: u64,
        /// Records of the file.
        lines: u64,
    },
}

impl Aggregate for SubscriberImport {
    const NOUN: &'static str = "subscriber_import";
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
