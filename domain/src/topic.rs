//! A topic: what readers can ask for and leave, one by one.

mod codec;
mod decide;
mod evolve;
#[cfg(test)]
mod tests;

use crate::aggregate::{Aggregate, CodecError};
use crate::personal::{Open, Seal};
use crate::value::{Code, Description, ListId, Mailbox, Slug, TopicName, code_enum};

code_enum! {
    /// Who gets a topic without a word from them.
    ByDefault {
        /// Everybody, until they leave it:
        In = "in",
        /// Nobody, until they ask for it:
        Out = "out",
    }
}

/// What a topic's mails bear in place of what their channel says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sender {
    /// Who they are from.
    pub from: Option<Mailbox>,
    /// Where an answer goes.
    pub reply_to: Option<Mailbox>,
    /// What the list is called.
    pub list_id: Option<ListId>,
}

/// What can be said of a topic anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// What readers see it called.
    pub name: TopicName,
    /// What they are told about it.
    pub description: Option<Description>,
    /// Who its mails come from.
    pub sender: Sender,
}

/// State of a `topic` stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Topic {
    /// There is no such topic.
    #[default]
    Unknown,
    /// Publications may be about it.
    Open {
        /// How editors name it.
        slug: Slug,
        /// Who gets it without a word from them; never changes.
        by_default: ByDefault,
        /// The rest.
        card: Card,
    },
    /// No new ones may.
    Archived {
        /// How editors named it.
        slug: Slug,
        /// Who gets what is under way without a word from them.
        by_default: ByDefault,
        /// The rest.
        card: Card,
    },
}

impl Topic {
    /// What readers are told of it, if it exists.
    pub fn card(&self) -> Option<&Card> {
        match self {
            Self::Unknown => None,
            Self::Open { card, .. } | Self::Archived { card, .. } => Some(card),
        }
    }

    /// Who gets it without a word from them. Of a topic that does not exist: nobody.
    pub fn by_default(&self) -> ByDefault {
        match self {
            Self::Unknown => ByDefault::Out,
            Self::Open { by_default, .. } | Self::Archived { by_default, .. } => *by_default,
        }
    }
}

/// What an editor wants of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Have one.
    Define {
        /// How to name it; the stream's id follows from it.
        slug: Slug,
        /// Who gets it without a word from them.
        by_default: ByDefault,
        /// The rest.
        card: Card,
    },
    /// Say all that can change anew.
    Revise {
        /// All of it.
        card: Card,
    },
    /// Use it no more.
    Archive {
        /// Why, as a code.
        reason: Code,
    },
}

/// What happened to a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// There is one.
    Defined {
        /// How editors name it.
        slug: Slug,
        /// Who gets it without a word from them.
        by_default: ByDefault,
        /// The rest.
        card: Card,
    },
    /// All that can change was said anew.
    Revised {
        /// All of it.
        card: Card,
    },
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
    #[error("there is no such topic")]
    NotFound,
    /// Defined twice.
    #[error("there is a topic of that slug already; a slug names one topic for ever")]
    AlreadyDefined,
    /// Revised after it was archived.
    #[error("the topic is archived")]
    Archived,
}

impl Aggregate for Topic {
    const NOUN: &'static str = "topic";
    const SEALS: bool = false;
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
