//! Address events on the wire. Nothing in them is personal.

use tidings_proto::{Event as Wire, EventMessage as _, address as wire};

use super::{Address, Event};
use crate::aggregate::{Aggregate as _, CodecError};
use crate::personal::{Open, Seal};
use crate::wire::{Fields, id};

pub(super) fn event_type(event: &Event) -> &'static str {
    match event {
        Event::Claimed { .. } => wire::Claimed::TYPE,
        Event::Released { .. } => wire::Released::TYPE,
    }
}

pub(super) fn encode(event: &Event, _: &dyn Seal) -> Wire {
    match *event {
        Event::Claimed { subscriber_id } => wire::Claimed {
            subscriber_id: id(subscriber_id),
        }
        .into(),
        Event::Released { subscriber_id } => wire::Released {
            subscriber_id: id(subscriber_id),
        }
        .into(),
    }
}

pub(super) fn decode(event: &Wire, _: &dyn Open) -> Result<Event, CodecError> {
    let fields = Fields(event.event_type());
    match event {
        Wire::AddressClaimed(e) => Ok(Event::Claimed {
            subscriber_id: fields.id("subscriber_id", &e.subscriber_id)?,
        }),
        Wire::AddressReleased(e) => Ok(Event::Released {
            subscriber_id: fields.id("subscriber_id", &e.subscriber_id)?,
        }),
        other => Err(CodecError::WrongStream {
            noun: Address::NOUN,
            found: other.event_type(),
        }),
    }
}
