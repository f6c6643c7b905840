//! The one trait of this room: how a stream of events is decided upon, folded and written down.

use tidings_proto::Event as WireEvent;

use crate::personal::{Open, OpenError, Seal};

/// One kind of stream. The implementor is its state: everything a decision needs, folded from events.
pub trait Aggregate: Default + Clone + Send + Sync + 'static {
    /// The noun: first part of every event type of the stream.
    const NOUN: &'static str;
    /// Whether any event of the stream carries sealed values, so that writing one needs a key.
    const SEALS: bool = true;
    /// What somebody wants.
    type Command: Send;
    /// What happened.
    type Event: Clone + Send + Sync + std::fmt::Debug;
    /// Why it may not happen; written for the person who asked.
    type Refusal: std::error::Error + Send + Sync + 'static;

    /// The events a command leads to in this state. No events: nothing would change.
    fn decide(&self, command: Self::Command) -> Result<Vec<Self::Event>, Self::Refusal>;

    /// The state after an event. Total: history can not be refused.
    fn evolve(self, event: &Self::Event) -> Self;

    /// The type the event is written under: `<noun>.<PastTense>`. The seals are bound to it.
    fn event_type(event: &Self::Event) -> &'static str;

    /// Oldest contract revision that may act on the event; 0: any. Readers of older ones stop at it.
    fn min_reader(_event: &Self::Event) -> u32 {
        0
    }

    /// The event as it is written, its personal fields sealed.
    fn encode(event: &Self::Event, seal: &dyn Seal) -> WireEvent;

    /// The event as it was written; fields whose key is gone come back erased.
    fn decode(event: &WireEvent, open: &dyn Open) -> Result<Self::Event, CodecError>;
}

/// Folds a history, oldest event first.
pub fn fold<A: Aggregate>(events: &[A::Event]) -> A {
    events.iter().fold(A::default(), A::evolve)
}

/// Why a written event could not be turned into a domain event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The event belongs to another kind of stream.
    #[error("{found} is not an event of a {noun} stream")]
    WrongStream {
        /// The noun of the stream that was read.
        noun: &'static str,
        /// The event type found in it.
        found: &'static str,
    },
    /// A field holds what it may not hold.
    #[error("field {field} of {event_type} holds an impossible value")]
    Field {
        /// The event type.
        event_type: &'static str,
        /// The proto field.
        field: &'static str,
    },
    /// A sealed field could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
}
