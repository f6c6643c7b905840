//! The checks that other tests rely on: they notice what was changed behind the log's back.

use tidings_tests::{Platform, audit};

async fn checked_after(tampering: &str) {
    let platform = Platform::start().await;
    for count in [1, 70, 5] {
        platform.fill(count, 3).await;
    }
    audit::sound_log(platform.store.log()).await;
    let client = platform.pool.get().await.unwrap();
    client.batch_execute(tampering).await.unwrap();
    audit::sound_log(platform.store.log()).await;
}

#[tokio::test]
#[should_panic(expected = "the digest is the content's, at 40")]
async fn a_changed_payload_is_noticed() {
    checked_after("update publishing_events set payload = 'x' where position = 40").await;
}

#[tokio::test]
#[should_panic(expected = "the chain is intact up to")]
async fn a_changed_hash_is_noticed() {
    checked_after(
        "update publishing_batches set hash = sha256(hash)
         where last_position = (select max(last_position) from publishing_batches)",
    )
    .await;
}

#[tokio::test]
#[should_panic(expected = "the chain is intact up to")]
async fn an_altered_time_is_noticed() {
    checked_after(
        "update publishing_batches set committed_at = committed_at + interval '1 second';
         update publishing_events set recorded_at = recorded_at + interval '1 second'",
    )
    .await;
}

#[tokio::test]
#[should_panic(expected = "positions are dense")]
async fn a_lost_event_is_noticed() {
    checked_after("delete from publishing_events where position = 40").await;
}

#[tokio::test]
#[should_panic(expected = "versions are contiguous")]
async fn a_moved_event_is_noticed() {
    checked_after("update publishing_events set version = version + 1000 where position = 40")
        .await;
}
