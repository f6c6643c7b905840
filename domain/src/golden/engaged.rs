//! Events of what readers did with a message, and of for how long that is kept.

use super::{code, id};
use crate::delivery::Cause;
use crate::personal::Personal::Known;
use crate::value::{Evidence, Month};
use crate::{engagement, engagement_period};

pub(super) fn engagement_events() -> Vec<engagement::Event> {
    use engagement::{Event, Hit};
    let hit = |evidence| Hit {
        cause: Cause::Publication(id(1)),
        content_version: 2,
        channel_id: id(3),
        delivery_id: id(4),
        subscriber_id: id(5),
        month: Month::parse("2026-09").unwrap(),
        agent: code("scanner"),
        machine: true,
        rules: 1,
        evidence: Some(Known(evidence)),
    };
    vec![
        Event::Opened(hit(Evidence::user_agent("Mail/7"))),
        Event::Clicked {
            hit: hit(Evidence::of_click("Browser/7", "https://example.org/a")),
            link_id: Some(Known(id(6))),
        },
    ]
}

pub(super) fn period_events() -> Vec<engagement_period::Event> {
    use engagement_period::Event;
    let month = Month::parse("2026-09").unwrap();
    vec![
        Event::Closed {
            month,
            reason: code("age"),
        },
        Event::Shredded {
            month,
            key_id: id(1),
        },
    ]
}
