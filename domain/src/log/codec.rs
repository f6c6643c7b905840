//! Events of the log's surroundings on the wire. Nothing in them is personal.

use tidings_proto::{Event as Wire, EventMessage as _, log as wire};

use super::{Event, Log};
use crate::aggregate::{Aggregate as _, CodecError};
use crate::value::SkipReason;
use crate::wire::Fields;

pub(super) fn event_type(event: &Event) -> &'static str {
    match event {
        Event::ViewSkipped { .. } => wire::ViewSkipped::TYPE,
    }
}

pub(super) fn encode(event: &Event) -> Wire {
    match event {
        Event::ViewSkipped {
            view,
            position,
            reason,
            fold,
        } => wire::ViewSkipped {
            view: view.clone(),
            position: *position,
            reason: reason.to_string(),
            fold: *fold,
        }
        .into(),
    }
}

pub(super) fn decode(event: &Wire) -> Result<Event, CodecError> {
    let fields = Fields(event.event_type());
    match event {
        Wire::LogViewSkipped(e) if e.position < 1 => Err(fields.impossible("position")),
        Wire::LogViewSkipped(e) => Ok(Event::ViewSkipped {
            view: e.view.clone(),
            position: e.position,
            reason: SkipReason::recorded(e.reason.clone()),
            fold: e.fold,
        }),
        other => Err(CodecError::WrongStream {
            noun: Log::NOUN,
            found: other.event_type(),
        }),
    }
}
