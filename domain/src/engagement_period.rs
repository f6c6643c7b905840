//! A month of engagement: for how long its evidence is kept. The stream's id is that of the key the evidence is sealed under.

mod codec;
#[cfg(test)]
mod tests;

use uuid::Uuid;

use crate::aggregate::{Aggregate, CodecError};
use crate::personal::{Open, Seal};
use crate::value::{Code, Month, code_enum};

/// State of an `engagement_period` stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngagementPeriod {
    /// Evidence is sealed under its key.
    #[default]
    Open,
    /// None is any more.
    Closed,
    /// Its key was destroyed.
    Shredded,
}

code_enum! {
    /// Why a month is closed.
    CloseReason {
        /// It is older than evidence is kept.
        Age = "age",
    }
}

/// What somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// No more evidence.
    Close {
        /// The month.
        month: Month,
        /// Why.
        reason: CloseReason,
    },
    /// The key was destroyed.
    NoteShredded {
        /// The month.
        month: Month,
        /// The key.
        key_id: Uuid,
    },
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// No more evidence is sealed under its key.
    Closed {
        /// The month.
        month: Month,
        /// [`CloseReason`]
        reason: Code,
    },
    /// Its key was destroyed.
    Shredded {
        /// The month.
        month: Month,
        /// The key.
        key_id: Uuid,
    },
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Evidence may still come in.
    #[error("the month is not closed yet")]
    StillOpen,
}

impl Aggregate for EngagementPeriod {
    const NOUN: &'static str = "engagement_period";
    const SEALS: bool = false;
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Refusal> {
        match (self, command) {
            (Self::Open, Command::Close { month, reason }) => Ok(vec![Event::Closed {
                month,
                reason: Code::from_static(reason.as_str()),
            }]),
            (Self::Open, Command::NoteShredded { .. }) => Err(Refusal::StillOpen),
            (Self::Closed, Command::NoteShredded { month, key_id }) => {
                Ok(vec![Event::Shredded { month, key_id }])
            }
            (Self::Closed | Self::Shredded, _) => Ok(vec![]),
        }
    }

    fn evolve(self, event: &Event) -> Self {
        match event {
            Event::Closed { .. } => Self::Closed,
            Event::Shredded { .. } => Self::Shredded,
        }
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
