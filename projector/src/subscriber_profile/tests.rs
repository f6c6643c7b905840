//! The profile against a plain model that goes through a subscriber's events one by one.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;
use tidings_event_store::uuid_bytes;
use tidings_event_store::view::Merge;
use tidings_proto::{Event, address, record, subscriber};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{SubscriberProfile, SubscriberRow};
use crate::test_support::{at, history, id, obeys_the_law};

fn signed_up(confirmation: &str) -> Event {
    subscriber::SignedUp {
        address_id: uuid_bytes(id(50)),
        address_suppression_id: uuid_bytes(id(51)),
        domain_suppression_id: uuid_bytes(id(52)),
        source: "api".to_owned(),
        confirmation: confirmation.to_owned(),
        ..Default::default()
    }
    .into()
}

/// The ids that a changed address has.
fn moved() -> Event {
    subscriber::ContactChanged {
        address_id: uuid_bytes(id(53)),
        address_suppression_id: uuid_bytes(id(54)),
        domain_suppression_id: uuid_bytes(id(55)),
        former_address_id: uuid_bytes(id(50)),
        former_address_suppression_id: uuid_bytes(id(51)),
        method: "api".to_owned(),
        ..Default::default()
    }
    .into()
}

fn event(choice: u8) -> (Uuid, Event) {
    let subscriber_id = uuid_bytes(id(0));
    match choice {
        0 => (id(0), subscriber::Unsubscribed::default().into()),
        1 => {
            let topic_id = uuid_bytes(id(60));
            (
                id(0),
                subscriber::Unsubscribed {
                    topic_id,
                    ..Default::default()
                }
                .into(),
            )
        }
        2 => (id(0), subscriber::Resubscribed::default().into()),
        3 => (id(50), address::Released { subscriber_id }.into()),
        5 => (id(0), subscriber::ErasureRequested::default().into()),
        6 => {
            let topic_id = uuid_bytes(id(60));
            (
                id(0),
                subscriber::Resubscribed {
                    topic_id,
                    ..Default::default()
                }
                .into(),
            )
        }
        7 => {
            let channel_id = uuid_bytes(id(61));
            (
                id(0),
                subscriber::Unsubscribed {
                    channel_id,
                    ..Default::default()
                }
                .into(),
            )
        }
        8 => (id(0), moved()),
        9 => {
            let name_removed = true;
            let changed = record::Changed {
                subscriber_id,
                name_removed,
                ..Default::default()
            };
            (id(70), changed.into())
        }
        _ => (id(50), address::Claimed { subscriber_id }.into()),
    }
}

proptest! {
    #[test]
    fn a_profile_is_where_its_events_put_it(
        confirmed: bool,
        choices in prop::collection::vec(prop_oneof![20 => 0..5_u8, 1 => Just(5), 8 => 6..10_u8], 0..20),
        places in prop::collection::vec(any::<Index>(), 0..4),
    ) {
        let first = [(id(0), signed_up(if confirmed { "not_required" } else { "asked" }))];
        let events = first.into_iter().chain(choices.iter().map(|choice| event(*choice)));
        let rows = obeys_the_law::<SubscriberProfile>(&history(events), &places)?;

        let welcome = if confirmed { "active" } else { "pending" };
        let (mut state, mut left_at, mut holds) = (welcome, None::<OffsetDateTime>, None);
        let mut erased_since = None;
        let (mut wants_topic, mut left_channel) = (None, None);
        let (mut version, mut position) = (1, 1);
        let (mut record_version, mut suppression_id) = (None, id(51));
        for choice in choices {
            position += 1;
            version += i32::from(![3, 4, 9].contains(&choice));
            match choice {
                0 => (state, left_at) = ("unsubscribed", Some(at(position))),
                1 => wants_topic = Some(false),
                6 => wants_topic = Some(true),
                7 => left_channel = Some(true),
                2 => (state, left_at) = (welcome, None),
                8 => suppression_id = id(54),
                9 => record_version = Some(record_version.unwrap_or(0) + 1),
                5 => erased_since = erased_since.or(Some(at(position))),
                other => holds = Some(other != 3),
            }
        }
        prop_assert_eq!(rows.len(), 1);
        let row = &rows[&(id(0),)];
        let state = erased_since.map_or(state, |_| "erased");
        prop_assert_eq!((row.state.as_deref(), row.erasure_requested_at), (Some(state), erased_since));
        prop_assert_eq!(row.unsubscribed_at, left_at);
        prop_assert_eq!(row.holds_address, holds);
        let said = |id: Uuid, what: Option<bool>| what.map(|it| json!({ id.to_string(): it }));
        prop_assert_eq!(&row.topics, &said(id(60), wants_topic));
        prop_assert_eq!(&row.left_channels, &said(id(61), left_channel));
        prop_assert_eq!((row.version, row.position), (Some(version), position));
        prop_assert_eq!(row.address_suppression_id, Some(suppression_id));
        prop_assert_eq!((row.record_version, row.named), (record_version, Some(false)));
    }
}

