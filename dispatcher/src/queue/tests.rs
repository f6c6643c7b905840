//! What the queue says of a delivery after any events, however they are cut into pages.

use proptest::prelude::*;
use tidings_proto::delivery::{Abandoned, Attempted, InDoubt};
use tidings_proto::to_us;
use time::macros::datetime;

use super::*;

const ID: Uuid = Uuid::from_u128(7);

/// A minute apart.
fn at(position: i64) -> OffsetDateTime {
    datetime!(2026-03-01 8:00 UTC) + time::Duration::MINUTE * position as i32
}

fn item(position: i64, event: Event) -> Item {
    Item {
        recorded: Recorded {
            position,
            stream_id: ID,
            version: position as i32,
            event_id: Uuid::from_u128(position as u128),
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

fn plan() -> Event {
    Event::DeliveryPlanned(Box::new(Planned {
        cause_kind: "publication".to_owned(),
        due_at_us: to_us(at(1)),
        ..Planned::default()
    }))
}

fn attempted() -> Event {
    Event::DeliveryAttempted(Box::new(Attempted {
        attempt: 1,
        ..Attempted::default()
    }))
}

fn deferred(reason: &str, channel_down: bool) -> Event {
    Event::DeliveryDeferred(Box::new(Deferred {
        reason: reason.to_owned(),
        channel_down,
        retry_at_us: to_us(at(90)),
        ..Deferred::default()
    }))
}

fn abandoned(reason: &str) -> Event {
    Event::DeliveryAbandoned(Box::new(Abandoned {
        reason: reason.to_owned(),
        retry_at_us: to_us(at(95)),
        ..Abandoned::default()
    }))
}

fn rows(items: &[Item]) -> Vec<QueueRow> {
    let mut rows = Vec::new();
    for item in items {
        DispatchQueue::fold(item, &KeyRing::default(), &mut rows).unwrap();
    }
    rows
}

/// The row that these events lead to, the plan first.
fn after(events: &[Event]) -> QueueRow {
    let events = [plan()].into_iter().chain(events.iter().cloned());
    let items: Vec<Item> = (1..).zip(events).map(|(n, it)| item(n, it)).collect();
    let merged = rows(&items).into_iter().reduce(Merge::merge);
    merged.unwrap()
}

#[test]
fn a_delivery_waits_for_its_channel_if_that_is_to_blame_and_else_for_its_own_time() {
    let whom = |event: Event| after(&[attempted(), event]).put_off_for.unwrap();
    // Given the way there, the receiving side as a whole, or our settings.
    for reason in [
        "connect_failed",
        "server_error",
        "service_unavailable",
        "token_refused",
        "quota_exceeded",
    ] {
        assert_eq!(whom(deferred(reason, false)), FOR_CHANNEL, "{reason}");
    }
    // Given what may be said of this receiver or message, or asks us to come back later.
    for reason in ["try_later", "mailbox_full", "rejected", "unheard_of"] {
        assert_eq!(whom(deferred(reason, false)), FOR_ITSELF, "{reason}");
    }
    // One that was one too many waits as the channel does, and is none that did not get through.
    for reason in ["rate_limited", "throttled"] {
        assert_eq!(whom(deferred(reason, true)), FOR_PACE, "{reason}");
    }
    // "Later" may be one receiver's word. If the channel was found to take nothing it waits half a minute anyway.
    assert_eq!(whom(deferred("try_later", true)), FOR_ITSELF);
    for reason in ["preferences", "domain_slowed", "paced"] {
        assert_eq!(whom(abandoned(reason)), FOR_ITSELF, "{reason}");
    }
}

#[test]
fn what_its_reader_wants_later_waits_from_the_plan_on_and_what_goes_at_once_does_not() {
    let planned_for = |minute| {
        let plan = Planned {
            due_at_us: to_us(at(minute)),
            ..Planned::default()
        };
        let items = [item(5, Event::DeliveryPlanned(Box::new(plan)))];
        rows(&items).remove(0).put_off_for
    };
    assert_eq!(planned_for(6).as_deref(), Some(FOR_ITSELF));
    for at_once in [5, 4] {
        assert_eq!(planned_for(at_once), None);
    }
}

#[test]
fn the_last_word_says_for_whom_it_waits_and_the_first_one_of_the_channel_since_when() {
    let down = || deferred("connect_failed", false);
    let row = after(&[attempted(), down(), attempted(), down()]);
    assert_eq!(
        (row.put_off_at, row.put_off_since),
        (Some(at(5)), Some(at(3)))
    );
    assert_eq!(row.put_off_reason.as_deref(), Some("connect_failed"));
    assert_eq!((row.due_at, row.position), (Some(at(90)), 5));
    // While it is tried once more nothing else is known.
    let row = after(&[attempted(), down(), attempted()]);
    assert_eq!(row.put_off_for.as_deref(), Some(FOR_CHANNEL));
    let row = after(&[attempted(), down(), attempted(), abandoned("preferences")]);
    assert_eq!(row.put_off_for.as_deref(), Some(FOR_ITSELF));
    // Reopened, it has been put off by nobody.
    let reopened = Event::DeliveryReopened(Box::default());
    let row = after(&[attempted(), down(), reopened]);
    assert_eq!((row.put_off_for, row.put_off_since), (None, None));
}

fn any_event() -> impl Strategy<Value = Event> {
    let reason = prop::sample::select(vec!["connect_failed", "try_later", "preferences", "paced"]);
    prop_oneof![
        Just(attempted()),
        (reason.clone(), any::<bool>()).prop_map(|(reason, down)| deferred(reason, down)),
        reason.prop_map(abandoned),
        Just(Event::DeliveryReopened(Box::default())),
        Just(Event::DeliverySent(Box::default())),
        (0..2_i64).prop_map(|retry_at_us| Event::DeliveryInDoubt(Box::new(InDoubt {
            retry_at_us,
            ..InDoubt::default()
        }))),
    ]
}

proptest! {
    /// A rebuild folds ranges apart and puts them together from any end.
    #[test]
    fn however_a_history_is_cut_it_comes_to_the_same_row(events in prop::collection::vec(any_event(), 0..12)) {
        let events = [plan()].into_iter().chain(events);
        let items: Vec<Item> = (1..).zip(events).map(|(n, it)| item(n, it)).collect();
        let rows = rows(&items);
        let one_by_one = rows.iter().cloned().reduce(Merge::merge);
        let from_the_end = rows.iter().cloned().rev().reduce(|later, earlier| earlier.merge(later));
        prop_assert_eq!(one_by_one, from_the_end);
    }
}
