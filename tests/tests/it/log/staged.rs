//! Rebuilds cut into ranges, staged in runs, stopped half way and gone on with: the same rows as live.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use tidings_event_store::Progress;
use tidings_event_store::view::{
    Bounds, Phase, RebuildMode, RebuildOptions, RebuildProgress, Rebuildable, Rebuilt, Runner,
    ViewError, rebuild,
};
use tidings_tests::{Platform, audit};
use tokio::sync::Notify;

use super::tally::{EventsView, TallyView, expected, rows};

pub(super) const BOTH: [Rebuildable; 2] = [
    Rebuildable::of::<EventsView>(),
    Rebuildable::of::<TallyView>(),
];

/// A platform whose views have folded `events` events of 23 streams.
pub(super) async fn folded(events: usize) -> Platform {
    let platform = Platform::start().await;
    let mut tally = Runner::<TallyView>::new(platform.store.clone(), platform.feed.clone());
    let mut types = Runner::<EventsView>::new(platform.store.clone(), platform.feed.clone());
    platform.fill(events, 23).await;
    platform.settle().await;
    while tally.step().await.unwrap() == Progress::Advanced {}
    while types.step().await.unwrap() == Progress::Advanced {}
    platform
}

/// Nearly nothing fits.
pub(super) fn tiny(mode: RebuildMode) -> RebuildOptions {
    RebuildOptions {
        readers: 2,
        bounds: Bounds {
            range: 20,
            memory: 1,
            stage_every: 40,
        },
        ..RebuildOptions::new(mode)
    }
}

async fn run(platform: &Platform, options: &RebuildOptions) -> Result<Vec<Rebuilt>, ViewError> {
    rebuild(&platform.store, &BOTH, options, &mut |_| ()).await
}