#[test]
fn who_has_not_signed_up_has_no_state() {
    let rows = crate::test_support::fold::<SubscriberProfile>(&history([event(4)]));
    assert_eq!(rows[&(id(0),)].state, None);
    assert_eq!(rows[&(id(0),)].version, None);
}

/// A row as patches of a record lead to.
fn some_row() -> impl Strategy<Value = SubscriberRow> {
    let value = prop_oneof![
        Just(json!(null)),
        Just(json!({ "text": "x" })),
        Just(json!({ "number": "7" }))
    ];
    let attributes = prop::option::of(prop::collection::btree_map("[a-c]", value, 0..3));
    let tags = prop::option::of(prop::collection::btree_map("[a-c]", any::<bool>(), 0..3));
    let name = prop_oneof![
        Just(None),
        Just(Some(None)),
        "[a-c]".prop_map(|name| Some(Some(name)))
    ];
    let nothing = crate::test_support::fold::<SubscriberProfile>(&history([event(9)]));
    let nothing = nothing[&(id(0),)].clone();
    (attributes, tags, name).prop_map(move |(attributes, tags, name)| SubscriberRow {
        attributes: attributes.map(|it| json!(it)),
        tags: tags.map(|it| json!(it)),
        named: name.as_ref().map(Option::is_some),
        name: name.flatten(),
        ..nothing.clone()
    })
}

proptest! {
    #[test]
    fn patches_of_a_record_merge_like_a_merge(rows in prop::collection::vec(some_row(), 1..6)) {
        let one_by_one = rows.clone().into_iter().reduce(Merge::merge).unwrap();
        let from_the_end = rows.clone().into_iter().rev().reduce(|later, earlier| earlier.merge(later)).unwrap();
        prop_assert_eq!(&one_by_one, &from_the_end);
        // The last word on each.
        let name = rows.iter().rev().find(|row| row.named.is_some());
        prop_assert_eq!(&one_by_one.name, &name.and_then(|row| row.name.clone()));
        for key in ["a", "b", "c"] {
            let last = |of: fn(&SubscriberRow) -> &Option<serde_json::Value>| {
                rows.iter().rev().find_map(|row| of(row).as_ref()?.get(key).cloned())
            };
            let merged = |all: &Option<serde_json::Value>| all.as_ref().and_then(|all| all.get(key).cloned());
            prop_assert_eq!(merged(&one_by_one.attributes), last(|row| &row.attributes));
            prop_assert_eq!(merged(&one_by_one.tags), last(|row| &row.tags));
        }
    }
}

#[test]
fn nothing_of_a_record_is_kept_of_whoever_is_erased() {
    let row = SubscriberRow {
        name: Some("Ada".to_owned()),
        attributes: Some(json!({ "city": { "text": "Kyiv" } })),
        tags: Some(json!({ "vip": true })),
        ..crate::test_support::fold::<SubscriberProfile>(&history([event(9)]))[&(id(0),)].clone()
    };
    let erasing = crate::test_support::fold::<SubscriberProfile>(&history([event(5)]));
    let erasing = erasing[&(id(0),)].clone();
    for merged in [row.clone().merge(erasing.clone()), erasing.merge(row)] {
        assert_eq!(
            (merged.name, merged.attributes, merged.tags),
            (None, None, None)
        );
    }
}
