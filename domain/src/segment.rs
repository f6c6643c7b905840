//! A segment: conditions that pick subscribers, kept under a name.

mod codec;
mod condition;
mod decide;
mod evolve;
mod json;
#[cfg(test)]
mod tests;

use crate::aggregate::{Aggregate, CodecError};
use crate::personal::{Open, Personal, Seal};
use crate::value::{Code, Description, SegmentName, Slug};

pub use condition::{AttributeTest, Condition, Ordering, Person};
pub use json::Wrong;

/// What can be said of a segment anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// What editors see it called.
    pub name: SegmentName,
    /// What it is for.
    pub description: Option<Description>,
    /// Whom it picks.
    pub condition: Personal<Condition>,
}

/// State of a `segment` stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Segment {
    /// There is no such segment.
    #[default]
    Unknown,
    /// It may be used.
    Open(Definition),
    /// It may not be used anew.
    Archived(Definition),
}

impl Segment {
    /// Whom it picks, if it exists and can still be opened.
    pub fn condition(&self) -> Option<&Condition> {
        match self {
            Self::Unknown => None,
            Self::Open(definition) | Self::Archived(definition) => definition.condition.known(),
        }
    }
}

/// What an editor wants of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Have one.
    Define {
        /// How to name it; the stream's id follows from it.
        slug: Slug,
        /// The rest.
        definition: Definition,
    },
    /// Say all that can change anew.
    Revise(Definition),
    /// Use it no more.
    Archive {
        /// Why, as a code.
        reason: Code,
    },
}

/// What happened to a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// There is one.
    Defined {
        /// How editors name it.
        slug: Slug,
        /// The rest.
        definition: Definition,
    },
    /// All that can change was said anew.
    Revised(Definition),
    /// It is used no more.
    Archived {
        /// Why, as a code.
        reason: Code,
    },
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such stream.
    #[error("there is no such segment")]
    NotFound,
    /// Defined twice.
    #[error("there is a segment of that slug already; a slug names one segment for ever")]
    AlreadyDefined,
    /// Revised after it was archived.
    #[error("the segment is archived")]
    Archived,
}

impl Aggregate for Segment {
    const NOUN: &'static str = "segment";
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
