//! What the stream of before knows beyond the log, and when a restore does not go on without it.

use tidings_dispatcher::held::{Unrecorded, doubt_unrecorded};
use tidings_domain::log::Restored;
use tidings_event_store::restore::{
    Attempt, Before, InStream, Planned, RestoreError, in_stream, record,
};
use tidings_event_store::stream::StreamName;
use tidings_event_store::{Past, Store};
use tidings_sinks::smtp;
use tidings_tests::Platform;
use tidings_tests::house::House;
use uuid::Uuid;

async fn ask(
    platform: &Platform,
    name: &StreamName,
    before: Before,
) -> Result<InStream, RestoreError> {
    let log = platform.store.log();
    in_stream(log, platform.nats.clone(), name, before).await
}

/// Nothing is known without the stream of a log that ends here.
fn blind(end: i64) -> Before {
    Before {
        same: 0,
        witnessed: 0,
        end,
    }
}

#[tokio::test]
async fn a_stream_that_can_not_tell_is_an_error_that_names_the_remedy() {
    let platform = Platform::start().await;
    let end = platform.fill(40, 1).await;
    platform.relay().await;
    let found = ask(&platform, &platform.name, blind(end)).await.unwrap();
    assert_eq!((found.same, found.through), (end, end));

    let refused = async |name: &StreamName, before| {
        let refused = ask(&platform, name, before).await.unwrap_err().to_string();
        assert!(refused.contains("--without-stream"), "{refused}");
        refused
    };
    let other = platform.name.of(Uuid::from_u128(7));
    let text = refused(&other, blind(end)).await;
    assert!(text.contains("is not there"), "{text}");
    let none = ask(&platform, &other, blind(0)).await.unwrap();
    assert_eq!(none, InStream::default(), "there was no log");

    // One that lost what it held: all that is known comes from the witness.
    let jetstream = async_nats::jetstream::new(platform.nats.clone());
    let emptied = StreamName::new("emptied", Uuid::from_u128(8));
    emptied.ensure(&jetstream, 50).await.unwrap();
    let witnessed = |witnessed| Before {
        witnessed,
        ..blind(end)
    };
    let text = refused(&emptied, witnessed(48)).await;
    assert!(text.contains("begins at position 50"), "{text}");
    let found = ask(&platform, &emptied, witnessed(49)).await.unwrap();
    assert_eq!((found.same, found.through), (0, 49));

    // Where what it still holds is the log's, nothing is missing before it.
    let stream = jetstream.get_stream(&platform.name.stream).await.unwrap();
    stream.purge().sequence(30).await.unwrap();
    let found = ask(&platform, &platform.name, blind(end)).await.unwrap();
    assert_eq!(found.same, end);
}

#[tokio::test]
async fn it_tells_where_the_log_parted_from_it() {
    let platform = Platform::start().await;
    platform.fill(40, 1).await;
    platform.relay().await;
    for parted in [40, 23, 1] {
        let client = platform.pool.get().await.unwrap();
        let sql = format!(
            "delete from publishing_events where position > {parted};
             delete from publishing_batches where last_position > {parted}"
        );
        client.batch_execute(&sql).await.unwrap();
        let end = platform.fill(60, 1).await;
        let found = ask(&platform, &platform.name, blind(end)).await.unwrap();
        assert_eq!((found.same, found.through), (parted, 40));
    }
}

#[tokio::test]
async fn a_witness_that_went_on_with_the_log_hides_nothing_of_the_stream() {
    let platform = Platform::start().await;
    platform.fill(40, 1).await;
    platform.relay().await;
    let client = platform.pool.get().await.unwrap();
    let sql = "delete from publishing_events where position > 23;
               delete from publishing_batches where last_position > 23";
    client.batch_execute(sql).await.unwrap();
    let end = platform.fill(60, 1).await;
    // Signed after they parted: short of what the stream holds, and beyond it.
    for signed in [30, end] {
        let before = Before {
            same: signed,
            witnessed: signed,
            end,
        };
        let found = ask(&platform, &platform.name, before).await.unwrap();
        assert_eq!((found.same, found.through), (23, 40));
    }

    // What the stream does not hold any more, such a witness knows nothing of.
    let jetstream = async_nats::jetstream::new(platform.nats.clone());
    let stream = jetstream.get_stream(&platform.name.stream).await.unwrap();
    stream.purge().sequence(26).await.unwrap();
    let before = Before {
        same: end,
        witnessed: end,
        end,
    };
    let refused = ask(&platform, &platform.name, before).await.unwrap_err();
    assert!(refused.to_string().contains("begins at position 26"));
}

#[tokio::test]
async fn a_stream_that_lags_takes_nothing_from_the_witness() {
    let platform = Platform::start().await;
    platform.fill(20, 1).await;
    platform.relay().await;
    let end = platform.fill(20, 1).await;
    let before = Before {
        same: end,
        witnessed: end,
        end,
    };
    let found = ask(&platform, &platform.name, before).await.unwrap();
    assert_eq!((found.same, found.through), (end, 20));
}

