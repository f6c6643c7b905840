//! Views kept up to date: every event folded once, whoever folds and however the pages fall.

use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use tidings_event_store::feed::Feed;
use tidings_event_store::view::{
    RebuildMode, RebuildOptions, Rebuildable, Runner, View, ViewError, position, rebuild,
};
use tidings_event_store::{CONTRACT_REVISION, Progress, Store};
use tidings_proto::common::Metadata;
use tidings_tests::{Platform, audit};
use uuid::Uuid;

use super::tally::{EventsView, LaterTallyView, TallyView, WiderTallyView, expected, rows};

async fn position_of<V: View>(store: &Store) -> i64 {
    let position = position(store.log().pool(), V::DEFINITION.name).await;
    position.unwrap().unwrap()
}

/// Commits events that each count something to one of a few streams.
async fn count(platform: &Platform, streams: &[Uuid], amounts: &[(usize, i64)]) -> i64 {
    let commits = amounts.iter().map(|(stream, amount)| {
        let event = platform.counted(streams[stream % streams.len()], *amount);
        platform.commit(vec![], vec![event])
    });
    let committed = join_all(commits).await;
    let last = committed.into_iter().map(|it| it.unwrap().last_position);
    last.max().unwrap_or(0)
}

/// Pages of 1 to 40 events for 8 streams.
fn pages() -> impl Strategy<Value = Vec<Vec<(usize, i64)>>> {
    let page = proptest::collection::vec((0..8_usize, -3..=3_i64), 1..40);
    proptest::collection::vec(page, 25)
}

