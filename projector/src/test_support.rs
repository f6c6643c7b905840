//! Histories for tests, as the log would hold them, and the law that every fold obeys.

mod sample;

use std::collections::BTreeMap;

use proptest::prelude::*;
use tidings_event_store::Recorded;
use tidings_event_store::feed::Item;
use tidings_event_store::vault::KeyRing;
use tidings_event_store::view::{Merge, Row, View};
use tidings_proto::{EVENT_TYPES, Event};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

pub(crate) use sample::sample;

/// The rows of a view by key.
pub(crate) type Rows<R> = BTreeMap<<R as Row>::Key, R>;

pub(crate) fn id(n: u8) -> Uuid {
    Uuid::from_u128(u128::from(n) + 1)
}

/// The time of the event at a position: 25 minutes apart, so that histories spread over hours.
pub(crate) fn at(position: i64) -> OffsetDateTime {
    datetime!(2026-03-01 8:00 UTC) + Duration::minutes(25 * position)
}

/// Events in commit order, numbered as the log numbers them.
pub(crate) fn history(events: impl IntoIterator<Item = (Uuid, Event)>) -> Vec<Item> {
    let mut versions = BTreeMap::new();
    let numbered = (1_i64..).zip(events).map(|(position, (stream_id, event))| {
        let version = versions.entry(stream_id).or_insert(0);
        *version += 1;
        item(position, stream_id, *version, event)
    });
    numbered.collect()
}

fn item(position: i64, stream_id: Uuid, version: i32, event: Event) -> Item {
    Item {
        recorded: Recorded {
            position,
            stream_id,
            version,
            event_id: Uuid::from_u128(position.unsigned_abs().into()),
            event_type: event.event_type().to_owned(),
            subject: None,
            occurred_at: at(position),
            recorded_at: at(position),
            actor: "cli".to_owned(),
            correlation_id: Uuid::nil(),
            causation: None,
            metadata: Vec::new().into(),
            payload: event.encode_to_vec().into(),
            digest: [0; 32],
        },
        event: Ok(event),
        claimed_batch_hash: None,
        through_stream: false,
    }
}

/// What a page of events leads to.
pub(crate) fn fold<V: View>(page: &[Item]) -> Rows<V::Row>
where
    V::Row: Merge,
{
    let mut of_page = Vec::new();
    for item in page {
        V::fold(item, &KeyRing::default(), &mut of_page).unwrap();
    }
    add(Rows::<V::Row>::new(), of_page)
}

/// Later rows on top of earlier ones.
pub(crate) fn add<R: Merge>(mut rows: Rows<R>, later: impl IntoIterator<Item = R>) -> Rows<R> {
    for row in later {
        let merged = match rows.remove(&row.key()) {
            Some(earlier) => earlier.merge(row),
            None => row,
        };
        rows.insert(merged.key(), merged);
    }
    rows.retain(|_, row| !row.is_gone());
    rows
}

/// The history cut at these places.
pub(crate) fn cut<'a>(history: &'a [Item], places: &[prop::sample::Index]) -> Vec<&'a [Item]> {
    let mut ends: Vec<usize> = places
        .iter()
        .map(|place| place.index(history.len() + 1))
        .collect();
    ends.push(history.len());
    ends.sort_unstable();
    let starts = std::iter::once(0).chain(ends.clone());
    starts
        .zip(ends)
        .map(|(start, end)| &history[start..end])
        .collect()
}

/// The law of merging: event by event, in pages one after the other, and in ranges folded apart and put
/// together from the end all come to the same rows.
pub(crate) fn obeys_the_law<V: View>(
    history: &[Item],
    places: &[prop::sample::Index],
) -> Result<Rows<V::Row>, TestCaseError>
where
    V::Row: Merge,
{
    let at_once = fold::<V>(history);
    let pages = cut(history, places);
    let live = pages.iter().fold(Rows::<V::Row>::new(), |rows, page| {
        add(rows, fold::<V>(page).into_values())
    });
    prop_assert_eq!(&live, &at_once);
    let ranges = pages
        .iter()
        .rev()
        .fold(Rows::<V::Row>::new(), |later, range| {
            add(fold::<V>(range), later.into_values())
        });
    prop_assert_eq!(&ranges, &at_once);
    Ok(at_once)
}

/// Any events on a few streams in any order, legal or not.
pub(crate) fn any_history() -> impl Strategy<Value = Vec<Item>> {
    let event = (0..3_u8, prop::sample::select(EVENT_TYPES), 0..5_u8);
    prop::collection::vec(event, 0..60).prop_map(|events| {
        // A stream holds the events of one noun: the type is part of what names it.
        let stream = |n: u8, name: &str| {
            let noun = name.split_once('.').map_or(name, |(noun, _)| noun);
            Uuid::from_u128(u128::from(n) + ((noun.len() as u128) << 64))
        };
        history(
            events
                .into_iter()
                .map(|(n, name, salt)| (stream(n, name), sample(name, salt))),
        )
    })
}
