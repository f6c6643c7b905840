//! What is skipped after an event.

use super::{Event, Log};

pub(super) fn evolve(mut state: Log, event: &Event) -> Log {
    match event {
        Event::ViewSkipped { view, position, .. } => {
            state.skipped.insert((view.clone(), *position));
        }
    }
    state
}
