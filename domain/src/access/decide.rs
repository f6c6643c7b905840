//! What is written down of a look, and whether a notice is issued.

use super::{Access, Command, Event, Notice, NoticeKind};
use crate::personal::Personal;
use crate::value::Code;
use time::{Duration, OffsetDateTime};

pub(super) fn decide(state: &Access, command: Command) -> Vec<Event> {
    match command {
        Command::View {
            subscriber_id,
            what,
            reason,
        } => vec![Event::Viewed {
            subscriber_id,
            what: Code::from_static(what.as_str()),
            reason: reason.map(Personal::Known),
        }],
        Command::Export {
            subscriber_id,
            file,
            reason,
        } => vec![Event::Exported {
            subscriber_id,
            format: Code::from_static(file.format.as_str()),
            method: Code::from_static(file.method.as_str()),
            digest: file.digest,
            events: file.events,
            through_position: file.through_position,
            reason: reason.map(Personal::Known),
            delivery_id: file.delivery_id,
        }],
        Command::Issue { kind, now, .. } if are_too_many(state, kind, now) => vec![],
        Command::Issue {
            subscriber_id,
            kind,
            delivery_id,
            now,
            departures,
            consent,
            evidence,
        } => vec![Event::NoticeIssued {
            subscriber_id,
            notice: Notice {
                kind: Code::from_static(kind.as_str()),
                delivery_id,
                issued_at: now,
                departures,
                consent,
            },
            evidence: evidence.map(Personal::Known),
        }],
    }
}

/// Whether no more notices of the kind may be issued now.
fn are_too_many(state: &Access, kind: NoticeKind, now: OffsetDateTime) -> bool {
    let is_full = |(most, within): &(usize, Duration)| issued(state, kind, now - *within) >= *most;
    kind.at_most().iter().any(is_full)
}

/// Notices of the kind since then. A clock that was put back counts too many rather than too few.
fn issued(state: &Access, kind: NoticeKind, since: OffsetDateTime) -> usize {
    let counts =
        |notice: &&Notice| notice.kind.as_str() == kind.as_str() && notice.issued_at > since;
    state.notices.iter().filter(counts).count()
}
