//! A suppression: an address or a whole domain nothing may be sent to, for as long as any reason
//! stands. The stream's id is a keyed hash, so it survives the erasure of a subscriber.

mod codec;
mod decide;
mod evolve;
#[cfg(test)]
mod tests;

use uuid::Uuid;

use crate::aggregate::{Aggregate, CodecError};
use crate::delivery::Purpose;
use crate::personal::{Open, Personal, Seal};
use crate::value::code_enum;

code_enum! {
    /// What is suppressed.
    Scope {
        /// One address:
        Address = "address",
        /// Every address of a domain:
        Domain = "domain",
    }
}

code_enum! {
    /// Why it is suppressed.
    Reason {
        /// An operator said so:
        Manual = "manual",
        /// The receiving side does not know the address:
        HardBounce = "hard_bounce",
        /// The receiver called it spam:
        Complaint = "complaint",
        /// It came with a file:
        Import = "import",
        /// They left, and the log does not know the subscriber any more:
        Unsubscribed = "unsubscribed",
        /// Whoever had the address was erased:
        Erased = "erased",
        /// Whoever had the address gave it up for another:
        Moved = "moved",
    }
}

impl Reason {
    /// Reasons that a sign-up of their own puts an end to.
    pub const ENDED_BY_SIGN_UP: &[Self] = &[Self::Erased, Self::Unsubscribed, Self::Moved];
    /// Reasons why nobody has the address any more: no file brings it back, only whoever has it by now.
    pub const GIVEN_UP: &[Self] = &[Self::Erased, Self::Moved];
}

/// State of a `suppression` stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Suppression {
    /// Mail may be sent.
    #[default]
    Clear,
    /// Nothing may be sent.
    Suppressed {
        /// What is suppressed.
        scope: Scope,
        /// The reasons that stand, oldest first, each once; never empty.
        reasons: Vec<Reason>,
    },
}

impl Suppression {
    /// Whether nothing may be sent.
    pub fn is_suppressed(&self) -> bool {
        matches!(self, Self::Suppressed { .. })
    }

    /// Whether a message for this purpose must not be sent. Whoever signs up may be asked whether it was them, although
    /// they, or whoever had the address, once wanted no more mail: what came from the receiving side, or from an
    /// operator, they can not put an end to.
    pub fn forbids(&self, purpose: Purpose) -> bool {
        match purpose {
            // Whatever stands: whose mailbox it is by now nobody knows, or they want nothing from us.
            Purpose::Mail | Purpose::OwnData => self.is_suppressed(),
            Purpose::AskForConsent => {
                let own = |reason| Reason::ENDED_BY_SIGN_UP.contains(reason);
                !self.reasons().iter().all(own)
            }
        }
    }

    /// Why nobody has the address any more, if that is so: `erased` before `moved`.
    pub fn given_up(&self) -> Option<Reason> {
        let stands = |reason: &&Reason| self.reasons().contains(reason);
        Reason::GIVEN_UP.iter().find(stands).copied()
    }

    /// The reasons that stand.
    pub fn reasons(&self) -> &[Reason] {
        match self {
            Self::Clear => &[],
            Self::Suppressed { reasons, .. } => reasons,
        }
    }
}

/// What somebody wants of a suppression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Send nothing any more, for this reason too.
    Add {
        /// What is suppressed.
        scope: Scope,
        /// Why.
        reason: Reason,
        /// The delivery that showed it.
        delivery_id: Option<Uuid>,
        /// The address or domain itself, when it is known.
        value: Option<String>,
    },
    /// These reasons no longer stand.
    Lift {
        /// Which; those that do not stand are passed over.
        reasons: Vec<Reason>,
    },
}

impl Command {
    /// What a delivery to an address has shown of it. The address is not written down: whoever is erased meanwhile would
    /// stand here once more.
    pub fn shown_by(delivery_id: Uuid, reason: Reason) -> Self {
        Self::Add {
            scope: Scope::Address,
            reason,
            delivery_id: Some(delivery_id),
            value: None,
        }
    }
}

/// What happened to a suppression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// One more reason stands.
    Added {
        /// What is suppressed.
        scope: Scope,
        /// Why.
        reason: Reason,
        /// The delivery that showed it.
        delivery_id: Option<Uuid>,
        /// The address or domain itself, under the stream's own key.
        value: Option<Personal<String>>,
    },
    /// Some reasons no longer stand.
    Lifted {
        /// Which; at least one.
        reasons: Vec<Reason>,
    },
}

/// Nothing is refused to a suppression: what changes nothing gives no events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {}

impl Aggregate for Suppression {
    const NOUN: &'static str = "suppression";
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
