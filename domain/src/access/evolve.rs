//! Looks are counted.

use super::{Access, Event};

pub(super) fn evolve(state: Access, event: &Event) -> Access {
    match event {
        Event::Viewed { .. } => Access {
            views: state.views + 1,
            ..state
        },
        Event::Exported { .. } => Access {
            exports: state.exports + 1,
            ..state
        },
    }
}
