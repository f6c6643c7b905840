//! What a rebuild leaves that died while it wrote the new tables: it goes when the view is opened, unless somebody is
//! at work on it or can go on with it.

use tidings_event_store::view::Runner;
use tidings_tests::Platform;

use super::tally::TallyView;

/// Tables of the generation after the first, as a killed rebuild leaves them.
const LEFT: &str = "select '' as email into publishing_tally_g2; \
     select '' as email into publishing_tally_g2_runs";

/// Opens the view as a process does that is started; says which of the tables are left.
async fn left_after_a_start(platform: &Platform) -> Vec<bool> {
    let mut runner = Runner::<TallyView>::new(platform.store.clone(), platform.feed.clone());
    runner.step().await.unwrap();
    let sql = "select to_regclass(t) is not null \
               from unnest(array['publishing_tally_g2', 'publishing_tally_g2_runs']) t";
    let client = platform.pool.get().await.unwrap();
    let rows = client.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn what_nobody_can_go_on_with_is_dropped_when_the_view_is_opened() {
    let platform = Platform::start().await;
    platform.fill(3, 1).await;
    platform.settle().await;
    left_after_a_start(&platform).await;
    let client = platform.pool.get().await.unwrap();
    client.batch_execute(LEFT).await.unwrap();

    // At work on it: the lock of a rebuild.
    let lock = "select pg_advisory_lock(hashtext('tally'))";
    client.batch_execute(lock).await.unwrap();
    assert_eq!(left_after_a_start(&platform).await, [true, true]);
    let unlock = "select pg_advisory_unlock(hashtext('tally'))";
    client.batch_execute(unlock).await.unwrap();
    // Ended half way, and on record as such.
    let staged =
        "insert into publishing_rebuilds values ('tally', 'x', 2, 0, 0, 2, 3, clock_timestamp())";
    client.batch_execute(staged).await.unwrap();
    assert_eq!(left_after_a_start(&platform).await, [true, true]);

    let ended = "delete from publishing_rebuilds";
    client.batch_execute(ended).await.unwrap();
    assert_eq!(left_after_a_start(&platform).await, [false, false]);
}
