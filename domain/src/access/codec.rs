//! Access events on the wire. The words of whoever looks are sealed under the subscriber's own key.

use tidings_proto::{Event as Wire, EventMessage as _, access as wire, common::Sealed};

use super::{Access, Event};
use crate::aggregate::{Aggregate as _, CodecError};
use crate::personal::{Open, Personal, Seal};
use crate::value::{Code, LookReason};
use crate::wire::{Fields, count, id};

pub(super) fn event_type(event: &Event) -> &'static str {
    match event {
        Event::Viewed { .. } => wire::Viewed::TYPE,
        Event::Exported { .. } => wire::Exported::TYPE,
    }
}

pub(super) fn encode(event: &Event, seal: &dyn Seal) -> Wire {
    match event {
        Event::Viewed {
            subscriber_id,
            what,
            reason,
        } => wire::Viewed {
            subscriber_id: id(*subscriber_id),
            what: what.to_string(),
            reason: seal_reason(reason.as_ref(), seal),
        }
        .into(),
        Event::Exported {
            subscriber_id,
            format,
            method,
            digest,
            events,
            through_position,
            reason,
        } => wire::Exported {
            subscriber_id: id(*subscriber_id),
            format: format.to_string(),
            method: method.to_string(),
            digest: digest.to_vec().into(),
            events: count(*events),
            through_position: *through_position,
            reason: seal_reason(reason.as_ref(), seal),
        }
        .into(),
    }
}

fn seal_reason(reason: Option<&Personal<LookReason>>, seal: &dyn Seal) -> Option<Sealed> {
    let known = reason.and_then(Personal::known);
    seal.seal_text("reason", known.map(LookReason::as_str))
}

pub(super) fn decode(event: &Wire, open: &dyn Open) -> Result<Event, CodecError> {
    let fields = Fields(event.event_type());
    let reason = |sealed| -> Result<_, CodecError> {
        let text = open.open_optional_text("reason", sealed)?;
        Ok(text.map(|text| text.map(LookReason::recorded)))
    };
    match event {
        Wire::AccessViewed(e) => Ok(Event::Viewed {
            subscriber_id: fields.id("subscriber_id", &e.subscriber_id)?,
            what: Code::recorded(e.what.clone()),
            reason: reason(e.reason.as_ref())?,
        }),
        Wire::AccessExported(e) => Ok(Event::Exported {
            subscriber_id: fields.id("subscriber_id", &e.subscriber_id)?,
            format: Code::recorded(e.format.clone()),
            method: Code::recorded(e.method.clone()),
            digest: fields.digest("digest", &e.digest)?,
            events: fields.count("events", e.events)?,
            through_position: e.through_position,
            reason: reason(e.reason.as_ref())?,
        }),
        other => Err(CodecError::WrongStream {
            noun: Access::NOUN,
            found: other.event_type(),
        }),
    }
}
