//! Events of the streams that have few kinds of them.

use time::macros::datetime;

use super::later::consent;
use super::{code, id};
use crate::personal::Personal::Known;
use crate::value::{Evidence, KeyName, LookReason, Scope, SkipReason};
use crate::{access, address, api_key, log};

pub(super) fn access_events() -> Vec<access::Event> {
    let reason = || Some(Known(LookReason::parse("Ada asked by mail").unwrap()));
    vec![
        access::Event::Viewed {
            subscriber_id: id(1),
            what: code("profile"),
            reason: reason(),
        },
        access::Event::Exported {
            subscriber_id: id(1),
            format: code("zip"),
            method: code("api"),
            digest: [6; 32],
            events: 1_000,
            through_position: 1_234,
            reason: reason(),
            delivery_id: None,
        },
        access::Event::NoticeIssued {
            subscriber_id: id(1),
            notice: access::Notice {
                kind: code("confirm_sign_up"),
                delivery_id: id(2),
                issued_at: datetime!(2026-01-02 03:04:05.678901 UTC),
                departures: 1,
                consent: Some(consent()),
            },
            evidence: Some(Known(Evidence::user_agent("Browser/7"))),
        },
    ]
}

pub(super) fn address_events() -> Vec<address::Event> {
    vec![
        address::Event::Claimed {
            subscriber_id: id(1),
        },
        address::Event::Released {
            subscriber_id: id(1),
        },
    ]
}

pub(super) fn api_key_events() -> Vec<api_key::Event> {
    use api_key::{Card, Event, Secret};
    let secret = |n| Secret {
        hash: [n; 32],
        until: datetime!(2027-01-02 03:04:05.678901 UTC),
    };
    vec![
        Event::Created {
            card: Card {
                name: KeyName::parse("Web shop").unwrap(),
                roles: vec![code("service"), code("editor")],
                scopes: ["publications:write", "subscribers:write"]
                    .map(|scope| Scope::parse(scope).unwrap())
                    .to_vec(),
            },
            secret: secret(6),
            prefix: "tdk_AQGS86QAAHAAgAAAAAAAAA".to_owned(),
        },
        Event::Rotated {
            secret: secret(7),
            previous_until: Some(datetime!(2026-01-03 03:04:05.678901 UTC)),
            prefix: "tdk_AQGS86QAAHAAgAAAAAAAAA".to_owned(),
        },
        Event::Revoked {
            reason: code("requested"),
        },
    ]
}

pub(super) fn log_events() -> Vec<log::Event> {
    vec![
        log::Event::ViewSkipped {
            view: "delivery_log".to_owned(),
            position: 1_234,
            reason: SkipReason::parse("a bad import").unwrap(),
            fold: 2,
        },
        log::Event::Restored(log::Restored {
            incarnation: id(1),
            after_position: 1_000,
            parted_after: 990,
            lost_through: 1_234,
            backed_up_at: Some(datetime!(2026-03-01 02:00 UTC)),
        }),
        log::Event::DispatchReleased { incarnation: id(1) },
    ]
}
