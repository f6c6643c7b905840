//! Engagement events on the wire. What a request looked like is sealed under the subscriber's key and the period's, which link it was
//! under the period's alone.

use tidings_proto::{Event as Wire, EventMessage as _, common::Sealed, engagement as wire};
use uuid::Uuid;

use super::{Engagement, Event, Hit};
use crate::aggregate::{Aggregate as _, CodecError};
use crate::delivery::Cause;
use crate::personal::{Open, Personal, Seal};
use crate::value::{Code, Evidence, Month};
use crate::wire::{Fields, id, small};

/// Evidence is filled up to a multiple of this, so that its length does not tell which link it was.
const EVIDENCE_BYTES: usize = 512;

pub(super) fn event_type(event: &Event) -> &'static str {
    match event {
        Event::Opened(_) => wire::Opened::TYPE,
        Event::Clicked { .. } => wire::Clicked::TYPE,
    }
}

pub(super) fn encode(event: &Event, seal: &dyn Seal) -> Wire {
    let opened = encode_hit(event.hit(), seal);
    match event {
        Event::Opened(_) => opened.into(),
        Event::Clicked { link_id, .. } => wire::Clicked {
            cause_kind: opened.cause_kind,
            cause_id: opened.cause_id,
            content_version: opened.content_version,
            channel_id: opened.channel_id,
            delivery_id: opened.delivery_id,
            subscriber_id: opened.subscriber_id,
            period: opened.period,
            agent: opened.agent,
            machine: opened.machine,
            rules: opened.rules,
            evidence: opened.evidence,
            link: seal_link(link_id.as_ref(), seal),
        }
        .into(),
    }
}

fn encode_hit(hit: &Hit, seal: &dyn Seal) -> wire::Opened {
    wire::Opened {
        cause_kind: hit.cause.kind().to_owned(),
        cause_id: id(hit.cause.id()),
        content_version: hit.content_version,
        channel_id: id(hit.channel_id),
        delivery_id: id(hit.delivery_id),
        subscriber_id: id(hit.subscriber_id),
        period: hit.month.to_string(),
        agent: hit.agent.to_string(),
        machine: hit.machine,
        rules: small(hit.rules),
        evidence: seal_evidence(hit.evidence.as_ref(), seal),
    }
}

fn seal_evidence(evidence: Option<&Personal<Evidence>>, seal: &dyn Seal) -> Option<Sealed> {
    let json = evidence.and_then(Personal::known)?.as_json();
    // A byte less than a block, since sealing marks the end: so one block is one block.
    let filled = (json.len() / EVIDENCE_BYTES + 1) * EVIDENCE_BYTES - 1;
    let spaces = " ".repeat(filled - json.len());
    Some(seal.seal("evidence", [json, &spaces].concat().as_bytes()))
}

fn seal_link(link_id: Option<&Personal<Uuid>>, seal: &dyn Seal) -> Option<Sealed> {
    let link_id = link_id.and_then(Personal::known)?;
    Some(seal.seal_by_period("link", link_id.as_bytes()))
}

pub(super) fn decode(event: &Wire, open: &dyn Open) -> Result<Event, CodecError> {
    let fields = Fields(event.event_type());
    match event {
        Wire::EngagementOpened(e) => Ok(Event::Opened(decode_hit(fields, e, open)?)),
        Wire::EngagementClicked(e) => {
            let opened = wire::Opened {
                cause_kind: e.cause_kind.clone(),
                cause_id: e.cause_id.clone(),
                content_version: e.content_version,
                channel_id: e.channel_id.clone(),
                delivery_id: e.delivery_id.clone(),
                subscriber_id: e.subscriber_id.clone(),
                period: e.period.clone(),
                agent: e.agent.clone(),
                machine: e.machine,
                rules: e.rules,
                evidence: e.evidence.clone(),
            };
            Ok(Event::Clicked {
                hit: decode_hit(fields, &opened, open)?,
                link_id: open_link(fields, e.link.as_ref(), open)?,
            })
        }
        other => Err(CodecError::WrongStream {
            noun: Engagement::NOUN,
            found: other.event_type(),
        }),
    }
}

fn decode_hit(fields: Fields, e: &wire::Opened, open: &dyn Open) -> Result<Hit, CodecError> {
    let cause_id = fields.id("cause_id", &e.cause_id)?;
    let cause = Cause::recorded(&e.cause_kind, cause_id);
    let evidence = open.open_optional_text("evidence", e.evidence.as_ref())?;
    Ok(Hit {
        cause: cause.ok_or_else(|| fields.impossible("cause_kind"))?,
        content_version: e.content_version,
        channel_id: fields.id("channel_id", &e.channel_id)?,
        delivery_id: fields.id("delivery_id", &e.delivery_id)?,
        subscriber_id: fields.id("subscriber_id", &e.subscriber_id)?,
        month: Month::parse(&e.period).ok_or_else(|| fields.impossible("period"))?,
        agent: Code::recorded(e.agent.clone()),
        machine: e.machine,
        rules: fields.small("rules", e.rules)?,
        evidence: evidence.map(|json| json.map(|json| Evidence::recorded(json.trim_end().into()))),
    })
}

fn open_link(
    fields: Fields,
    sealed: Option<&Sealed>,
    open: &dyn Open,
) -> Result<Option<Personal<Uuid>>, CodecError> {
    let Some(sealed) = sealed else {
        return Ok(None);
    };
    Ok(Some(match open.open("link", sealed)? {
        None => Personal::Erased,
        Some(bytes) => Personal::Known(fields.id("link", &bytes)?),
    }))
}
