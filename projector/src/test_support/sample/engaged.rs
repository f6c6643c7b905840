//! Events of what readers did with mails, and of for how long that is kept.

use tidings_event_store::uuid_bytes;
use tidings_proto::{Event, engagement, engagement_period};

use super::id;

const AGENTS: [(&str, bool); 5] = [
    ("reader", false),
    ("scanner", true),
    ("proxy", false),
    ("prefetch", true),
    ("unknown", false),
];

pub(super) fn engagement_sample(event_type: &str, salt: u8) -> Option<Event> {
    let (agent, machine) = AGENTS[usize::from(salt) % AGENTS.len()];
    let opened = engagement::Opened {
        cause_kind: "publication".to_owned(),
        cause_id: uuid_bytes(id(7)),
        content_version: 2,
        channel_id: uuid_bytes(id(8)),
        delivery_id: uuid_bytes(id(salt % 3)),
        subscriber_id: uuid_bytes(id(9)),
        period: period(salt),
        agent: agent.to_owned(),
        machine,
        rules: 1,
        evidence: salt.is_multiple_of(2).then(Default::default),
    };
    Some(match event_type {
        "engagement.Opened" => opened.into(),
        "engagement.Clicked" => engagement::Clicked {
            cause_kind: opened.cause_kind,
            cause_id: opened.cause_id,
            content_version: opened.content_version,
            channel_id: opened.channel_id,
            delivery_id: opened.delivery_id,
            subscriber_id: opened.subscriber_id,
            period: opened.period,
            agent: opened.agent,
            machine: opened.machine,
            rules: opened.rules,
            evidence: opened.evidence,
            link: None,
        }
        .into(),
        _ => return None,
    })
}

pub(super) fn period_sample(event_type: &str, salt: u8) -> Option<Event> {
    let period = period(salt);
    Some(match event_type {
        "engagement_period.Closed" => engagement_period::Closed {
            period,
            reason: "age".to_owned(),
        }
        .into(),
        "engagement_period.Shredded" => engagement_period::Shredded {
            period,
            key_id: uuid_bytes(id(salt)),
        }
        .into(),
        _ => return None,
    })
}

fn period(salt: u8) -> String {
    format!("2026-0{}", 1 + salt % 2)
}
