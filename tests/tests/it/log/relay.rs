//! Invariant 2: the message at sequence p is the event at position p, whoever relays and however.

use std::time::Duration;

use tidings_event_store::relay::{Relay, RelayError};
use tidings_event_store::{Log, NewEvent, Progress};
use tidings_proto::common::Metadata;
use tidings_tests::{Platform, audit};

#[tokio::test]
async fn few_go_as_singles_and_many_as_a_batch() {
    let platform = Platform::start().await;
    for count in [1, 3, 200, 201, 2_500, 1] {
        platform.fill(count, 11).await;
        platform.settle().await;
    }
    assert_eq!(audit::sound_stream(&platform, 1).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_rivals_publish_every_event_once() {
    let platform = Platform::start().await;
    let mut first = platform.another_relay().await;
    let mut second = platform.another_relay().await;
    let mut refusals = 0;
    for count in [50, 500, 3, 1_500, 120, 900] {
        let before = platform.store.log().head().await.unwrap().position;
        let head = before + count;
        let (filled, one, two) = tokio::join!(
            platform.fill(count as usize, 5),
            compete(platform.store.log(), &mut first, head),
            compete(platform.store.log(), &mut second, head),
        );
        assert_eq!(filled, head);
        refusals += one + two;
    }
    assert!(refusals > 0, "they got in each other's way");
    audit::sound_stream(&platform, 1).await;
}

/// Steps until the stream holds everything up to `head`; gives how often the rival was faster.
async fn compete(log: &Log, relay: &mut Relay, head: i64) -> u32 {
    let mut refusals = 0;
    loop {
        let complete = log.head().await.unwrap().position == head;
        match relay.step().await {
            Ok(Progress::Idle) if complete => return refusals,
            Ok(_) => tokio::task::yield_now().await,
            Err(RelayError::Stream(_)) => refusals += 1,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_deleted_stream_is_filled_again() {
    let platform = Platform::start().await;
    platform.fill(320, 3).await;
    platform.settle().await;
    let jetstream = async_nats::jetstream::new(platform.nats.clone());
    jetstream
        .delete_stream(&platform.name.stream)
        .await
        .unwrap();
    platform.fill(1, 1).await;
    // The refusal tells that something is wrong; the next step looks.
    let mut relay = platform.relay_itself().lock().await;
    assert!(matches!(relay.step().await, Err(RelayError::Stream(_))));
    drop(relay);
    platform.settle().await;
    audit::sound_stream(&platform, 1).await;
}

#[tokio::test]
async fn a_stream_on_an_old_log_begins_late() {
    let platform = Platform::start().await;
    platform.fill(30, 1).await;
    // As if the log had been filled long ago.
    let jetstream = async_nats::jetstream::new(platform.nats.clone());
    platform.name.ensure(&jetstream, 21).await.unwrap();
    platform.settle().await;
    audit::sound_stream(&platform, 21).await;
}

/// Takes the log back to an earlier position, as a failover to a stale replica would.
async fn go_back_to(platform: &Platform, position: i64) {
    let client = platform.pool.get().await.unwrap();
    let sql = format!(
        "delete from publishing_events where position > {position};
         delete from publishing_batches where last_position > {position}"
    );
    client.batch_execute(&sql).await.unwrap();
}

#[tokio::test]
async fn a_stream_ahead_of_the_log_stops_the_relay() {
    let platform = Platform::start().await;
    for _ in 0..10 {
        platform.fill(1, 1).await;
    }
    platform.settle().await;
    go_back_to(&platform, 7).await;
    let stopped = platform.another_relay().await.step().await;
    assert!(
        matches!(stopped, Err(RelayError::Diverged { position: 10 })),
        "{stopped:?}"
    );
}

#[tokio::test]
async fn a_log_that_went_back_and_grew_again_stops_the_relay() {
    let platform = Platform::start().await;
    for _ in 0..10 {
        platform.fill(1, 1).await;
    }
    platform.settle().await;
    go_back_to(&platform, 7).await;
    for _ in 0..8 {
        platform.fill(1, 1).await;
    }
    let stopped = platform.another_relay().await.step().await;
    assert!(
        matches!(stopped, Err(RelayError::Diverged { position: 10 })),
        "{stopped:?}"
    );
}

/// It may be that of an incarnation that the log has lost, or another installation's: it is not taken from it.
#[tokio::test]
async fn a_stream_the_log_does_not_know_stops_the_relay_alone_and_is_left_as_it_is() {
    let platform = Platform::start().await;
    platform.fill(3, 1).await;
    let jetstream = async_nats::jetstream::new(platform.nats.clone());
    let lost = platform.name.of(platform.ids.next());
    let before = lost.ensure(&jetstream, 1).await.unwrap();
    let stopped = platform.another_relay().await.step().await.unwrap_err();
    assert!(stopped.is_final(), "{stopped}");
    assert!(stopped.to_string().contains(&lost.stream), "{stopped}");
    platform.fill(1, 1).await;
    let after = lost.find(&jetstream).await.unwrap().unwrap();
    assert_eq!(
        after.cached_info().config.subjects,
        before.cached_info().config.subjects
    );
    // Once it is gone, all is relayed.
    jetstream.delete_stream(&lost.stream).await.unwrap();
    platform.settle().await;
    audit::sound_stream(&platform, 1).await;
}

/// The relay of a later incarnation has taken the subjects; the database was put back to before that one began.
#[tokio::test]
async fn a_log_that_went_back_behind_a_restore_is_noticed_by_its_retired_stream() {
    let platform = Platform::start().await;
    platform.fill(3, 1).await;
    platform.settle().await;
    let jetstream = async_nats::jetstream::new(platform.nats.clone());
    platform.name.retire(&jetstream).await.unwrap();
    let stopped = platform.another_relay().await.step().await;
    assert!(
        matches!(stopped, Err(RelayError::Diverged { position: 3 })),
        "{stopped:?}"
    );
    assert!(platform.store.log().alive().is_err());
}

#[tokio::test]
async fn a_look_before_the_start_is_repeated_after_an_error() {
    let platform = Platform::start().await;
    platform.fill(3, 1).await;
    platform.settle().await;
    let jetstream = async_nats::jetstream::new(platform.nats.clone());
    let deleted = jetstream.delete_stream(&platform.name.stream).await;
    deleted.unwrap();
    platform.fill(1, 1).await;
    // It takes the stream for what it was, is refused, and looks anew.
    let mut relay = platform.relay_itself().lock().await;
    relay.look_back(Duration::from_secs(60)).await;
    drop(relay);
    audit::sound_stream(&platform, 1).await;
}

#[tokio::test]
async fn a_trace_context_that_is_no_header_does_not_stop_the_relay() {
    let platform = Platform::start().await;
    let stream = platform.ids.next();
    let traced = |traceparent: &str| -> NewEvent {
        let metadata = Metadata {
            traceparent: traceparent.to_owned(),
            ..Metadata::default()
        };
        platform.event(stream, vec![1], &metadata)
    };
    let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let events = vec![
        traced("a\r\nb: c"),
        traced(&"x".repeat(2_000)),
        traced(good),
    ];
    platform.commit(vec![], events).await.unwrap();
    platform.settle().await;
    audit::sound_stream(&platform, 1).await;
    let jetstream = async_nats::jetstream::new(platform.nats.clone());
    let stream = jetstream.get_stream(&platform.name.stream).await.unwrap();
    let traceparent = async |sequence| {
        let message = stream.get_raw_message(sequence).await.unwrap();
        message.headers.get("traceparent").map(ToString::to_string)
    };
    assert_eq!(traceparent(1).await, None);
    assert_eq!(traceparent(2).await, None);
    assert_eq!(traceparent(3).await.as_deref(), Some(good));
}

/// A window of large events would take a gigabyte: pages end by bytes too.
#[tokio::test]
async fn large_events_make_short_pages_and_all_are_relayed() {
    const EVENTS: i64 = 30;
    let platform = Platform::start().await;
    let stream = platform.ids.next();
    for _ in 0..EVENTS {
        let large = platform.event(stream, vec![7; 800 << 10], &Metadata::default());
        platform.commit(vec![], vec![large]).await.unwrap();
    }
    let log = platform.store.log();
    let mut position = 0;
    while position < EVENTS {
        let page = log.page_after(position, 1_000).await.unwrap();
        let bytes: usize = page.iter().map(|event| event.payload.len()).sum();
        assert!((1..=16 << 20).contains(&bytes), "{bytes} bytes in a page");
        assert_eq!(page[0].position, position + 1);
        position += page.len() as i64;
    }
    platform.settle().await;
    // What fits into a message travels in it.
    assert_eq!(audit::sound_stream(&platform, 1).await, 0);
}

#[tokio::test]
async fn a_strangers_message_at_the_end_of_the_stream_stops_the_relay_and_nobody_else() {
    let platform = Platform::start().await;
    platform.fill(3, 1).await;
    platform.settle().await;
    let log = platform.store.log();
    let subject = platform
        .name
        .subject(&log.page_after(0, 1).await.unwrap()[0]);
    let jetstream = async_nats::jetstream::new(platform.nats.clone());
    let published = jetstream.publish(subject, "hello".into()).await.unwrap();
    assert_eq!(published.await.unwrap().sequence, 4);
    let mut relay = platform.another_relay().await;
    for _ in 0..2 {
        // Ahead of the log at first; then the log has another event there.
        let ended = relay.step().await.unwrap_err();
        assert!(
            matches!(ended, RelayError::Foreign { sequence: 4, .. }),
            "{ended}"
        );
        assert!(ended.is_final());
        platform.fill(1, 1).await;
    }
    // It says nothing about the log, which goes on.
    assert!(log.alive().is_ok());
    let stream = jetstream.get_stream(&platform.name.stream).await.unwrap();
    stream.purge().await.unwrap();
    jetstream
        .delete_stream(&platform.name.stream)
        .await
        .unwrap();
    let mut relay = platform.another_relay().await;
    while relay.step().await.unwrap() == Progress::Advanced {}
    audit::sound_stream(&platform, 1).await;
}
