//! What the receiving side says afterwards, on the wire: one message for each kind of it.

use tidings_proto::{Event as Wire, EventMessage as _, delivery as wire, to_us};
use time::OffsetDateTime;

use super::super::feedback::{BounceClass, BounceReason, ComplaintKind, EnhancedStatus, Feedback};
use super::super::{Delivery, Event};
use crate::aggregate::{Aggregate as _, CodecError};
use crate::personal::{Open, Seal};
use crate::value::Code;
use crate::wire::{Fields, small};

/// The report around it.
#[derive(Clone, Copy)]
pub(super) struct Report<'a> {
    pub(super) attempt: u32,
    pub(super) reported_at: OffsetDateTime,
    pub(super) digest: [u8; 32],
    pub(super) source: &'a Code,
}

pub(super) fn event_type(feedback: &Feedback) -> &'static str {
    match feedback {
        Feedback::Delivered => wire::Delivered::TYPE,
        Feedback::Bounced { .. } => wire::Bounced::TYPE,
        Feedback::Complained { .. } => wire::Complained::TYPE,
    }
}

/// Whether events of this type tell what somebody said afterwards: no part of the delivery's own course.
pub fn is_report(event_type: &str) -> bool {
    [
        wire::Delivered::TYPE,
        wire::Bounced::TYPE,
        wire::Complained::TYPE,
    ]
    .contains(&event_type)
}

pub(super) fn encode(feedback: &Feedback, report: Report<'_>, seal: &dyn Seal) -> Wire {
    let attempt = small(report.attempt);
    let reported_at_us = to_us(report.reported_at);
    let event_digest = report.digest.to_vec().into();
    let source = report.source.to_string();
    match feedback {
        Feedback::Delivered => Wire::from(wire::Delivered {
            attempt,
            reported_at_us,
            event_digest,
            source,
        }),
        Feedback::Bounced {
            class,
            reason,
            status,
            detail,
        } => Wire::from(wire::Bounced {
            attempt,
            class: class.to_string(),
            reason: reason.to_string(),
            status: status
                .as_ref()
                .map(|status| status.as_str().to_owned())
                .unwrap_or_default(),
            detail: detail
                .as_ref()
                .and_then(|detail| seal.seal_personal("detail", detail)),
            reported_at_us,
            event_digest,
            source,
        }),
        Feedback::Complained { kind } => Wire::from(wire::Complained {
            attempt,
            kind: kind.to_string(),
            reported_at_us,
            event_digest,
            source,
        }),
    }
}

/// A class, reason, kind or status that a later version has added is read as one of which nothing more is known: nobody
/// acts on it, and the delivery stays readable.
pub(super) fn decode(event: &Wire, open: &dyn Open) -> Result<Event, CodecError> {
    let fields = Fields(event.event_type());
    match event {
        Wire::DeliveryDelivered(e) => Ok(Event::Reported {
            attempt: fields.small("attempt", e.attempt)?,
            feedback: Feedback::Delivered,
            reported_at: fields.instant("reported_at_us", e.reported_at_us)?,
            digest: fields.digest("event_digest", &e.event_digest)?,
            source: Code::recorded(e.source.clone()),
        }),
        Wire::DeliveryBounced(e) => Ok(Event::Reported {
            attempt: fields.small("attempt", e.attempt)?,
            feedback: Feedback::Bounced {
                class: BounceClass::parse(&e.class).unwrap_or(BounceClass::Soft),
                reason: BounceReason::parse(&e.reason).unwrap_or(BounceReason::Other),
                status: EnhancedStatus::parse(&e.status).ok(),
                detail: open.open_optional_text("detail", e.detail.as_ref())?,
            },
            reported_at: fields.instant("reported_at_us", e.reported_at_us)?,
            digest: fields.digest("event_digest", &e.event_digest)?,
            source: Code::recorded(e.source.clone()),
        }),
        Wire::DeliveryComplained(e) => Ok(Event::Reported {
            attempt: fields.small("attempt", e.attempt)?,
            feedback: Feedback::Complained {
                kind: ComplaintKind::parse(&e.kind).unwrap_or(ComplaintKind::Other),
            },
            reported_at: fields.instant("reported_at_us", e.reported_at_us)?,
            digest: fields.digest("event_digest", &e.event_digest)?,
            source: Code::recorded(e.source.clone()),
        }),
        other => Err(CodecError::WrongStream {
            noun: Delivery::NOUN,
            found: other.event_type(),
        }),
    }
}
