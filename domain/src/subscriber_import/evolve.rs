//! How far an import is after an event. An event that does not fit changes nothing.

use super::{Event, Progress, SubscriberImport};

pub(super) fn evolve(state: SubscriberImport, event: &Event) -> SubscriberImport {
    match (state, event) {
        (SubscriberImport::Unknown, Event::Started { lines, .. }) => {
            SubscriberImport::Running(Progress {
                lines: *lines,
                ..Progress::default()
            })
        }
        (
            SubscriberImport::Running(progress),
            Event::Advanced {
                through,
                accepted,
                rejected,
                existing,
                suppressed,
                ..
            },
        ) => SubscriberImport::Running(Progress {
            lines: progress.lines,
            through: *through,
            accepted: progress.accepted.saturating_add(*accepted),
            rejected: progress.rejected.saturating_add(rejected.len() as u64),
            existing: progress.existing.saturating_add(*existing),
            suppressed: progress.suppressed.saturating_add(*suppressed),
        }),
        (SubscriberImport::Running(progress), Event::Completed { .. }) => {
            SubscriberImport::Completed(progress)
        }
        (state, _) => state,
    }
}
