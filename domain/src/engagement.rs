//! Engagement: what the picture and the links of one message told after it had arrived. One stream a delivery, apart from the delivery's
//! own, so that a picture fetched before the outcome is recorded disturbs nothing.

mod agent;
mod codec;
#[cfg(test)]
mod tests;

use uuid::Uuid;

use crate::aggregate::{Aggregate, CodecError};
use crate::delivery::Cause;
use crate::personal::{Open, Personal, Seal};
use crate::value::{Code, Evidence, Month};

pub use agent::{Agent, RULES};

/// State of an `engagement` stream: how many hits it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Engagement {
    hits: u32,
}

impl Engagement {
    /// About so many hits are recorded of a message.
    pub const HITS_MAX: u32 = 200;
    /// Machines leave the rest to people.
    pub const MACHINE_HITS_MAX: u32 = 100;

    /// The state of a stream of this version: each event is a hit.
    pub fn at(version: i32) -> Self {
        Self {
            hits: u32::try_from(version).unwrap_or(0),
        }
    }
}

/// What a message was, and what became known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// What the message was about.
    pub cause: Cause,
    /// Stream version of the cause's event whose content it had.
    pub content_version: i32,
    /// How it was sent.
    pub channel_id: Uuid,
    /// The delivery.
    pub delivery_id: Uuid,
    /// Who it was for.
    pub subscriber_id: Uuid,
    /// When, and under which period's key the rest is sealed.
    pub month: Month,
    /// What kind of program: [`Agent`].
    pub agent: Code,
    /// No human did it.
    pub machine: bool,
    /// The edition of the rules that said so: [`RULES`].
    pub rules: u32,
    /// What the request looked like, and where a link led; none once the period was closed.
    pub evidence: Option<Personal<Evidence>>,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The picture was fetched.
    Opened(Hit),
    /// A link was followed.
    Clicked {
        /// What is known of it.
        hit: Hit,
        /// Which link of the text ([`crate::stream_id::engagement_link`]); none once the period was closed.
        link_id: Option<Personal<Uuid>>,
    },
}

impl Event {
    /// What both have.
    pub fn hit(&self) -> &Hit {
        match self {
            Self::Opened(hit) | Self::Clicked { hit, .. } => hit,
        }
    }
}

/// Nothing is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {}

impl Aggregate for Engagement {
    const NOUN: &'static str = "engagement";
    /// To put this on record; nothing happens when enough was.
    type Command = Event;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(&self, command: Event) -> Result<Vec<Event>, Refusal> {
        let most = match command.hit().machine {
            true => Self::MACHINE_HITS_MAX,
            false => Self::HITS_MAX,
        };
        Ok((self.hits < most).then_some(command).into_iter().collect())
    }

    fn evolve(self, _: &Event) -> Self {
        Self {
            hits: self.hits + 1,
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
