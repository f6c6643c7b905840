//! Access events on the wire. The words of whoever looks are sealed under the subscriber's own key.

use tidings_proto::{Event as Wire, EventMessage as _, access as wire, common::Sealed, to_us};

use super::{Access, Event, Notice};
use crate::aggregate::{Aggregate as _, CodecError};
use crate::personal::{Open, Personal, Seal};
use crate::subscriber::{Consent, decode_consent, open_evidence, seal_evidence};
use crate::value::{Code, LookReason};
use crate::wire::{Fields, count, id, optional_id, small};

pub(super) fn event_type(event: &Event) -> &'static str {
    match event {
        Event::Viewed { .. } => wire::Viewed::TYPE,
        Event::Exported { .. } => wire::Exported::TYPE,
        Event::NoticeIssued { .. } => wire::NoticeIssued::TYPE,
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
            delivery_id,
        } => wire::Exported {
            subscriber_id: id(*subscriber_id),
            format: format.to_string(),
            method: method.to_string(),
            digest: digest.to_vec().into(),
            events: count(*events),
            through_position: *through_position,
            reason: seal_reason(reason.as_ref(), seal),
            delivery_id: optional_id(*delivery_id),
        }
        .into(),
        Event::NoticeIssued {
            subscriber_id,
            notice,
            evidence,
        } => wire::NoticeIssued {
            kind: notice.kind.to_string(),
            subscriber_id: id(*subscriber_id),
            delivery_id: id(notice.delivery_id),
            issued_at_us: to_us(notice.issued_at),
            departures: small(notice.departures),
            consent: Consent::seal(notice.consent.as_ref(), seal),
            consent_version: Consent::version(notice.consent.as_ref()),
            evidence: seal_evidence(evidence.as_ref(), seal),
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
            delivery_id: fields.optional_id("delivery_id", &e.delivery_id)?,
        }),
        Wire::AccessNoticeIssued(e) => Ok(Event::NoticeIssued {
            subscriber_id: fields.id("subscriber_id", &e.subscriber_id)?,
            notice: Notice {
                kind: Code::recorded(e.kind.clone()),
                delivery_id: fields.id("delivery_id", &e.delivery_id)?,
                issued_at: fields.instant("issued_at_us", e.issued_at_us)?,
                departures: fields.small("departures", e.departures)?,
                consent: decode_consent(e.consent.as_ref(), &e.consent_version, open)?,
            },
            evidence: open_evidence(e.evidence.as_ref(), open)?,
        }),
        other => Err(CodecError::WrongStream {
            noun: Access::NOUN,
            found: other.event_type(),
        }),
    }
}
