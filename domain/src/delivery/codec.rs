//! Delivery events on the wire. Replies are sealed under the subscriber's key, or the channel's for
//! a broadcast delivery.

mod reported;

use tidings_proto::{Event as Wire, EventMessage as _, common::Sealed, delivery as wire, to_us};

use time::OffsetDateTime;

use super::{CancelledReason, Cause, DoubtReason, Event, Plan, Reply, SuppressedReason};
use crate::aggregate::CodecError;
use crate::personal::{Open, Seal};
use crate::value::Code;
use crate::wire::{Fields, id, optional_id, small};

pub use reported::is_report;

pub(super) fn event_type(event: &Event) -> &'static str {
    match event {
        Event::Planned(_) => wire::Planned::TYPE,
        Event::Attempted { .. } => wire::Attempted::TYPE,
        Event::Sent { .. } => wire::Sent::TYPE,
        Event::Deferred { .. } => wire::Deferred::TYPE,
        Event::Failed { .. } => wire::Failed::TYPE,
        Event::Suppressed { .. } => wire::Suppressed::TYPE,
        Event::Cancelled { .. } => wire::Cancelled::TYPE,
        Event::Abandoned { .. } => wire::Abandoned::TYPE,
        Event::InDoubt { .. } => wire::InDoubt::TYPE,
        Event::Reopened { .. } => wire::Reopened::TYPE,
        Event::Reported { feedback, .. } => reported::event_type(feedback),
    }
}

/// The first contract revision that knows of frequency caps.
const CAPS_REVISION: u32 = 4;

pub(super) fn min_reader(event: &Event) -> u32 {
    match event {
        Event::Suppressed {
            reason: SuppressedReason::FrequencyCap,
        } => CAPS_REVISION,
        _ => 0,
    }
}

pub(super) fn encode(event: &Event, seal: &dyn Seal) -> Wire {
    match event {
        Event::Planned(plan) => encode_plan(plan).into(),
        Event::Attempted {
            attempt,
            instance,
            deadline,
            subscriber_version,
            channel_version,
        } => Wire::DeliveryAttempted(wire::Attempted {
            attempt: small(*attempt),
            instance: id(*instance),
            deadline_at_us: to_us(*deadline),
            subscriber_version: *subscriber_version,
            channel_version: *channel_version,
        }),
        Event::Suppressed { reason } => wire::Suppressed {
            reason: reason.to_string(),
        }
        .into(),
        Event::Cancelled { reason } => wire::Cancelled {
            reason: reason.to_string(),
        }
        .into(),
        Event::Reopened {
            plan,
            planned_at,
            attempts,
        } => encode_reopened(plan, *planned_at, *attempts).into(),
        Event::Reported {
            attempt,
            feedback,
            reported_at,
            digest,
            source,
        } => {
            let report = reported::Report {
                attempt: *attempt,
                reported_at: *reported_at,
                digest: *digest,
                source,
            };
            reported::encode(feedback, report, seal)
        }
        outcome => encode_outcome(outcome, seal),
    }
}

/// How an attempt ended.
fn encode_outcome(event: &Event, seal: &dyn Seal) -> Wire {
    match event {
        Event::Sent {
            attempt,
            reply,
            provider_message_id,
        } => Wire::DeliverySent(wire::Sent {
            attempt: small(*attempt),
            reply: seal_reply(reply, seal),
            code: code(reply),
            provider_message_id: provider_message_id.clone().unwrap_or_default(),
        }),
        Event::Deferred {
            attempt,
            reason,
            reply,
            retry_at,
            channel_down,
        } => Wire::DeliveryDeferred(wire::Deferred {
            attempt: small(*attempt),
            reason: reason.to_string(),
            reply: seal_reply(reply, seal),
            code: code(reply),
            retry_at_us: to_us(*retry_at),
            channel_down: *channel_down,
        }),
        Event::Failed {
            attempt,
            reason,
            reply,
        } => Wire::DeliveryFailed(wire::Failed {
            attempt: small(*attempt),
            reason: reason.to_string(),
            reply: seal_reply(reply, seal),
            code: code(reply),
        }),
        Event::Abandoned {
            attempt,
            reason,
            retry_at,
        } => Wire::DeliveryAbandoned(wire::Abandoned {
            attempt: small(*attempt),
            reason: reason.to_string(),
            retry_at_us: to_us(*retry_at),
        }),
        Event::InDoubt {
            attempt,
            reason,
            retry_at,
        } => Wire::DeliveryInDoubt(wire::InDoubt {
            attempt: small(*attempt),
            reason: reason.to_string(),
            retry_at_us: retry_at.map(to_us).unwrap_or_default(),
        }),
        // `encode` has dealt with all others.
        _ => unreachable!("no outcome of an attempt"),
    }
}

fn encode_reopened(plan: &Plan, planned_at: OffsetDateTime, attempts: u32) -> wire::Reopened {
    wire::Reopened {
        cause_kind: plan.cause.kind().to_owned(),
        cause_id: id(plan.cause.id()),
        content_version: plan.content_version,
        channel_id: id(plan.channel_id),
        subscriber_id: optional_id(plan.subscriber_id),
        due_at_us: to_us(plan.due_at),
        priority: plan.priority,
        planned_at_us: to_us(planned_at),
        attempts: small(attempts),
    }
}