/// A publication to three readers, one of whom was put off; the log goes back to when all was planned, or to before.
async fn sent_and_lost(house: &House, back_to_planned: bool) -> i64 {
    for name in [
        "ada@example.org",
        "grace@example.org",
        "edsger@later.example",
    ] {
        house.subscriber(name).await;
    }
    let later = smtp::Rule::reply(smtp::Phase::RcptTo, 450, "4.7.1 come back later");
    house.smtp.add_rule(later.to_ending("@later.example"));
    let channel = house.email_channel().await;
    house.platform.settle().await;
    house
        .publish("The ferry", "It runs again.", &[channel])
        .await;
    house.platform.settle().await;
    assert_eq!(house.smtp.count(), 2);
    let first = match back_to_planned {
        true => "delivery.Attempted",
        false => "delivery.Planned",
    };
    let client = house.platform.pool.get().await.unwrap();
    let sql = "select max(b.last_position) from publishing_batches b \
               where b.last_position < (select min(position) from publishing_events where type = $1)";
    let end: i64 = client.query_one(sql, &[&first]).await.unwrap().get(0);
    let sql = format!(
        "delete from publishing_events where position > {end};
         delete from publishing_batches where last_position > {end}"
    );
    client.batch_execute(&sql).await.unwrap();
    end
}

async fn restored(house: &House, after: i64) -> Past {
    let restored = Restored {
        incarnation: house.platform.ids.next(),
        after_position: after,
        parted_after: after,
        lost_through: after,
        backed_up_at: None,
    };
    let now = house.platform.clock.clock().now();
    record(&house.platform.store, restored, now).await.unwrap()
}

async fn types(store: &Store, stream_id: Uuid) -> Vec<String> {
    let events = store.log().stream(stream_id).await.unwrap();
    events.into_iter().map(|event| event.event_type).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_knows_to_have_been_sent_is_in_doubt_once() {
    let house = House::start().await;
    let end = sent_and_lost(&house, true).await;
    let platform = &house.platform;
    let found = ask(platform, &platform.name, blind(end)).await.unwrap();
    assert_eq!(found.same, end);
    // Who was put off is tried again as if nothing had happened.
    assert_eq!(found.attempts.len(), 2);
    let (store, now) = (&platform.store, platform.clock.clock().now());
    let restored = restored(&house, end).await;
    let stranger = Attempt {
        delivery_id: platform.ids.next(),
        ..found.attempts[0]
    };
    let attempts = [&found.attempts[..], &[stranger]].concat();
    let became = |doubted| Unrecorded {
        doubted,
        unknown: 1,
    };
    for doubted in [2, 0] {
        let done = doubt_unrecorded(store, &restored, &attempts, now).await;
        assert_eq!(done.unwrap(), became(doubted));
    }
    for attempt in &found.attempts {
        assert_eq!(
            types(store, attempt.delivery_id).await,
            ["delivery.Planned", "delivery.Attempted", "delivery.InDoubt"]
        );
    }
    assert!(types(store, stranger.delivery_id).await.is_empty());
}

/// Their publication goes on where it was frozen: whoever has the message already must not be planned for again.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_planned_and_sent_in_what_is_lost_is_in_doubt_too() {
    let house = House::start().await;
    let end = sent_and_lost(&house, false).await;
    let platform = &house.platform;
    let found = ask(platform, &platform.name, blind(end)).await.unwrap();
    let (store, now) = (&platform.store, platform.clock.clock().now());
    let restored = restored(&house, end).await;
    // Whoever can write to the stream can not have somebody else left out.
    let planned = found.attempts[0].planned.unwrap();
    let forged = Attempt {
        delivery_id: platform.ids.next(),
        planned: Some(planned),
        ..found.attempts[0]
    };
    let strangers = Attempt {
        delivery_id: platform.ids.next(),
        planned: Some(Planned {
            publication_id: restored.event_id,
            channel_id: planned.publication_id,
            subscriber_id: Some(platform.ids.next()),
        }),
        ..found.attempts[0]
    };
    let attempts = [&found.attempts[..], &[forged, strangers]].concat();
    let done = doubt_unrecorded(store, &restored, &attempts, now).await;
    let became = Unrecorded {
        doubted: 2,
        unknown: 2,
    };
    assert_eq!(done.unwrap(), became);
    for attempt in &found.attempts {
        assert_eq!(
            types(store, attempt.delivery_id).await,
            ["delivery.Planned", "delivery.Attempted", "delivery.InDoubt"]
        );
    }
    let events = store.log().stream(found.attempts[0].delivery_id).await;
    assert_eq!(events.unwrap()[0].subject, planned.subscriber_id);
}
