//! Invariant 4: a view after a rebuild equals the view it replaces, row for row.

use std::time::Duration;

use tidings_event_store::view::{
    Phase, RebuildMode, RebuildOptions, RebuildProgress, Rebuildable, Rebuilt, Runner, View,
    ViewError, position, rebuild,
};
use tidings_event_store::{CONTRACT_REVISION, Progress};
use tidings_proto::common::Metadata;
use tidings_tests::{Platform, audit};

use super::tally::{TallyView, expected, rows};

async fn run(platform: &Platform, mode: RebuildMode) -> Result<Rebuilt, ViewError> {
    let view = [Rebuildable::of::<TallyView>()];
    let options = RebuildOptions::new(mode);
    let mut rebuilt = rebuild(&platform.store, &view, &options, &mut |_| ()).await?;
    Ok(rebuilt.remove(0))
}

/// A platform whose view has folded `events` events.
async fn folded(events: usize) -> (Platform, Runner<TallyView>) {
    let platform = Platform::start().await;
    let mut runner = Runner::<TallyView>::new(platform.store.clone(), platform.feed.clone());
    platform.fill(events, 9).await;
    platform.settle().await;
    while runner.step().await.unwrap() == Progress::Advanced {}
    (platform, runner)
}

#[tokio::test]
async fn a_rebuilt_view_is_the_same_and_goes_on() {
    let (platform, mut runner) = folded(2_500).await;
    let before = rows(&platform.store).await;
    let same = Rebuilt {
        view: "tally",
        position: 2_500,
        from: 0,
        differences: 0,
    };
    assert_eq!(run(&platform, RebuildMode::Verify).await.unwrap(), same);
    let mut told = Vec::new();
    let mut tell = |progress: RebuildProgress| told.push(progress);
    let view = [Rebuildable::of::<TallyView>()];
    let options = RebuildOptions::new(RebuildMode::Replace);
    let replaced = rebuild(&platform.store, &view, &options, &mut tell).await;
    assert_eq!(replaced.unwrap(), [same]);
    let folding = RebuildProgress {
        phase: Phase::Folding,
        from: 0,
        position: 2_500,
        head: 2_500,
    };
    let writing = RebuildProgress {
        phase: Phase::Writing("tally"),
        ..folding
    };
    // The one before may still be letting go of the view.
    told.retain(|it| !matches!(it.phase, Phase::Waiting(_)));
    assert_eq!(told, [folding, writing]);
    assert_eq!(rows(&platform.store).await, before);
    // The runner finds out by itself that its table was replaced.
    platform.fill(60, 9).await;
    platform.settle().await;
    while position(&platform.pool, "tally").await.unwrap() != Some(2_560) {
        runner.step().await.unwrap();
    }
    let log = audit::sound_log(platform.store.log()).await;
    assert_eq!(rows(&platform.store).await, expected(&log));
    let verified = run(&platform, RebuildMode::Verify).await.unwrap();
    assert_eq!((verified.position, verified.differences), (2_560, 0));
}

#[tokio::test]
async fn a_rebuild_says_that_it_waits_for_another() {
    let (platform, _runner) = folded(100).await;
    let other = platform.pool.get().await.unwrap();
    let lock = "select pg_advisory_lock(hashtext('tally'))";
    other.batch_execute(lock).await.unwrap();
    let (told, mut waits) = tokio::sync::mpsc::unbounded_channel();
    let ends = async {
        assert_eq!(waits.recv().await, Some(Phase::Waiting("tally")));
        let unlock = "select pg_advisory_unlock(hashtext('tally'))";
        other.batch_execute(unlock).await.unwrap();
        assert_eq!(waits.recv().await, Some(Phase::Folding));
    };
    let view = [Rebuildable::of::<TallyView>()];
    let options = RebuildOptions::new(RebuildMode::Replace);
    let mut tell = |progress: RebuildProgress| told.send(progress.phase).unwrap();
    let (rebuilt, ()) = tokio::join!(rebuild(&platform.store, &view, &options, &mut tell), ends);
    assert_eq!(rebuilt.unwrap()[0].position, 100);
}

