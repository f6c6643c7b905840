//! Single rules of committing, one test each; `model` tries them all at once.

use futures_util::future::join_all;
use tidings_event_store::{COMMIT_EVENTS_MAX, CommitError, EVENT_BYTES_MAX, NewEvent};
use tidings_proto::common::Metadata;
use tidings_tests::{Platform, audit, guard};

#[tokio::test]
async fn a_guard_on_a_stream_that_an_earlier_commit_of_the_batch_writes_is_judged_after_it() {
    let platform = Platform::start().await;
    let (subscriber, delivery) = (platform.ids.next(), platform.ids.next());
    let signed_up = platform.counted(subscriber, 0);
    platform
        .commit(vec![guard(subscriber, 0)], vec![signed_up])
        .await
        .unwrap();
    let unsubscribed = platform.counted(subscriber, 1);
    let attempted = platform.counted(delivery, 1);
    // Both stand in line before the committer runs.
    let (unsubscribe, attempt) = tokio::join!(
        platform.commit(vec![guard(subscriber, 1)], vec![unsubscribed]),
        platform.commit(
            vec![guard(delivery, 0), guard(subscriber, 1)],
            vec![attempted]
        ),
    );
    unsubscribe.unwrap();
    assert!(
        matches!(
            attempt,
            Err(CommitError::Conflict { stream_id, expected: 1, actual: 2 }) if stream_id == subscriber
        ),
        "{attempt:?}"
    );
}

#[tokio::test]
async fn commits_that_only_share_guards_go_through_together() {
    let platform = Platform::start().await;
    let cause = platform.ids.next();
    let published = platform.counted(cause, 0);
    platform.commit(vec![], vec![published]).await.unwrap();
    let before = batches(&platform).await;
    let attempts = (0..200).map(|n| {
        let delivery = platform.ids.next();
        let event = platform.counted(delivery, n);
        platform.commit(vec![guard(cause, 1), guard(delivery, 0)], vec![event])
    });
    for attempt in join_all(attempts).await {
        attempt.unwrap();
    }
    let batches = batches(&platform).await - before;
    assert!(batches < 20, "{batches} round trips for 200 commits");
    audit::sound_log(platform.store.log()).await;
}

#[tokio::test]
async fn a_commit_the_database_refuses_fails_alone() {
    let platform = Platform::start().await;
    let commits = (0..100).map(|n| {
        let stream = platform.ids.next();
        let mut event = platform.counted(stream, n);
        if n == 37 {
            // ASCII, but no text Postgres can hold.
            event.actor = "system:\0".to_owned();
        }
        platform.commit(vec![guard(stream, 0)], vec![event])
    });
    for (n, verdict) in join_all(commits).await.into_iter().enumerate() {
        match verdict {
            Err(CommitError::Refused(_)) => assert_eq!(n, 37),
            other => drop(other.unwrap()),
        }
    }
    assert_eq!(audit::sound_log(platform.store.log()).await.len(), 99);
}

#[tokio::test]
async fn what_can_not_be_recorded_is_refused_before_it_reaches_the_database() {
    let platform = Platform::start().await;
    let stream = platform.ids.next();
    let event = |payload| platform.event(stream, payload, &Metadata::default());
    let small = || platform.counted(stream, 1);
    let with_actor = |actor: String| NewEvent { actor, ..small() };
    let too_many = (0..=COMMIT_EVENTS_MAX).map(|_| small()).collect();
    let bad = [
        (vec![], vec![]),
        (vec![], too_many),
        (vec![], vec![event(vec![0; EVENT_BYTES_MAX])]),
        (vec![], vec![with_actor("a".repeat(65))]),
        (vec![], vec![with_actor("usér".to_owned())]),
        (vec![guard(stream, 0), guard(stream, 1)], vec![small()]),
    ];
    for (guards, events) in bad {
        let verdict = platform.commit(guards, events).await;
        assert!(
            matches!(verdict, Err(CommitError::Invalid(_))),
            "{verdict:?}"
        );
    }
    let many = (0..COMMIT_EVENTS_MAX).map(|_| small()).collect();
    let committed = platform.commit(vec![guard(stream, 0)], many).await.unwrap();
    assert_eq!(
        (committed.first_position, committed.last_position),
        (1, 1_000)
    );
    let big = event(vec![0; EVENT_BYTES_MAX - 1_024]);
    platform
        .commit(vec![guard(stream, 1_000)], vec![big])
        .await
        .unwrap();
    platform.settle().await;
    assert_eq!(audit::sound_log(platform.store.log()).await.len(), 1_001);
    assert_eq!(audit::sound_stream(&platform, 1).await, 0);
}

#[tokio::test]
async fn a_clock_set_back_does_not_bring_recorded_time_back() {
    let platform = Platform::start().await;
    platform.fill(3, 1).await;
    let client = platform.pool.get().await.unwrap();
    client
        .batch_execute(
            "update publishing_batches set committed_at = committed_at + interval '1 hour'",
        )
        .await
        .unwrap();
    platform.fill(1, 1).await;
    let at = "select committed_at = lag(committed_at) over (order by last_position) \
              from publishing_batches order by last_position desc limit 1";
    assert!(client.query_one(at, &[]).await.unwrap().get::<_, bool>(0));
}

async fn batches(platform: &Platform) -> i64 {
    let client = platform.pool.get().await.unwrap();
    let sql = "select count(*) from publishing_batches";
    client.query_one(sql, &[]).await.unwrap().get(0)
}
