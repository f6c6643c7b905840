//! When an import goes on: every record is worked off once, in the file's order.

use super::{Command, Event, Progress, Refusal, SubscriberImport};

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
                suppressed,
                rejected,
                suppressed_for,
            },
        ) => {
            let chunk = Event::Advanced {
                through,
                accepted,
                rejected,
                existing,
                suppressed,
                suppressed_for,
            };
            advance(progress, chunk)
        }
        (SubscriberImport::Completed(_), Command::Advance { .. }) => Ok(vec![]),
        (SubscriberImport::Running(progress), Command::Complete) => complete(progress),
        (SubscriberImport::Completed(_), Command::Complete) => Ok(vec![]),
    }
}

/// `chunk`: what would be recorded of it.
fn advance(progress: &Progress, chunk: Event) -> Result<Vec<Event>, Refusal> {
    let Event::Advanced {
        through,
        accepted,
        ref rejected,
        existing,
        suppressed,
        ..
    } = chunk
    else {
        return Ok(vec![]);
    };
    if through <= progress.through {
        return Ok(vec![]);
    }
    let records = accepted
        .saturating_add(existing)
        .saturating_add(suppressed)
        .saturating_add(rejected.len() as u64);
    if through - progress.through != records || through > progress.lines {
        return Err(Refusal::NotTheNextChunk {
            records,
            through,
            worked_off: progress.through,
            lines: progress.lines,
        });
    }
    Ok(vec![chunk])
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
        suppressed: progress.suppressed,
    }])
}
