//! When something is skipped, and when sending stops and goes on.

use super::{Command, Event, Log};

pub(super) fn decide(state: &Log, command: Command) -> Vec<Event> {
    match command {
        Command::SkipInView { view, position, .. }
            if state.skipped_by(&view).contains(&position) =>
        {
            vec![]
        }
        Command::SkipInView {
            view,
            position,
            reason,
            fold,
        } => vec![Event::ViewSkipped {
            view,
            position,
            reason,
            fold,
        }],
        Command::Restore(restored) => vec![Event::Restored(restored)],
        Command::ReleaseDispatch => state
            .held_by
            .map(|restored| Event::DispatchReleased {
                incarnation: restored.incarnation,
            })
            .into_iter()
            .collect(),
    }
}