#[tokio::test]
async fn verify_counts_rows_that_were_changed_added_or_lost() {
    let (platform, _) = folded(90).await;
    let client = platform.pool.get().await.unwrap();
    for (tampering, differences) in [
        (
            "update publishing_tally_g1 set total = total + 1 where stream_id = (select min(stream_id::text)::uuid from publishing_tally)",
            2,
        ),
        (
            "delete from publishing_tally_g1 where stream_id = (select max(stream_id::text)::uuid from publishing_tally)",
            3,
        ),
        (
            "insert into publishing_tally_totals_g1 values (-77, 1, 1)",
            4,
        ),
    ] {
        client.batch_execute(tampering).await.unwrap();
        let verified = run(&platform, RebuildMode::Verify).await.unwrap();
        assert_eq!(verified.differences, differences, "{tampering}");
    }
    run(&platform, RebuildMode::Replace).await.unwrap();
    let log = audit::sound_log(platform.store.log()).await;
    assert_eq!(
        rows(&platform.store).await,
        expected(&log),
        "replaced, it is right again"
    );
}

#[tokio::test]
async fn a_log_that_lacks_an_event_is_not_folded_anew() {
    let (platform, _) = folded(50).await;
    let client = platform.pool.get().await.unwrap();
    let lost = "delete from publishing_events where position = 20";
    client.batch_execute(lost).await.unwrap();
    for mode in [RebuildMode::Verify, RebuildMode::Replace] {
        let refused = run(&platform, mode).await;
        assert!(
            matches!(refused, Err(ViewError::Incomplete { missing: 1 })),
            "{refused:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_view_is_rebuilt_while_it_goes_on_being_folded() {
    let (platform, mut runner) = folded(500).await;
    let total = 500 + 30 * 20;
    let live = async {
        for _ in 0..30 {
            let head = platform.fill(20, 9).await;
            platform.relay().await;
            Platform::reached(&platform.feed, head).await;
            runner.step().await.unwrap();
        }
    };
    let rebuilds = async {
        for mode in [RebuildMode::Replace, RebuildMode::Verify].repeat(6) {
            let rebuilt = run(&platform, mode).await.unwrap();
            assert_eq!(rebuilt.differences, 0);
        }
    };
    tokio::join!(live, rebuilds);
    while position(&platform.pool, "tally").await.unwrap() != Some(total) {
        runner.step().await.unwrap();
    }
    let log = audit::sound_log(platform.store.log()).await;
    assert_eq!(rows(&platform.store).await, expected(&log));
}

#[tokio::test]
async fn a_rebuild_that_fails_leaves_the_view_serving_and_can_be_repeated() {
    let (platform, _) = folded(20).await;
    let before = rows(&platform.store).await;
    let metadata = Metadata {
        min_reader: CONTRACT_REVISION + 1,
        ..Metadata::default()
    };
    let poison = platform.event(platform.ids.next(), vec![0; 8], &metadata);
    platform.commit(vec![], vec![poison]).await.unwrap();
    let client = platform.pool.get().await.unwrap();
    client
        .execute("update publishing_views set position = 21", &[])
        .await
        .unwrap();
    for _ in 0..3 {
        // The lock of a failed one would keep the next one waiting for ever.
        let attempt = tokio::time::timeout(
            Duration::from_secs(20),
            run(&platform, RebuildMode::Replace),
        );
        let failed = attempt.await.expect("it does not hang").unwrap_err();
        assert!(
            matches!(failed, ViewError::Poison { view, position: 21, .. } if view == TallyView::DEFINITION.name),
            "{failed:?}"
        );
    }
    assert_eq!(rows(&platform.store).await, before);
}
