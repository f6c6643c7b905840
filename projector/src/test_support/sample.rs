//! An event of each type, for tests.

mod engaged;
mod picking;

use tidings_event_store::uuid_bytes;
use tidings_proto::{
    Event, access, address, channel, delivery, log, publication, subscriber, subscriber_import,
    suppression, topic,
};

use super::id;
use engaged::{engagement_sample, period_sample};
use picking::{api_key_sample, record_sample, segment_sample};

/// An event of this type; `salt` varies its fields.
pub(crate) fn sample(event_type: &str, salt: u8) -> Event {
    let noun = event_type
        .split_once('.')
        .map_or(event_type, |(noun, _)| noun);
    let found = match noun {
        "access" => access_sample(event_type, salt),
        "address" => address_sample(event_type, salt),
        "api_key" => api_key_sample(event_type, salt),
        "channel" => channel_sample(event_type, salt),
        "delivery" => delivery_sample(event_type, i32::from(salt % 4), i64::from(salt)),
        "engagement" => engagement_sample(event_type, salt),
        "engagement_period" => period_sample(event_type, salt),
        "log" => log_sample(event_type, salt),
        "publication" => publication_sample(event_type, i64::from(salt)),
        "record" => record_sample(event_type, salt),
        "segment" => segment_sample(event_type, salt),
        "subscriber" => subscriber_sample(event_type, salt),
        "subscriber_import" => import_sample(event_type, i64::from(salt)),
        "suppression" => suppression_sample(event_type, salt),
        "topic" => topic_sample(event_type, salt),
        _ => None,
    };
    found.unwrap_or_else(|| panic!("a sample of {event_type} is missing here"))
}

fn log_sample(event_type: &str, salt: u8) -> Option<Event> {
    Some(match event_type {
        "log.ViewSkipped" => log::ViewSkipped {
            view: "channel_list".to_owned(),
            position: i64::from(salt) + 1,
            reason: "a bad import".to_owned(),
            fold: 1,
        }
        .into(),
        "log.Restored" => log::Restored {
            incarnation: uuid_bytes(id(salt)),
            after_position: i64::from(salt),
            parted_after: i64::from(salt),
            lost_through: i64::from(salt) + 10,
            backed_up_at_us: 0,
        }
        .into(),
        "log.DispatchReleased" => log::DispatchReleased {
            incarnation: uuid_bytes(id(salt)),
        }
        .into(),
        _ => return None,
    })
}

fn topic_sample(event_type: &str, salt: u8) -> Option<Event> {
    let name = format!("topic {salt}");
    let from = format!("crier{salt}@example.org");
    Some(match event_type {
        "topic.Defined" => topic::Defined {
            slug: format!("topic-{salt}"),
            by_default: "in".to_owned(),
            name,
            from,
            ..topic::Defined::default()
        }
        .into(),
        "topic.Revised" => topic::Revised {
            name,
            from,
            ..topic::Revised::default()
        }
        .into(),
        "topic.Archived" => topic::Archived {
            reason: "requested".to_owned(),
        }
        .into(),
        _ => return None,
    })
}

fn access_sample(event_type: &str, salt: u8) -> Option<Event> {
    Some(match event_type {
        "access.Viewed" => access::Viewed {
            what: format!("what_{}", salt % 2),
            reason: None,
            subscriber_id: uuid_bytes(id(salt % 2)),
        }
        .into(),
        "access.Exported" => access::Exported {
            format: "zip".to_owned(),
            method: "api".to_owned(),
            digest: vec![salt; 32].into(),
            events: i64::from(salt),
            through_position: i64::from(salt),
            reason: None,
            subscriber_id: uuid_bytes(id(salt % 2)),
            delivery_id: Vec::new().into(),
        }
        .into(),
        "access.NoticeIssued" => access::NoticeIssued {
            kind: "confirm_sign_up".to_owned(),
            subscriber_id: uuid_bytes(id(salt % 2)),
            delivery_id: uuid_bytes(id(salt)),
            issued_at_us: i64::from(salt),
            ..Default::default()
        }
        .into(),
        _ => return None,
    })
}

fn address_sample(event_type: &str, salt: u8) -> Option<Event> {
    let subscriber_id = uuid_bytes(id(salt % 2));
    Some(match event_type {
        "address.Claimed" => address::Claimed { subscriber_id }.into(),
        "address.Released" => address::Released { subscriber_id }.into(),
        _ => return None,
    })
}

