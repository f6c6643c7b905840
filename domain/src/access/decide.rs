//! What is written down of a look.

use super::{Command, Event};
use crate::personal::Personal;
use crate::value::Code;

pub(super) fn decide(command: Command) -> Event {
    match command {
        Command::View {
            subscriber_id,
            what,
            reason,
        } => Event::Viewed {
            subscriber_id,
            what: Code::from_static(what.as_str()),
            reason: reason.map(Personal::Known),
        },
        Command::Export {
            subscriber_id,
            file,
            reason,
        } => Event::Exported {
            subscriber_id,
            format: Code::from_static(file.format.as_str()),
            method: Code::from_static(file.method.as_str()),
            digest: file.digest,
            events: file.events,
            through_position: file.through_position,
            reason: reason.map(Personal::Known),
        },
    }
}
