//! Events of records, segments and API keys.

use tidings_event_store::uuid_bytes;
use tidings_proto::{Event, api_key, common, record, segment};

use super::id;

pub(super) fn api_key_sample(event_type: &str, salt: u8) -> Option<Event> {
    let expires_at_us = 1_800_000_000_000_000 + i64::from(salt);
    Some(match event_type {
        "api_key.Created" => api_key::Created {
            name: format!("key {salt}"),
            roles: vec!["service".to_owned()],
            scopes: vec!["topics:read".to_owned()],
            secret_hash: vec![salt; 32].into(),
            expires_at_us,
            prefix: format!("tdk_{salt}"),
        }
        .into(),
        "api_key.Rotated" => api_key::Rotated {
            secret_hash: vec![salt; 32].into(),
            previous_until_us: 1_700_000_000_000_000 + i64::from(salt),
            expires_at_us,
            prefix: "tdk_AQ".to_owned(),
        }
        .into(),
        "api_key.Revoked" => api_key::Revoked {
            reason: format!("reason_{salt}"),
        }
        .into(),
        _ => return None,
    })
}

pub(super) fn record_sample(event_type: &str, salt: u8) -> Option<Event> {
    let nobodys = |has: bool| has.then(Default::default);
    Some(match event_type {
        "record.Changed" => record::Changed {
            subscriber_id: uuid_bytes(id(salt % 2)),
            name: nobodys(salt < 2),
            name_removed: salt == 2,
            attributes: nobodys(salt.is_multiple_of(2)),
            tags: nobodys(salt != 3),
        }
        .into(),
        _ => return None,
    })
}

pub(super) fn segment_sample(event_type: &str, salt: u8) -> Option<Event> {
    let name = format!("segment {salt}");
    // Sealed for nobody.
    let condition = common::Sealed::default();
    Some(match event_type {
        "segment.Defined" => segment::Defined {
            slug: format!("segment-{salt}"),
            name,
            condition: Some(condition),
            ..Default::default()
        }
        .into(),
        "segment.Revised" => segment::Revised {
            name,
            condition: Some(condition),
            ..Default::default()
        }
        .into(),
        "segment.Archived" => segment::Archived {
            reason: "requested".to_owned(),
        }
        .into(),
        _ => return None,
    })
}
