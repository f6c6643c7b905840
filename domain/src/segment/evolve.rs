//! What a segment is after an event. An event that does not fit changes nothing.

use super::{Event, Segment};

pub(super) fn evolve(state: Segment, event: &Event) -> Segment {
    match (state, event) {
        (Segment::Unknown, Event::Defined { definition, .. }) => Segment::Open(definition.clone()),
        (Segment::Open(_), Event::Revised(definition)) => Segment::Open(definition.clone()),
        (Segment::Open(definition), Event::Archived { .. }) => Segment::Archived(definition),
        (state, _) => state,
    }
}
