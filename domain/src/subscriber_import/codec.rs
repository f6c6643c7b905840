//! Import events on the wire. Rejected records are sealed under the import's own key.

use tidings_proto::{Event as Wire, EventMessage as _, subscriber_import as wire};

use super::{Event, Rejected, SubscriberImport, SuppressedFor};
use crate::aggregate::{Aggregate as _, CodecError};
use crate::personal::{Open, Seal};
use crate::value::Code;
use crate::wire::{Fields, count, id};

pub(super) fn event_type(event: &Event) -> &'static str {
    match event {
        Event::Started { .. } => wire::Started::TYPE,
        Event::Advanced { .. } => wire::Advanced::TYPE,
        Event::Completed { .. } => wire::Completed::TYPE,
    }
}

pub(super) fn encode(event: &Event, seal: &dyn Seal) -> Wire {
    match event {
        Event::Started { file_digest, lines } => wire::Started {
            file_digest: file_digest.to_vec().into(),
            lines: count(*lines),
        }
        .into(),
        Event::Advanced {
            through,
            accepted,
            rejected,
            existing,
            suppressed,
            suppressed_for,
        } => wire::Advanced {
            through: count(*through),
            accepted: count(*accepted),
            rejected: rejected
                .iter()
                .enumerate()
                .map(|(at, rejected)| encode_rejected(at, rejected, seal))
                .collect(),
            existing: count(*existing),
            suppressed: count(*suppressed),
            suppressed_for: suppressed_for
                .iter()
                .enumerate()
                .map(|(at, it)| encode_suppressed_for(at, it, seal))
                .collect(),
        }
        .into(),
        Event::Completed {
            accepted,
            rejected,
            existing,
            suppressed,
        } => wire::Completed {
            accepted: count(*accepted),
            rejected: count(*rejected),
            existing: count(*existing),
            suppressed: count(*suppressed),
        }
        .into(),
    }
}

fn path(at: usize) -> String {
    format!("rejected[{at}].record")
}

fn column_path(at: usize) -> String {
    format!("rejected[{at}].column")
}

fn suppressed_for_path(at: usize) -> String {
    format!("suppressed_for[{at}].column")
}

fn encode_rejected(at: usize, rejected: &Rejected, seal: &dyn Seal) -> wire::advanced::Rejected {
    let (record, column) = (rejected.record.as_ref(), rejected.column.as_ref());
    wire::advanced::Rejected {
        line: count(rejected.line),
        reason: rejected.reason.to_string(),
        record: record.and_then(|record| seal.seal_personal(&path(at), record)),
        address_ids: rejected.address_ids.iter().copied().map(id).collect(),
        column: column.and_then(|column| seal.seal_personal(&column_path(at), column)),
    }
}

fn encode_suppressed_for(
    at: usize,
    it: &SuppressedFor,
    seal: &dyn Seal,
) -> wire::advanced::SuppressedFor {
    let column = it.column.as_ref();
    wire::advanced::SuppressedFor {
        column: column.and_then(|column| seal.seal_personal(&suppressed_for_path(at), column)),
        reason: it.reason.to_string(),
        records: count(it.records),
        unconfirmed: it.unconfirmed,
    }
}

pub(super) fn decode(event: &Wire, open: &dyn Open) -> Result<Event, CodecError> {
    let fields = Fields(event.event_type());
    match event {
        Wire::SubscriberImportStarted(e) => Ok(Event::Started {
            file_digest: fields.digest("file_digest", &e.file_digest)?,
            lines: fields.count("lines", e.lines)?,
        }),
        Wire::SubscriberImportAdvanced(e) => Ok(Event::Advanced {
            through: fields.count("through", e.through)?,
            accepted: fields.count("accepted", e.accepted)?,
            rejected: e
                .rejected
                .iter()
                .enumerate()
                .map(|(at, rejected)| decode_rejected(fields, at, rejected, open))
                .collect::<Result<_, _>>()?,
            existing: fields.count("existing", e.existing)?,
            suppressed: fields.count("suppressed", e.suppressed)?,
            suppressed_for: e
                .suppressed_for
                .iter()
                .enumerate()
                .map(|(at, it)| decode_suppressed_for(fields, at, it, open))
                .collect::<Result<_, _>>()?,
        }),
        Wire::SubscriberImportCompleted(e) => Ok(Event::Completed {
            accepted: fields.count("accepted", e.accepted)?,
            rejected: fields.count("rejected", e.rejected)?,
            existing: fields.count("existing", e.existing)?,
            suppressed: fields.count("suppressed", e.suppressed)?,
        }),
        other => Err(CodecError::WrongStream {
            noun: SubscriberImport::NOUN,
            found: other.event_type(),
        }),
    }
}

fn decode_rejected(
    fields: Fields,
    at: usize,
    rejected: &wire::advanced::Rejected,
    open: &dyn Open,
) -> Result<Rejected, CodecError> {
    Ok(Rejected {
        line: fields.count("rejected.line", rejected.line)?,
        reason: Code::recorded(rejected.reason.clone()),
        record: open.open_optional_text(&path(at), rejected.record.as_ref())?,
        address_ids: fields.ids("rejected.address_ids", &rejected.address_ids)?,
        column: open.open_optional_text(&column_path(at), rejected.column.as_ref())?,
    })
}

fn decode_suppressed_for(
    fields: Fields,
    at: usize,
    it: &wire::advanced::SuppressedFor,
    open: &dyn Open,
) -> Result<SuppressedFor, CodecError> {
    Ok(SuppressedFor {
        column: open.open_optional_text(&suppressed_for_path(at), it.column.as_ref())?,
        reason: Code::recorded(it.reason.clone()),
        records: fields.count("suppressed_for.records", it.records)?,
        unconfirmed: it.unconfirmed,
    })
}
