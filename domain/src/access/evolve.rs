//! Looks are counted, notices kept.

use super::{Access, Event};

pub(super) fn evolve(mut state: Access, event: &Event) -> Access {
    match event {
        Event::Viewed { .. } => Access {
            views: state.views + 1,
            ..state
        },
        Event::Exported { delivery_id, .. } => {
            state.exports += 1;
            state.by_link.extend(*delivery_id);
            state
        }
        Event::NoticeIssued { notice, .. } => {
            state.notices.push(notice.clone());
            state
        }
    }
}
