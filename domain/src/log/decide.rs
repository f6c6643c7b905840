//! When something is skipped.

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
    }
}
