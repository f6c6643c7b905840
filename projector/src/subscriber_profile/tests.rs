//! The profile against a plain model that goes through a subscriber's events one by one.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::json;
use tidings_event_store::uuid_bytes;
use tidings_proto::{Event, address, subscriber};
use time::OffsetDateTime;
use uuid::Uuid;

use super::SubscriberProfile;
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
        _ => (id(50), address::Claimed { subscriber_id }.into()),
    }
}

proptest! {
    #[test]
    fn a_profile_is_where_its_events_put_it(
        confirmed: bool,
        choices in prop::collection::vec(prop_oneof![20 => 0..5_u8, 1 => Just(5), 8 => 6..8_u8], 0..20),
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
        for choice in choices {
            position += 1;
            version += i32::from(!(3..5).contains(&choice));
            match choice {
                0 => (state, left_at) = ("unsubscribed", Some(at(position))),
                1 => wants_topic = Some(false),
                6 => wants_topic = Some(true),
                7 => left_channel = Some(true),
                2 => (state, left_at) = (welcome, None),
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
        prop_assert_eq!(row.address_suppression_id, Some(id(51)));
    }
}

#[test]
fn who_has_not_signed_up_has_no_state() {
    let rows = crate::test_support::fold::<SubscriberProfile>(&history([event(4)]));
    assert_eq!(rows[&(id(0),)].state, None);
    assert_eq!(rows[&(id(0),)].version, None);
}