fn channel_sample(event_type: &str, salt: u8) -> Option<Event> {
    let settings_json = format!("{{\"n\":{salt}}}");
    let credentials = salt.is_multiple_of(2).then(Default::default);
    let name = format!("channel {salt}");
    Some(match event_type {
        "channel.Configured" => {
            let kind = "email".to_owned();
            channel::Configured {
                kind,
                name,
                settings_json,
                credentials,
            }
            .into()
        }
        "channel.Reconfigured" => channel::Reconfigured {
            name,
            settings_json,
            credentials,
        }
        .into(),
        "channel.Enabled" => channel::Enabled {}.into(),
        "channel.Disabled" => channel::Disabled {
            reason: format!("reason {salt}"),
        }
        .into(),
        "channel.CircuitOpened" => channel::CircuitOpened {
            reason: format!("reason {salt}"),
            failures: 3,
            probe_at_us: 1_000_000 * i64::from(salt),
            openings: 1,
            ..Default::default()
        }
        .into(),
        "channel.CircuitProbed" => channel::CircuitProbed {
            deadline_at_us: 1_000_001 * i64::from(salt),
            ..Default::default()
        }
        .into(),
        "channel.CircuitClosed" => channel::CircuitClosed::default().into(),
        _ => return None,
    })
}

fn subscriber_sample(event_type: &str, salt: u8) -> Option<Event> {
    let some_id = || uuid_bytes(id(salt % 2));
    Some(match event_type {
        "subscriber.SignedUp" => subscriber::SignedUp {
            address_id: some_id(),
            address_suppression_id: some_id(),
            domain_suppression_id: some_id(),
            source: "api".to_owned(),
            confirmation: if salt < 3 { "not_required" } else { "asked" }.to_owned(),
            ..Default::default()
        }
        .into(),
        "subscriber.Unsubscribed" => subscriber::Unsubscribed {
            method: "page".to_owned(),
            topic_id: if salt == 4 {
                some_id()
            } else {
                Default::default()
            },
            channel_id: if salt == 3 {
                some_id()
            } else {
                Default::default()
            },
            ..Default::default()
        }
        .into(),
        "subscriber.Resubscribed" => subscriber::Resubscribed {
            topic_id: if salt == 4 {
                some_id()
            } else {
                Default::default()
            },
            channel_id: if salt == 3 {
                some_id()
            } else {
                Default::default()
            },
            ..Default::default()
        }
        .into(),
        "subscriber.Confirmed" => subscriber::Confirmed::default().into(),
        "subscriber.ContactChanged" => subscriber::ContactChanged {
            address_id: some_id(),
            address_suppression_id: some_id(),
            domain_suppression_id: some_id(),
            former_address_id: some_id(),
            former_address_suppression_id: some_id(),
            method: "api".to_owned(),
            ..Default::default()
        }
        .into(),
        "subscriber.PreferencesChanged" => subscriber::PreferencesChanged::default().into(),
        "subscriber.ErasureRequested" => subscriber::ErasureRequested::default().into(),
        "subscriber.Erased" => subscriber::Erased::default().into(),
        _ => return None,
    })
}

fn import_sample(event_type: &str, number: i64) -> Option<Event> {
    let rejected = |line: i64| subscriber_import::advanced::Rejected {
        line: line + 2,
        reason: format!("invalid {number}"),
        record: None,
        address_ids: vec![uuid_bytes(id(7)); line.unsigned_abs() as usize % 3],
        column: None,
    };
    Some(match event_type {
        "subscriber_import.Started" => subscriber_import::Started {
            lines: number,
            ..Default::default()
        }
        .into(),
        "subscriber_import.Advanced" => subscriber_import::Advanced {
            through: 10 * number,
            accepted: number,
            existing: 1,
            suppressed: number % 3,
            rejected: (0..=number).map(rejected).collect(),
            suppressed_for: vec![],
        }
        .into(),
        "subscriber_import.Completed" => subscriber_import::Completed::default().into(),
        _ => return None,
    })
}

fn suppression_sample(event_type: &str, salt: u8) -> Option<Event> {
    let reasons = [
        "manual",
        "hard_bounce",
        "complaint",
        "import",
        "unsubscribed",
        "erased",
    ];
    let salt = usize::from(salt % 6);
    Some(match event_type {
        "suppression.Added" => suppression::Added {
            scope: "address".to_owned(),
            reason: reasons[salt].to_owned(),
            ..Default::default()
        }
        .into(),
        "suppression.Lifted" => {
            let reasons = reasons[salt..].iter().map(ToString::to_string).collect();
            suppression::Lifted { reasons }.into()
        }
        _ => return None,
    })
}

