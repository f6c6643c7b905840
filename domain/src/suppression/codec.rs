//! Suppression events on the wire. The address or domain is sealed under the stream's own key.

use tidings_proto::{Event as Wire, EventMessage as _, suppression as wire};

use super::{Event, Reason, Scope, Suppression};
use crate::aggregate::{Aggregate as _, CodecError};
use crate::personal::{Open, Personal, Seal};
use crate::wire::{Fields, optional_id};

pub(super) fn event_type(event: &Event) -> &'static str {
    match event {
        Event::Added { .. } => wire::Added::TYPE,
        Event::Lifted { .. } => wire::Lifted::TYPE,
    }
}

pub(super) fn encode(event: &Event, seal: &dyn Seal) -> Wire {
    match event {
        Event::Added {
            scope,
            reason,
            delivery_id,
            value,
        } => wire::Added {
            scope: scope.to_string(),
            reason: reason.to_string(),
            delivery_id: optional_id(*delivery_id),
            value: value
                .as_ref()
                .and_then(|value: &Personal<String>| seal.seal_personal("value", value)),
        }
        .into(),
        Event::Lifted { reasons } => wire::Lifted {
            reasons: reasons.iter().map(ToString::to_string).collect(),
        }
        .into(),
    }
}

pub(super) fn decode(event: &Wire, open: &dyn Open) -> Result<Event, CodecError> {
    let fields = Fields(event.event_type());
    match event {
        Wire::SuppressionAdded(e) => Ok(Event::Added {
            scope: Scope::parse(&e.scope).map_err(|_| fields.impossible("scope"))?,
            reason: Reason::parse(&e.reason).map_err(|_| fields.impossible("reason"))?,
            delivery_id: fields.optional_id("delivery_id", &e.delivery_id)?,
            value: open.open_optional_text("value", e.value.as_ref())?,
        }),
        Wire::SuppressionLifted(e) => Ok(Event::Lifted {
            reasons: e
                .reasons
                .iter()
                .map(|reason| Reason::parse(reason).map_err(|_| fields.impossible("reasons")))
                .collect::<Result<_, _>>()?,
        }),
        other => Err(CodecError::WrongStream {
            noun: Suppression::NOUN,
            found: other.event_type(),
        }),
    }
}
