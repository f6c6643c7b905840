//! What an editor may do with a topic.

use super::{Command, Event, Refusal, Topic};

pub(super) fn decide(state: &Topic, command: Command) -> Result<Vec<Event>, Refusal> {
    match (state, command) {
        (
            Topic::Unknown,
            Command::Define {
                slug,
                by_default,
                card,
            },
        ) => Ok(vec![Event::Defined {
            slug,
            by_default,
            card,
        }]),
        (_, Command::Define { .. }) => Err(Refusal::AlreadyDefined),
        (Topic::Unknown, _) => Err(Refusal::NotFound),
        (Topic::Open { card: before, .. }, Command::Revise { card }) if *before == card => {
            Ok(vec![])
        }
        (Topic::Open { .. }, Command::Revise { card }) => Ok(vec![Event::Revised { card }]),
        (Topic::Archived { .. }, Command::Revise { .. }) => Err(Refusal::Archived),
        (Topic::Open { .. }, Command::Archive { reason }) => Ok(vec![Event::Archived { reason }]),
        (Topic::Archived { .. }, Command::Archive { .. }) => Ok(vec![]),
    }
}