fn delivery_sample(event_type: &str, attempt: i32, number: i64) -> Option<Event> {
    let (reason, code) = (format!("reason {number}"), 400 + attempt);
    let retry_at_us = 1_000_000 * number;
    Some(match event_type {
        "delivery.Planned" => delivery::Planned {
            cause_kind: "publication".to_owned(),
            cause_id: uuid_bytes(id(7)),
            channel_id: uuid_bytes(id(8)),
            subscriber_id: uuid_bytes(id(9)),
            due_at_us: 1 + number,
            ..Default::default()
        }
        .into(),
        "delivery.Attempted" => delivery::Attempted {
            attempt,
            ..Default::default()
        }
        .into(),
        "delivery.Sent" => delivery::Sent {
            attempt,
            code,
            ..Default::default()
        }
        .into(),
        "delivery.Deferred" => delivery::Deferred {
            attempt,
            reason,
            code,
            retry_at_us,
            ..Default::default()
        }
        .into(),
        "delivery.Failed" => delivery::Failed {
            attempt,
            reason,
            code,
            ..Default::default()
        }
        .into(),
        "delivery.Suppressed" => delivery::Suppressed { reason }.into(),
        "delivery.Cancelled" => delivery::Cancelled { reason }.into(),
        "delivery.Abandoned" => delivery::Abandoned {
            attempt,
            reason,
            retry_at_us,
        }
        .into(),
        "delivery.InDoubt" => delivery::InDoubt {
            attempt,
            reason,
            retry_at_us,
        }
        .into(),
        "delivery.Reopened" => delivery::Reopened {
            cause_kind: "publication".to_owned(),
            cause_id: uuid_bytes(id(7)),
            channel_id: uuid_bytes(id(8)),
            subscriber_id: uuid_bytes(id(9)),
            due_at_us: 2 + number,
            attempts: attempt,
            ..Default::default()
        }
        .into(),
        other => return report_sample(other, attempt, number),
    })
}

fn report_sample(event_type: &str, attempt: i32, number: i64) -> Option<Event> {
    let (reason, reported_at_us) = (format!("reason {number}"), 1_000_000 * number);
    Some(match event_type {
        "delivery.Delivered" => delivery::Delivered {
            attempt,
            reported_at_us,
            ..Default::default()
        }
        .into(),
        "delivery.Bounced" => delivery::Bounced {
            attempt,
            class: ["soft", "hard"][usize::from(number % 2 == 0)].to_owned(),
            reason,
            reported_at_us,
            ..Default::default()
        }
        .into(),
        "delivery.Complained" => delivery::Complained {
            attempt,
            kind: reason,
            reported_at_us,
            ..Default::default()
        }
        .into(),
        _ => return None,
    })
}

fn publication_sample(event_type: &str, number: i64) -> Option<Event> {
    let channel_ids = || {
        vec![
            uuid_bytes(id(8)),
            uuid_bytes(id(number.unsigned_abs() as u8)),
        ]
    };
    Some(match event_type {
        "publication.Drafted" => publication::Drafted {
            channel_ids: channel_ids(),
            ..Default::default()
        }
        .into(),
        "publication.Revised" => publication::Revised {
            channel_ids: channel_ids(),
            segment_ids: channel_ids(),
            excluded_segment_ids: vec![uuid_bytes(id(7))],
            ..Default::default()
        }
        .into(),
        "publication.Published" => publication::Published {
            content_version: number as i32,
        }
        .into(),
        "publication.AudienceFrozen" => publication::AudienceFrozen {
            subscribers: number,
            deliveries: 2 * number,
            ..Default::default()
        }
        .into(),
        "publication.PlanCompleted" => publication::PlanCompleted {
            planned: number,
            not_planned: number,
        }
        .into(),
        "publication.Cancelled" => publication::Cancelled {
            reason: format!("reason {number}"),
        }
        .into(),
        "publication.Completed" => publication::Completed::default().into(),
        "publication.Scheduled" => publication::Scheduled {
            local_time: format!("2026-12-24T08:00:{number:02}"),
            zone: "Europe/Berlin".to_owned(),
            at_us: 1_000_000 * number,
        }
        .into(),
        "publication.Unscheduled" => publication::Unscheduled {}.into(),
        "publication.ScheduleMissed" => publication::ScheduleMissed {
            schedule_version: 2,
            reason: "late".to_owned(),
        }
        .into(),
        "publication.Paused" => publication::Paused {
            reason: format!("reason {number}"),
        }
        .into(),
        "publication.Resumed" => publication::Resumed {}.into(),
        "publication.RetryRequested" => publication::RetryRequested {
            class: "failed".to_owned(),
            ..Default::default()
        }
        .into(),
        "publication.RetryCompleted" => publication::RetryCompleted::default().into(),
        _ => return None,
    })
}