#[tokio::test]
async fn whatever_the_pages_the_rows_are_the_same() {
    let platform = Platform::start().await;
    let mut runner = Runner::<TallyView>::new(platform.store.clone(), platform.feed.clone());
    let streams: Vec<Uuid> = (0..8).map(|_| platform.ids.next()).collect();
    let pages = pages().new_tree(&mut TestRunner::default()).unwrap();
    for page in pages.current() {
        let head = count(&platform, &streams, &page).await;
        platform.relay().await;
        Platform::reached(&platform.feed, head).await;
        assert_eq!(runner.step().await.unwrap(), Progress::Advanced);
        assert_eq!(position_of::<TallyView>(&platform.store).await, head);
    }
    let log = audit::sound_log(platform.store.log()).await;
    assert_eq!(rows(&platform.store).await, expected(&log));
    assert_eq!(runner.step().await.unwrap(), Progress::Idle);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_fold_the_same_view_count_nothing_twice() {
    let platform = Platform::start().await;
    let other = platform.another_store(platform.connect.clone());
    let streams: Vec<Uuid> = (0..5).map(|_| platform.ids.next()).collect();
    let amounts: Vec<(usize, i64)> = (0..1_500).map(|n| (n % 7, n as i64 % 5)).collect();
    let fold = async |store: &Store| {
        let mut runner = Runner::<TallyView>::new(store.clone(), platform.feed.clone());
        let mut moves = platform.feed.moves();
        while position_of_new(store).await < amounts.len() as i64 {
            if runner.step().await.unwrap() == Progress::Idle && platform.feed.head() < 1_500 {
                moves.changed().await.unwrap();
            }
        }
    };
    let feed_it = async {
        for page in amounts.chunks(50) {
            count(&platform, &streams, page).await;
            platform.relay().await;
        }
    };
    tokio::join!(feed_it, fold(&platform.store), fold(&other));
    let log = audit::sound_log(platform.store.log()).await;
    assert_eq!(rows(&platform.store).await, expected(&log));
}

async fn position_of_new(store: &Store) -> i64 {
    let position = position(store.log().pool(), TallyView::DEFINITION.name).await;
    position.unwrap().unwrap_or(0)
}

#[tokio::test]
async fn a_poisonous_event_stops_that_view_alone_and_says_where() {
    let platform = Platform::start().await;
    let mut tally = Runner::<TallyView>::new(platform.store.clone(), platform.feed.clone());
    let mut events = Runner::<EventsView>::new(platform.store.clone(), platform.feed.clone());
    platform.fill(5, 2).await;
    let metadata = Metadata {
        min_reader: CONTRACT_REVISION + 1,
        ..Metadata::default()
    };
    let poison = platform.event(platform.ids.next(), vec![0; 8], &metadata);
    let poisoned = platform.commit(vec![], vec![poison]).await.unwrap();
    platform.fill(5, 2).await;
    platform.settle().await;
    for _ in 0..3 {
        let stopped = loop {
            match tally.step().await {
                Ok(progress) => assert_eq!(progress, Progress::Advanced),
                Err(error) => break error,
            }
        };
        assert!(stopped.is_final());
        assert!(
            matches!(stopped, ViewError::Poison { position, .. } if position == poisoned.first_position),
            "{stopped:?}"
        );
    }
    while events.step().await.unwrap() == Progress::Advanced {}
    assert_eq!(position_of::<EventsView>(&platform.store).await, 11);
    let before = audit::sound_log(platform.store.log()).await;
    assert_eq!(
        position_of::<TallyView>(&platform.store).await,
        poisoned.first_position - 1,
        "everything before the poison is folded"
    );
    assert_eq!(rows(&platform.store).await, expected(&before[..5]));
}

#[tokio::test]
async fn nobody_advances_on_a_history_that_is_not_the_logs() {
    let platform = Platform::start().await;
    for _ in 0..5 {
        platform.fill(1, 1).await;
    }
    platform.settle().await;
    let client = platform.pool.get().await.unwrap();
    client
        .batch_execute(
            "delete from publishing_events where position > 3;
             delete from publishing_batches where last_position > 3",
        )
        .await
        .unwrap();
    // This one has seen nothing but the log as it is now, and then hears of events that are gone.
    let feed = Feed::open(platform.store.log().clone()).await.unwrap();
    let mut runner = Runner::<TallyView>::new(platform.store.clone(), feed.clone());
    assert_eq!(runner.step().await.unwrap(), Progress::Advanced);
    assert_eq!(position_of::<TallyView>(&platform.store).await, 3);
    for _ in 0..2 {
        platform.fill(1, 1).await;
    }
    let stop = tokio_util::sync::CancellationToken::new();
    tokio::spawn(feed.clone().run(
        platform.nats.clone(),
        platform.name.clone(),
        stop.child_token(),
    ));
    Platform::reached(&feed, 5).await;
    let stopped = runner.step().await.unwrap_err();
    assert!(
        matches!(stopped, ViewError::DeadTimeline { position: 5, .. }),
        "{stopped:?}"
    );
    assert!(stopped.is_final() && !stopped.may_be_mended());
    // From then on nothing is recorded, whoever asks.
    assert_eq!(platform.store.log().alive().unwrap_err().position, 5);
    let stopped = runner.step().await.unwrap_err();
    assert!(stopped.is_final() && !stopped.may_be_mended());
    assert_eq!(position_of::<TallyView>(&platform.store).await, 3);
    stop.cancel();
}

#[tokio::test]
async fn a_changed_definition_starts_over() {
    let platform = Platform::start().await;
    let mut before = Runner::<TallyView>::new(platform.store.clone(), platform.feed.clone());
    platform.fill(40, 6).await;
    platform.settle().await;
    while before.step().await.unwrap() == Progress::Advanced {}
    let mut after = Runner::<WiderTallyView>::new(platform.store.clone(), platform.feed.clone());
    while after.step().await.unwrap() == Progress::Advanced {}
    let log = audit::sound_log(platform.store.log()).await;
    assert_eq!(rows(&platform.store).await, expected(&log));
    let client = platform.pool.get().await.unwrap();
    let sql = "select relname::text from pg_class where relname like 'publishing\\_tally%\\_g%' and relkind = 'r' order by 1";
    let tables = client.query(sql, &[]).await.unwrap();
    let tables: Vec<&str> = tables.iter().map(|row| row.get(0)).collect();
    assert_eq!(
        tables,
        ["publishing_tally_g2", "publishing_tally_totals_g2"],
        "the old generation is gone"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_definition_is_rebuilt_while_the_old_one_serves() {
    let platform = Platform::start().await;
    let mut before = Runner::<TallyView>::new(platform.store.clone(), platform.feed.clone());
    platform.fill(40, 6).await;
    platform.settle().await;
    while before.step().await.unwrap() == Progress::Advanced {}
    let old = rows(&platform.store).await;
    let view = [Rebuildable::of::<WiderTallyView>()];
    let options = RebuildOptions::new(RebuildMode::Verify);
    let refused = rebuild(&platform.store, &view, &options, &mut |_| ()).await;
    assert!(
        matches!(refused, Err(ViewError::Incomparable { .. })),
        "rows of another definition are not compared: {refused:?}"
    );
    assert_eq!(rows(&platform.store).await, old);

    let mut served = 0;
    let mut look = |_| {
        let now = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(rows(&platform.store))
        });
        assert_eq!(now, old, "the old one serves, whole");
        served += 1;
    };
    let options = RebuildOptions::new(RebuildMode::Replace);
    let rebuilt = rebuild(&platform.store, &view, &options, &mut look).await;
    rebuilt.unwrap();
    assert!(served > 1, "nobody looked");
    assert_eq!(rows(&platform.store).await, old);
    // The old process leaves it alone from then on; the new one finds nothing to start over.
    platform.fill(3, 3).await;
    platform.settle().await;
    // The first look meets the other table, the next one what is in it.
    let redefined = match before.step().await {
        Ok(_) => before.step().await.unwrap_err(),
        Err(error) => error,
    };
    assert!(
        matches!(redefined, ViewError::Redefined { .. }),
        "{redefined:?}"
    );
    let mut after = Runner::<WiderTallyView>::new(platform.store.clone(), platform.feed.clone());
    while after.step().await.unwrap() == Progress::Advanced {}
    let log = audit::sound_log(platform.store.log()).await;
    assert_eq!(rows(&platform.store).await, expected(&log));
    let client = platform.pool.get().await.unwrap();
    let sql = "select generation from publishing_views where view = 'tally'";
    let generation: i32 = client.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(generation, 2, "made once");
}

#[tokio::test]
async fn an_older_version_leaves_the_view_of_a_later_one_alone() {
    let platform = Platform::start().await;
    platform.fill(40, 6).await;
    platform.settle().await;
    let mut later = Runner::<LaterTallyView>::new(platform.store.clone(), platform.feed.clone());
    while later.step().await.unwrap() == Progress::Advanced {}
    let before = rows(&platform.store).await;
    let mut older = Runner::<TallyView>::new(platform.store.clone(), platform.feed.clone());
    for _ in 0..2 {
        let refused = older.step().await.unwrap_err();
        assert!(refused.is_final());
        assert!(
            matches!(
                refused,
                ViewError::Outdated {
                    ours: 0,
                    theirs: 2,
                    ..
                }
            ),
            "{refused:?}"
        );
    }
    let options = RebuildOptions::new(RebuildMode::Replace);
    let view = [Rebuildable::of::<TallyView>()];
    let refused = rebuild(&platform.store, &view, &options, &mut |_| ()).await;
    assert!(
        matches!(refused, Err(ViewError::Outdated { .. })),
        "{refused:?}"
    );
    assert_eq!(rows(&platform.store).await, before);
    // Whoever comes back to the later version takes it over again, and so does the later one an older.
    platform.fill(3, 3).await;
    platform.settle().await;
    while later.step().await.unwrap() == Progress::Advanced {}
    let log = audit::sound_log(platform.store.log()).await;
    assert_eq!(rows(&platform.store).await, expected(&log));
}
