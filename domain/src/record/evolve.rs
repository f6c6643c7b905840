//! The last word on each counts. What was erased says nothing.

use super::{Event, NameChange, Record};
use crate::personal::Personal;

pub(super) fn evolve(mut state: Record, event: &Event) -> Record {
    let Event::Changed {
        name,
        attributes,
        tags,
        ..
    } = event;
    if *name != NameChange::Unchanged {
        state.name = name.clone();
    }
    if let Some(Personal::Known(patch)) = attributes {
        let changes = patch.changes().iter();
        state
            .attributes
            .extend(changes.map(|(key, value)| (key.clone(), value.clone())));
    }
    if let Some(Personal::Known(patch)) = tags {
        state.tags.retain(|tag| !patch.removed.contains(tag));
        state.tags.extend(patch.added.iter().cloned());
    }
    state
}
