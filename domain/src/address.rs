//! An address: who holds it. The stream's id is a keyed hash of the address, so that one address
//! belongs to one subscriber without the address being anywhere.

mod codec;
mod decide;
mod evolve;
#[cfg(test)]
mod tests;

use uuid::Uuid;

use crate::aggregate::{Aggregate, CodecError};
use crate::personal::{Open, Seal};

/// State of an `address` stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// Nobody holds it.
    Free {
        /// Who held it last.
        before: Option<Uuid>,
    },
    /// A subscriber holds it.
    Held {
        /// Who.
        subscriber_id: Uuid,
    },
}

impl Default for Address {
    fn default() -> Self {
        Self::Free { before: None }
    }
}

impl Address {
    /// Who holds it.
    pub fn holder(&self) -> Option<Uuid> {
        match self {
            Self::Free { .. } => None,
            Self::Held { subscriber_id } => Some(*subscriber_id),
        }
    }
}

/// What somebody wants of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// A subscriber signs up with it.
    Claim {
        /// Who.
        subscriber_id: Uuid,
    },
    /// A subscriber gives it up.
    Release {
        /// Who.
        subscriber_id: Uuid,
    },
}

/// What happened to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A subscriber holds it from now on.
    Claimed {
        /// Who.
        subscriber_id: Uuid,
    },
    /// Nobody holds it any more.
    Released {
        /// Who held it.
        subscriber_id: Uuid,
    },
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Somebody else holds it.
    #[error("the address belongs to subscriber {by} already")]
    Taken {
        /// Who.
        by: Uuid,
    },
}

impl Aggregate for Address {
    const NOUN: &'static str = "address";
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
