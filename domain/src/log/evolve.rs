//! What is skipped after an event, and whether anything may be sent.

use super::{Event, Log, Restored};

pub(super) fn evolve(mut state: Log, event: &Event) -> Log {
    match event {
        Event::ViewSkipped { view, position, .. } => {
            state.skipped.insert((view.clone(), *position));
        }
        Event::Restored(restored) => state.held_by = Some(*restored),
        // An answer to an earlier restore is none to the last one.
        Event::DispatchReleased { incarnation } => {
            let answers = |held: Restored| held.incarnation == *incarnation;
            if state.held_by.is_some_and(answers) {
                state.held_by = None;
            }
        }
    }
    state
}
