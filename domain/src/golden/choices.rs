//! Topics, and the shapes that came with them: what readers choose one by one.

use serde_json::json;
use uuid::Uuid;

use super::{code, id};
use crate::personal::Personal::Known;
use crate::value::{
    ChannelIds, Description, ListId, Mailbox, Markdown, SegmentIds, SegmentName, Slug, Title,
    TopicIds, TopicName,
};
use crate::{publication, segment, topic};

/// Since publications are about topics, and may be urgent.
pub(super) fn publication_events_with_topics() -> Vec<publication::Event> {
    use publication::{Aim, Content, Event, Priority};
    let content = || {
        let markdown = Markdown::parse("Hello *world*\n").unwrap();
        Content::new(Title::parse("Good news").unwrap(), markdown)
    };
    let channel_ids = || ChannelIds::parse(vec![id(2)]).unwrap();
    let aim = || Aim {
        topic_ids: TopicIds::parse(vec![id(4), id(3)]).unwrap(),
        priority: Priority::Urgent,
        ..Aim::default()
    };
    vec![
        Event::Drafted {
            content: content(),
            channel_ids: channel_ids(),
            aim: aim(),
        },
        Event::Revised {
            content: content(),
            channel_ids: channel_ids(),
            aim: aim(),
        },
    ]
}

/// Since publications go to segments: the one that is drafted, revised, and whose audience is frozen.
pub(super) fn publication_events_with_segments() -> [Vec<publication::Event>; 2] {
    use publication::{Aim, AskedSegment, Audience, Event, Picked};
    let segments = |ids: &[u8]| SegmentIds::parse(ids.iter().copied().map(id).collect()).unwrap();
    let mut events = publication_events_with_topics();
    let aims = [
        Aim {
            segment_ids: segments(&[6, 5]),
            excluded_segment_ids: segments(&[7]),
            ..Aim::default()
        },
        Aim {
            topic_ids: TopicIds::parse(vec![id(4)]).unwrap(),
            excluded_segment_ids: segments(&[7, 8]),
            ..Aim::default()
        },
    ];
    for (event, its) in events.iter_mut().zip(aims) {
        if let Event::Drafted { aim, .. } | Event::Revised { aim, .. } = event {
            *aim = its;
        }
    }
    let asked = [(6, 2), (5, 1), (7, 300)];
    let frozen = Event::AudienceFrozen {
        audience: Audience {
            view_position: 1_000,
            subscribers: 3,
            deliveries: 6,
            digest: [5; 32],
        },
        picked: Some(Picked {
            segments: asked
                .map(|(n, version)| AskedSegment {
                    segment_id: id(n),
                    version,
                })
                .to_vec(),
            bits: vec![0b1000_0001, 0b0100_0000],
        }),
    };
    [events, vec![frozen]]
}

pub(super) fn segment_events() -> Vec<segment::Event> {
    use segment::{Condition, Definition, Event};
    let condition = json!({ "all": [
        { "any": [{ "state": "active" }, { "state": "pending" }] },
        { "not": { "tag": "trial" } },
        { "topic": Uuid::from_bytes([4; 16]) },
        { "attribute": "city", "is": ["Kyiv", 7.5, true, { "date": "2026-03-01" }] },
        { "attribute": "age", "at_least": 18 },
        { "attribute": "title", "contains": "Dr" },
        { "attribute": "zip" },
    ] });
    let topics = [(id(4), topic::ByDefault::In)].into();
    let definition = || Definition {
        name: SegmentName::parse("Readers").unwrap(),
        description: Some(Description::parse("Who may like it").unwrap()),
        condition: Known(Condition::parse(&condition, &topics).unwrap()),
    };
    vec![
        Event::Defined {
            slug: Slug::parse("readers").unwrap(),
            definition: definition(),
        },
        Event::Revised(definition()),
        Event::Archived {
            reason: code("requested"),
        },
    ]
}

pub(super) fn topic_events() -> Vec<topic::Event> {
    use topic::{ByDefault, Card, Event, Sender};
    let card = || Card {
        name: TopicName::parse("Markets").unwrap(),
        description: Some(Description::parse("Prices, every evening").unwrap()),
        sender: Sender {
            from: Some(Mailbox::parse("Crier <crier@example.org>").unwrap()),
            reply_to: Some(Mailbox::parse("desk@example.org").unwrap()),
            list_id: Some(ListId::parse("Markets <markets.example.org>").unwrap()),
        },
    };
    vec![
        Event::Defined {
            slug: Slug::parse("markets").unwrap(),
            by_default: ByDefault::Out,
            card: card(),
        },
        Event::Revised { card: card() },
        Event::Archived {
            reason: code("requested"),
        },
    ]
}
