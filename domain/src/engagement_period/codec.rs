//! Engagement period events on the wire. Nothing in them is personal.

use tidings_proto::{Event as Wire, EventMessage as _, engagement_period as wire};

use super::{EngagementPeriod, Event};
use crate::aggregate::{Aggregate as _, CodecError};
use crate::personal::{Open, Seal};
use crate::value::{Code, Month};
use crate::wire::{Fields, id};

pub(super) fn event_type(event: &Event) -> &'static str {
    match event {
        Event::Closed { .. } => wire::Closed::TYPE,
        Event::Shredded { .. } => wire::Shredded::TYPE,
    }
}

pub(super) fn encode(event: &Event, _: &dyn Seal) -> Wire {
    match event {
        Event::Closed { month, reason } => wire::Closed {
            period: month.to_string(),
            reason: reason.to_string(),
        }
        .into(),
        Event::Shredded { month, key_id } => wire::Shredded {
            period: month.to_string(),
            key_id: id(*key_id),
        }
        .into(),
    }
}

pub(super) fn decode(event: &Wire, _: &dyn Open) -> Result<Event, CodecError> {
    let fields = Fields(event.event_type());
    let month = |period| Month::parse(period).ok_or_else(|| fields.impossible("period"));
    match event {
        Wire::EngagementPeriodClosed(e) => Ok(Event::Closed {
            month: month(&e.period)?,
            reason: Code::recorded(e.reason.clone()),
        }),
        Wire::EngagementPeriodShredded(e) => Ok(Event::Shredded {
            month: month(&e.period)?,
            key_id: fields.id("key_id", &e.key_id)?,
        }),
        other => Err(CodecError::WrongStream {
            noun: EngagementPeriod::NOUN,
            found: other.event_type(),
        }),
    }
}
