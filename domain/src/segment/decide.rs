//! What an editor may do with a segment.

use super::{Command, Event, Refusal, Segment};

pub(super) fn decide(state: &Segment, command: Command) -> Result<Vec<Event>, Refusal> {
    match (state, command) {
        (Segment::Unknown, Command::Define { slug, definition }) => {
            Ok(vec![Event::Defined { slug, definition }])
        }
        (_, Command::Define { .. }) => Err(Refusal::AlreadyDefined),
        (Segment::Unknown, _) => Err(Refusal::NotFound),
        (Segment::Open(before), Command::Revise(definition)) if *before == definition => Ok(vec![]),
        (Segment::Open(_), Command::Revise(definition)) => Ok(vec![Event::Revised(definition)]),
        (Segment::Archived(_), Command::Revise(_)) => Err(Refusal::Archived),
        (Segment::Open(_), Command::Archive { reason }) => Ok(vec![Event::Archived { reason }]),
        (Segment::Archived(_), Command::Archive { .. }) => Ok(vec![]),
    }
}
