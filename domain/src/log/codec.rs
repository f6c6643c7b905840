//! Events of the log's surroundings on the wire. Nothing in them is personal.

use tidings_proto::{Event as Wire, EventMessage as _, log as wire};

use super::{Event, Log, Restored};
use crate::aggregate::{Aggregate as _, CodecError};
use crate::value::SkipReason;
use crate::wire::{Fields, id};

pub(super) fn event_type(event: &Event) -> &'static str {
    match event {
        Event::ViewSkipped { .. } => wire::ViewSkipped::TYPE,
        Event::Restored(_) => wire::Restored::TYPE,
        Event::DispatchReleased { .. } => wire::DispatchReleased::TYPE,
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
        Event::Restored(restored) => wire::Restored {
            incarnation: id(restored.incarnation),
            after_position: restored.after_position,
            lost_through: restored.lost_through,
            backed_up_at_us: restored.backed_up_at.map_or(0, tidings_proto::to_us),
            parted_after: restored.parted_after,
        }
        .into(),
        Event::DispatchReleased { incarnation } => wire::DispatchReleased {
            incarnation: id(*incarnation),
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
        Wire::LogRestored(e) if e.after_position < 0 => Err(fields.impossible("after_position")),
        Wire::LogRestored(e) if !(0..=e.after_position).contains(&e.parted_after) => {
            Err(fields.impossible("parted_after"))
        }
        Wire::LogRestored(e) if e.lost_through < e.parted_after => {
            Err(fields.impossible("lost_through"))
        }
        Wire::LogRestored(e) => Ok(Event::Restored(Restored {
            incarnation: fields.id("incarnation", &e.incarnation)?,
            after_position: e.after_position,
            parted_after: e.parted_after,
            lost_through: e.lost_through,
            backed_up_at: fields.optional_instant("backed_up_at_us", e.backed_up_at_us)?,
        })),
        Wire::LogDispatchReleased(e) => Ok(Event::DispatchReleased {
            incarnation: fields.id("incarnation", &e.incarnation)?,
        }),
        other => Err(CodecError::WrongStream {
            noun: Log::NOUN,
            found: other.event_type(),
        }),
    }
}
