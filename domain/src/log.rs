//! The log's surroundings: what an operator decided about them. One stream an installation.

mod codec;
mod decide;
mod evolve;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::aggregate::{Aggregate, CodecError};
use crate::personal::{Open, Seal};
use crate::value::SkipReason;

/// State of the `log` stream: what is skipped, and whether anything may be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// View and position.
    skipped: BTreeSet<(String, i64)>,
    /// The last restore that no operator has answered yet.
    held_by: Option<Restored>,
}

/// The log was put back to an earlier state and goes on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The incarnation that began.
    pub incarnation: Uuid,
    /// The last position before it: the incarnation goes on from there.
    pub after_position: i64,
    /// The last position at which the log is known to be the one of before; not greater than `after_position`, and
    /// less when the log had gone on before anybody noticed that it was put back. 0: nothing tells.
    pub parted_after: i64,
    /// The last position that is known to have been recorded before; not less than `parted_after`.
    pub lost_through: i64,
    /// When the backup was taken; none: there was none.
    pub backed_up_at: Option<OffsetDateTime>,
}

impl Restored {
    /// How many positions of before are known to be lost; none: nothing tells where the log parted from the one of
    /// before.
    pub fn lost(&self) -> Option<i64> {
        let known = self.parted_after > 0 || self.after_position == 0;
        known.then_some(self.lost_through - self.parted_after)
    }
}

impl Log {
    /// The positions a view skips.
    pub fn skipped_by(&self, view: &str) -> BTreeSet<i64> {
        let of_view = self.skipped.iter().filter(|(name, _)| name == view);
        of_view.map(|(_, position)| *position).collect()
    }

    /// The restore because of which nothing may be sent until an operator says so; none: sending goes on.
    pub fn held_by(&self) -> Option<&Restored> {
        self.held_by.as_ref()
    }
}

/// What somebody wants of the log's surroundings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// The event at a position leads to no rows in a view.
    SkipInView {
        /// The view.
        view: String,
        /// The position.
        position: i64,
        /// Why.
        reason: SkipReason,
        /// The number of the fold that can not fold it.
        fold: i32,
    },
    /// The log goes on from an earlier state, and nothing is sent.
    Restore(Restored),
    /// Sending goes on.
    ReleaseDispatch,
}

/// What happened to the log's surroundings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The event at a position leads to no rows in a view, for ever.
    ViewSkipped {
        /// The view.
        view: String,
        /// The position; at least 1.
        position: i64,
        /// Why.
        reason: SkipReason,
        /// The number of the fold that could not fold it.
        fold: i32,
    },
    /// The log goes on from an earlier state, and nothing is sent.
    Restored(Restored),
    /// Sending goes on.
    DispatchReleased {
        /// The incarnation that had begun.
        incarnation: Uuid,
    },
}

/// Nothing is refused here: what is so already gives no events, and whether a view may skip is for those
/// to say who know the views.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {}

impl Aggregate for Log {
    const NOUN: &'static str = "log";
    const SEALS: bool = false;
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

    fn encode(event: &Event, _: &dyn Seal) -> tidings_proto::Event {
        codec::encode(event)
    }

    fn decode(event: &tidings_proto::Event, _: &dyn Open) -> Result<Event, CodecError> {
        codec::decode(event)
    }
}