fn any_cut() -> impl Strategy<Value = (usize, bool, Bounds)> {
    let memory = prop_oneof![Just(1), Just(3_000), Just(1 << 20)];
    let bounds = (1..200_i64, memory, 1..400_i64);
    let bounds = bounds.prop_map(|(range, memory, stage_every)| Bounds {
        range,
        memory,
        stage_every,
    });
    (1..4_usize, any::<bool>(), bounds)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_it_is_cut_and_staged_a_rebuild_is_what_was_folded_live() {
    let platform = folded(500).await;
    let mut runner = TestRunner::deterministic();
    for _ in 0..24 {
        let (readers, replace, bounds) = any_cut().new_tree(&mut runner).unwrap().current();
        let mode = if replace {
            RebuildMode::Replace
        } else {
            RebuildMode::Verify
        };
        let options = RebuildOptions {
            readers,
            bounds,
            ..RebuildOptions::new(mode)
        };
        for rebuilt in run(&platform, &options).await.unwrap() {
            assert_eq!(
                (rebuilt.position, rebuilt.differences),
                (500, 0),
                "{options:?}"
            );
        }
        let log = audit::sound_log(platform.store.log()).await;
        assert_eq!(rows(&platform.store).await, expected(&log), "{options:?}");
    }
    assert_eq!(staging_tables(&platform).await, 0);
}

async fn staging_tables(platform: &Platform) -> i64 {
    let client = platform.pool.get().await.unwrap();
    let sql = "select count(*) from pg_class where relname ~ '^publishing_.*_(runs|again)$'";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// Lets a rebuild go until it has told of its progress `steps` times, and drops it there.
pub(super) async fn stopped_after(
    platform: &Platform,
    views: &[Rebuildable],
    options: &RebuildOptions,
    steps: usize,
) -> bool {
    let (told, enough) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let (counter, bell) = (told.clone(), enough.clone());
    let mut tell = move |_: RebuildProgress| {
        if counter.fetch_add(1, Ordering::Relaxed) + 1 == steps {
            bell.notify_one();
        }
    };
    tokio::select! {
        biased;
        () = enough.notified() => true,
        ended = rebuild(&platform.store, views, options, &mut tell) => {
            ended.unwrap();
            false
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_that_is_stopped_anywhere_goes_on_from_what_is_staged() {
    let platform = folded(300).await;
    let mut resumed = 0;
    for steps in 1..40 {
        let stopped = stopped_after(&platform, &BOTH, &tiny(RebuildMode::Replace), steps).await;
        for rebuilt in run(&platform, &tiny(RebuildMode::Verify)).await.unwrap() {
            assert_eq!((rebuilt.position, rebuilt.differences), (300, 0), "{steps}");
            resumed += i64::from(rebuilt.from > 0);
        }
        if !stopped {
            break;
        }
        let log = audit::sound_log(platform.store.log()).await;
        assert_eq!(rows(&platform.store).await, expected(&log), "{steps}");
    }
    assert!(resumed > 4, "resumed {resumed} times");
    assert_eq!(staging_tables(&platform).await, 0);
}

const TALLY: [Rebuildable; 1] = [Rebuildable::of::<TallyView>()];

/// Lets a rebuild go until it has filled the new table and wants its staging table gone, which it can not
/// have, and drops it there.
async fn stopped_in_the_write(platform: &Platform) {
    let begun = Arc::new(Notify::new());
    let bell = begun.clone();
    // The session of the rebuild before may have yet to end, which is waited for before there is any table.
    let mut tell = move |told: RebuildProgress| {
        if told.phase == Phase::Folding {
            bell.notify_one();
        }
    };
    let options = tiny(RebuildMode::Replace);
    let mut rebuilding = Box::pin(rebuild(&platform.store, &TALLY, &options, &mut tell));
    tokio::select! {
        biased;
        () = begun.notified() => {}
        ended = &mut rebuilding => panic!("it told of no progress: {ended:?}"),
    }
    // Whoever does not poll it holds it where it is. Reading and writing the table are still allowed then.
    let other = platform.pool.get().await.unwrap();
    let hold = "begin; lock table publishing_tally_g2_runs in access share mode";
    other.batch_execute(hold).await.unwrap();
    let waiting = "select count(*) from pg_locks where not granted and mode = 'AccessExclusiveLock' \
                   and relation = 'publishing_tally_g2_runs'::regclass \
                   and database = (select oid from pg_database where datname = current_database())";
    let waits = async {
        loop {
            let row = other.query_one(waiting, &[]).await.unwrap();
            if row.get::<_, i64>(0) > 0 {
                break;
            }
        }
    };
    tokio::select! {
        waits = tokio::time::timeout(Duration::from_secs(60), waits) => waits.unwrap(),
        ended = &mut rebuilding => panic!("it did not wait: {ended:?}"),
    }
    drop(rebuilding);
    other.batch_execute("rollback").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rebuild_that_is_stopped_while_it_writes_goes_on_from_all_it_folded() {
    let platform = folded(300).await;
    let log = audit::sound_log(platform.store.log()).await;
    for mode in [RebuildMode::Verify, RebuildMode::Replace] {
        stopped_in_the_write(&platform).await;
        let again = rebuild(&platform.store, &TALLY, &tiny(mode), &mut |_| ()).await;
        for rebuilt in again.unwrap() {
            let ended = (rebuilt.position, rebuilt.differences, rebuilt.from);
            assert_eq!(ended, (300, 0, 300), "{mode:?}");
        }
        assert_eq!(rows(&platform.store).await, expected(&log), "{mode:?}");
    }
    assert_eq!(staging_tables(&platform).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_staged_is_left_when_asked_to_or_when_it_no_longer_fits() {
    let platform = folded(300).await;
    assert!(stopped_after(&platform, &BOTH, &tiny(RebuildMode::Replace), 9).await);
    let anew = RebuildOptions {
        restart: true,
        ..tiny(RebuildMode::Verify)
    };
    for rebuilt in run(&platform, &anew).await.unwrap() {
        assert_eq!((rebuilt.from, rebuilt.differences), (0, 0));
    }
    assert!(stopped_after(&platform, &BOTH, &tiny(RebuildMode::Replace), 9).await);
    let client = platform.pool.get().await.unwrap();
    let other = "update publishing_rebuilds set definition = 'another'";
    client.batch_execute(other).await.unwrap();
    for rebuilt in run(&platform, &tiny(RebuildMode::Replace)).await.unwrap() {
        assert_eq!((rebuilt.from, rebuilt.differences), (0, 0));
    }
    let log = audit::sound_log(platform.store.log()).await;
    assert_eq!(rows(&platform.store).await, expected(&log));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_that_is_far_behind_is_brought_to_the_end_of_the_log() {
    let platform = folded(100).await;
    platform.fill(400, 7).await;
    for rebuilt in run(&platform, &tiny(RebuildMode::Replace)).await.unwrap() {
        assert_eq!(rebuilt.position, 500);
    }
    let log = audit::sound_log(platform.store.log()).await;
    assert_eq!(rows(&platform.store).await, expected(&log));
    for rebuilt in run(&platform, &tiny(RebuildMode::Verify)).await.unwrap() {
        assert_eq!((rebuilt.position, rebuilt.differences), (500, 0));
    }
}
