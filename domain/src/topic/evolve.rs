//! What a topic is after an event. An event that does not fit changes nothing.

use super::{Event, Topic};

pub(super) fn evolve(state: Topic, event: &Event) -> Topic {
    match (state, event) {
        (
            Topic::Unknown,
            Event::Defined {
                slug,
                by_default,
                card,
            },
        ) => Topic::Open {
            slug: slug.clone(),
            by_default: *by_default,
            card: card.clone(),
        },
        (
            Topic::Open {
                slug, by_default, ..
            },
            Event::Revised { card },
        ) => Topic::Open {
            slug,
            by_default,
            card: card.clone(),
        },
        (
            Topic::Open {
                slug,
                by_default,
                card,
            },
            Event::Archived { .. },
        ) => Topic::Archived {
            slug,
            by_default,
            card,
        },
        (state, _) => state,
    }
}
