//! When an import goes on: every record is worked off once, in the file's order.

use super::{Command, Event, Progress, Refusal, Rejected, SubscriberImport};

pub(super) fn decide(state: &SubscriberImport, command: Command) -> Result<Vec<Event>, Refusal> {
    match (state, command) {
        (SubscriberImport::Unknown, Command::Start { file_digest, lines }) => {
            Ok(vec![Event::Started { file_digest, lines }])
        }
        (_, Command::Start { .. }) => Err(Refusal::AlreadyStarted),
        (SubscriberImport::Unknown, _) => Err(Refusal::NotFound),
        (
            SubscriberImport::Running(progress),
            Command::Advance {
                through,
                accepted,
                existing,
                rejected,
            },
        ) => advance(progress, through, accepted, existing, rejected),
        (SubscriberImport::Completed(_), Command::Advance { .. }) => Ok(vec![]),
        (SubscriberImport::Running(progress), Command::Complete) => complete(progress),
        (SubscriberImport::Completed(_), Command::Complete) => Ok(vec![]),
    }
}

fn advance(
    progress: &Progress,
    through: u64,
    accepted: u64,
    existing: u64,
    rejected: Vec<Rejected>,
) -> Result<Vec<Event>, Refusal> {
    if through <= progress.through {
        return Ok(vec![]);
    }
    let records = accepted
        .saturating_add(existing)
        .saturating_add(rejected.len() as u64);
    if through - progress.through != records || through > progress.lines {
        return Err(Refusal::NotTheNextChunk {
            records,
            through,
            worked_off: progress.through,
            lines: progress.lines,
        });
    }
    Ok(vec![Event::Advanced {
        through,
        accepted,
        rejected,
        existing,
    }])
}

fn complete(progress: &Progress) -> Result<Vec<Event>, Refusal> {
    if progress.through != progress.lines {
        return Err(Refusal::NotFinished {
            through: progress.through,
            lines: progress.lines,
        });
    }
    Ok(vec![Event::Completed {
        accepted: progress.accepted,
        rejected: progress.rejected,
        existing: progress.existing,
    }])
}
