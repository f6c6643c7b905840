//! The feed brings every event, once, in order, whatever the stream looks like.

use tidings_event_store::feed::Feed;
use tidings_event_store::stream::BATCH_HASH;
use tidings_tests::{Platform, amount, audit};
use tokio_util::sync::CancellationToken;

/// Runs a feed until it has seen a position.
async fn follow(platform: &Platform, feed: &Feed, until: i64) {
    let stop = CancellationToken::new();
    let running = tokio::spawn(feed.clone().run(
        platform.nats.clone(),
        platform.name.clone(),
        stop.clone(),
    ));
    Platform::reached(feed, until).await;
    stop.cancel();
    running.await.unwrap().unwrap();
}

/// All positions up to the head are there, in order, as the log has them; gives how many came from the stream.
async fn complete(platform: &Platform, feed: &Feed) -> usize {
    let log = audit::sound_log(platform.store.log()).await;
    let items = feed.page_after(0, log.len() + 10).await.unwrap();
    assert_eq!(items.len(), log.len());
    for (item, event) in items.iter().zip(&log) {
        assert_eq!(item.position(), event.position);
        assert_eq!(item.recorded.digest, event.digest);
        assert_eq!(item.recorded.payload, event.payload);
        assert_eq!(item.recorded.recorded_at, event.recorded_at);
    }
    items.iter().filter(|item| item.through_stream).count()
}

#[tokio::test]
async fn events_come_through_the_stream() {
    let platform = Platform::start().await;
    let feed = Feed::open(platform.store.log().clone()).await.unwrap();
    platform.fill(40, 3).await;
    platform.relay().await;
    follow(&platform, &feed, 40).await;
    assert_eq!(complete(&platform, &feed).await, 40);
}

#[tokio::test]
async fn a_hole_in_the_stream_is_filled_from_the_log() {
    let platform = Platform::start().await;
    let feed = Feed::open(platform.store.log().clone()).await.unwrap();
    platform.fill(60, 4).await;
    platform.relay().await;
    let jetstream = async_nats::jetstream::new(platform.nats.clone());
    let stream = jetstream.get_stream(&platform.name.stream).await.unwrap();
    let log = platform.store.log().page_after(0, 60).await.unwrap();
    let purged = platform.name.subject(&log[1]);
    let gone = stream.purge().filter(purged).await.unwrap().purged;
    assert_eq!(gone, 15);
    follow(&platform, &feed, 60).await;
    let through_the_stream = complete(&platform, &feed).await;
    assert!(
        (1..60).contains(&through_the_stream),
        "{through_the_stream} came through the stream"
    );
}

#[tokio::test]
async fn a_stream_that_begins_later_is_filled_up_from_the_log() {
    let platform = Platform::start().await;
    let feed = Feed::open(platform.store.log().clone()).await.unwrap();
    platform.fill(50, 2).await;
    platform.relay().await;
    let jetstream = async_nats::jetstream::new(platform.nats.clone());
    let stream = jetstream.get_stream(&platform.name.stream).await.unwrap();
    stream.purge().sequence(31).await.unwrap();
    follow(&platform, &feed, 50).await;
    complete(&platform, &feed).await;
}

#[tokio::test]
async fn without_a_stream_the_feed_reads_the_log() {
    let platform = Platform::start().await;
    let feed = Feed::open(platform.store.log().clone()).await.unwrap();
    platform.fill(20, 2).await;
    follow(&platform, &feed, 20).await;
    assert_eq!(complete(&platform, &feed).await, 0);
}

#[tokio::test]
async fn a_late_reader_gets_what_memory_no_longer_holds() {
    let platform = Platform::start().await;
    platform.fill(30, 1).await;
    let feed = Feed::open(platform.store.log().clone()).await.unwrap();
    assert_eq!(feed.head(), 30);
    platform.fill(10, 1).await;
    platform.relay().await;
    follow(&platform, &feed, 40).await;
    let mut read = Vec::new();
    while let Some(last) = feed
        .page_after(read.len() as i64, 7)
        .await
        .unwrap()
        .last()
        .map(|item| item.position())
    {
        for item in feed.page_after(read.len() as i64, 7).await.unwrap() {
            read.push(item.position());
        }
        assert_eq!(read.last(), Some(&last));
    }
    assert_eq!(read, (1..=40).collect::<Vec<_>>());
    assert!(feed.page_after(40, 7).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_strangers_message_is_not_taken_for_an_event() {
    let platform = Platform::start().await;
    let feed = Feed::open(platform.store.log().clone()).await.unwrap();
    platform.fill(3, 1).await;
    platform.relay().await;
    let jetstream = async_nats::jetstream::new(platform.nats.clone());
    let mut headers = async_nats::HeaderMap::new();
    headers.insert(BATCH_HASH, "00");
    let subject = platform
        .name
        .subject(&platform.store.log().page_after(0, 1).await.unwrap()[0]);
    jetstream
        .publish_with_headers(subject, headers, "hello".into())
        .await
        .unwrap()
        .await
        .unwrap();
    platform.fill(1, 1).await;
    follow(&platform, &feed, 4).await;
    complete(&platform, &feed).await;
    let last = feed.page_after(3, 1).await.unwrap();
    assert_eq!(amount(&last[0].recorded.payload), Some(0));
    assert!(!last[0].through_stream, "the log was asked");
}