fn encode_plan(plan: &Plan) -> wire::Planned {
    wire::Planned {
        cause_kind: plan.cause.kind().to_owned(),
        cause_id: id(plan.cause.id()),
        content_version: plan.content_version,
        channel_id: id(plan.channel_id),
        subscriber_id: optional_id(plan.subscriber_id),
        due_at_us: to_us(plan.due_at),
        priority: plan.priority,
    }
}

fn seal_reply(reply: &Reply, seal: &dyn Seal) -> Option<Sealed> {
    reply
        .text
        .as_ref()
        .and_then(|text| seal.seal_personal("reply", text))
}

fn code(reply: &Reply) -> i32 {
    reply.code.map(i32::from).unwrap_or_default()
}

pub(super) fn decode(event: &Wire, open: &dyn Open) -> Result<Event, CodecError> {
    let fields = Fields(event.event_type());
    match event {
        Wire::DeliveryPlanned(e) => decode_plan(fields, e).map(Event::Planned),
        Wire::DeliveryAttempted(e) => Ok(Event::Attempted {
            attempt: fields.small("attempt", e.attempt)?,
            instance: fields.id("instance", &e.instance)?,
            deadline: fields.instant("deadline_at_us", e.deadline_at_us)?,
            subscriber_version: e.subscriber_version,
            channel_version: e.channel_version,
        }),
        Wire::DeliverySent(e) => Ok(Event::Sent {
            attempt: fields.small("attempt", e.attempt)?,
            reply: open_reply(fields, e.reply.as_ref(), e.code, open)?,
            provider_message_id: Some(e.provider_message_id.clone()).filter(|id| !id.is_empty()),
        }),
        Wire::DeliveryDeferred(e) => Ok(Event::Deferred {
            attempt: fields.small("attempt", e.attempt)?,
            reason: Code::recorded(e.reason.clone()),
            reply: open_reply(fields, e.reply.as_ref(), e.code, open)?,
            retry_at: fields.instant("retry_at_us", e.retry_at_us)?,
            channel_down: e.channel_down,
        }),
        Wire::DeliveryFailed(e) => Ok(Event::Failed {
            attempt: fields.small("attempt", e.attempt)?,
            reason: Code::recorded(e.reason.clone()),
            reply: open_reply(fields, e.reply.as_ref(), e.code, open)?,
        }),
        Wire::DeliverySuppressed(e) => Ok(Event::Suppressed {
            reason: SuppressedReason::parse(&e.reason).map_err(|_| fields.impossible("reason"))?,
        }),
        Wire::DeliveryCancelled(e) => Ok(Event::Cancelled {
            reason: CancelledReason::parse(&e.reason).map_err(|_| fields.impossible("reason"))?,
        }),
        Wire::DeliveryAbandoned(e) => Ok(Event::Abandoned {
            attempt: fields.small("attempt", e.attempt)?,
            reason: Code::recorded(e.reason.clone()),
            retry_at: fields.instant("retry_at_us", e.retry_at_us)?,
        }),
        Wire::DeliveryInDoubt(e) => Ok(Event::InDoubt {
            attempt: fields.small("attempt", e.attempt)?,
            reason: DoubtReason::parse(&e.reason).map_err(|_| fields.impossible("reason"))?,
            retry_at: fields.optional_instant("retry_at_us", e.retry_at_us)?,
        }),
        Wire::DeliveryReopened(e) => Ok(Event::Reopened {
            plan: Plan {
                cause: decode_cause(fields, &e.cause_kind, &e.cause_id)?,
                content_version: e.content_version,
                channel_id: fields.id("channel_id", &e.channel_id)?,
                subscriber_id: fields.optional_id("subscriber_id", &e.subscriber_id)?,
                due_at: fields.instant("due_at_us", e.due_at_us)?,
                priority: e.priority,
            },
            planned_at: fields.instant("planned_at_us", e.planned_at_us)?,
            attempts: fields.small("attempts", e.attempts)?,
        }),
        other => reported::decode(other, open),
    }
}

fn decode_plan(fields: Fields, e: &wire::Planned) -> Result<Plan, CodecError> {
    Ok(Plan {
        cause: decode_cause(fields, &e.cause_kind, &e.cause_id)?,
        content_version: e.content_version,
        channel_id: fields.id("channel_id", &e.channel_id)?,
        subscriber_id: fields.optional_id("subscriber_id", &e.subscriber_id)?,
        due_at: fields.instant("due_at_us", e.due_at_us)?,
        priority: e.priority,
    })
}

fn decode_cause(fields: Fields, kind: &str, id: &[u8]) -> Result<Cause, CodecError> {
    let id = fields.id("cause_id", id)?;
    Cause::recorded(kind, id).ok_or_else(|| fields.impossible("cause_kind"))
}

fn open_reply(
    fields: Fields,
    text: Option<&Sealed>,
    code: i32,
    open: &dyn Open,
) -> Result<Reply, CodecError> {
    let code = u16::try_from(code).map_err(|_| fields.impossible("code"))?;
    Ok(Reply {
        text: open.open_optional_text("reply", text)?,
        code: Some(code).filter(|code| *code != 0),
    })
}
