//! What happens to a view while it is rebuilt, or between a rebuild that was stopped and the next one.

use std::sync::Arc;

use tidings_event_store::view::{
    Phase, RebuildMode, RebuildOptions, RebuildProgress, Rebuildable, Rebuilt, Runner, ViewError,
    rebuild, skip,
};
use tidings_event_store::{CONTRACT_REVISION, Progress};
use tidings_projector::{Projector, Registered};
use tidings_proto::common::Metadata;
use tidings_tests::{Platform, audit};
use tokio::sync::Notify;
use uuid::Uuid;

use super::skips::{context, reason, settle};
use super::staged::{BOTH, folded, stopped_after, tiny};
use super::tally::{EventsView, OpeningTallyView, TallyView, WiderTallyView, expected, rows};

const TALLY: [Rebuildable; 1] = [Rebuildable::of::<TallyView>()];

/// Lets a rebuild of the tally go until it is about to write, does this, and lets it go on.
async fn meanwhile(
    platform: &Platform,
    happens: impl Future<Output = ()>,
) -> Result<Vec<Rebuilt>, ViewError> {
    let writes = Arc::new(Notify::new());
    let bell = writes.clone();
    let mut tell = move |at: RebuildProgress| {
        if matches!(at.phase, Phase::Writing(_)) {
            bell.notify_one();
        }
    };
    let options = RebuildOptions::new(RebuildMode::Replace);
    let mut rebuilding = Box::pin(rebuild(&platform.store, &TALLY, &options, &mut tell));
    tokio::select! {
        biased;
        () = writes.notified() => {}
        ended = &mut rebuilding => panic!("it never came to write: {ended:?}"),
    }
    // Whoever does not poll it holds it where it is.
    happens.await;
    rebuilding.await
}

/// Commits an event that no version can fold; gives its position.
async fn poison(platform: &Platform) -> i64 {
    let metadata = Metadata {
        min_reader: CONTRACT_REVISION + 1,
        ..Metadata::default()
    };
    let event = platform.event(platform.ids.next(), vec![0; 8], &metadata);
    let committed = platform.commit(vec![], vec![event]).await.unwrap();
    committed.last_position
}

/// What the tally says is what was counted, but for one position.
async fn is_right_without(platform: &Platform, position: i64) {
    let mut log = audit::sound_log(platform.store.log()).await;
    log.retain(|event| event.position != position);
    assert_eq!(rows(&platform.store).await, expected(&log));
}

#[tokio::test]
async fn a_skip_meanwhile_keeps_the_rebuilt_view_out() {
    let platform = Platform::start().await;
    let mut projector = Projector::of(
        &[Registered::of::<TallyView>()],
        &platform.store,
        &platform.feed,
    );
    platform.fill(5, 2).await;
    settle(&platform, &mut projector).await;
    let happens = async {
        let position = poison(&platform).await;
        settle(&platform, &mut projector).await;
        let context = context(&platform);
        let skipped = skip::<TallyView>(&platform.store, &context, position, reason());
        skipped.await.unwrap();
        settle(&platform, &mut projector).await;
    };
    let ended = meanwhile(&platform, happens).await;
    assert!(
        matches!(ended, Err(ViewError::Superseded { view: "tally" })),
        "{ended:?}"
    );
    meanwhile(&platform, async {}).await.unwrap();
    is_right_without(&platform, 6).await;
}

#[tokio::test]
async fn a_view_that_was_started_over_meanwhile_is_left_alone() {
    let platform = folded(200).await;
    let happens = async {
        let (store, feed) = (platform.store.clone(), platform.feed.clone());
        let mut wider = Runner::<WiderTallyView>::new(store, feed);
        while wider.step().await.unwrap() == Progress::Advanced {}
    };
    let ended = meanwhile(&platform, happens).await;
    assert!(
        matches!(ended, Err(ViewError::Superseded { view: "tally" })),
        "{ended:?}"
    );
    is_right_without(&platform, 0).await;
}

/// A page ends by its bytes too: what did not fit into it comes with the next.
#[tokio::test]
async fn what_is_caught_up_in_several_pages_is_all_folded() {
    const EVENTS: usize = 25;
    let platform = folded(50).await;
    let happens = async {
        let stream: Uuid = platform.ids.next();
        for amount in 0..EVENTS as i64 {
            let mut payload = vec![7; 800 << 10];
            payload[..8].copy_from_slice(&amount.to_be_bytes());
            let large = platform.event(stream, payload, &Metadata::default());
            platform.commit(vec![], vec![large]).await.unwrap();
        }
        let page = platform.store.log().page_after(50, EVENTS as i64).await;
        assert!(page.unwrap().len() < EVENTS, "more than one page");
        platform.settle().await;
        let (store, feed) = (platform.store.clone(), platform.feed.clone());
        let mut live = Runner::<TallyView>::new(store, feed);
        while live.step().await.unwrap() == Progress::Advanced {}
    };
    let ended = meanwhile(&platform, happens).await.unwrap();
    assert_eq!(ended[0].position, 75);
    is_right_without(&platform, 0).await;
}

/// What is staged may have been opened with a key that is gone by now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_staged_is_left_when_a_key_was_shredded_since() {
    let platform = folded(300).await;
    let opening = [Rebuildable::of::<OpeningTallyView>()];
    let replace = tiny(RebuildMode::Replace);
    let events = platform.store.log().page_after(0, 1).await.unwrap();
    let began_at = async |shred: Option<Uuid>| {
        assert!(stopped_after(&platform, &opening, &replace, 9).await);
        if let Some(key) = shred {
            let (vault, now) = (platform.store.vault(), platform.clock.clock().now());
            vault.shred(&[key], now).await.unwrap();
        }
        let rebuilt = rebuild(&platform.store, &opening, &replace, &mut |_| ()).await;
        rebuilt.unwrap()[0].from
    };
    assert!(began_at(None).await > 0, "it goes on");
    let no_streams = platform.ids.next();
    assert!(
        began_at(Some(no_streams)).await > 0,
        "the view opens nothing with it"
    );
    assert_eq!(
        began_at(Some(events[0].stream_id)).await,
        0,
        "it begins anew"
    );
    is_right_without(&platform, 0).await;
}

/// Each view by itself: one that skips nothing goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_staged_is_left_when_an_event_was_skipped_since() {
    let platform = folded(300).await;
    let position = poison(&platform).await;
    let replace = tiny(RebuildMode::Replace);
    assert!(stopped_after(&platform, &BOTH, &replace, 9).await);
    let context = context(&platform);
    let skipped = skip::<TallyView>(&platform.store, &context, position, reason());
    skipped.await.unwrap();
    let rebuilt = rebuild(&platform.store, &BOTH, &replace, &mut |_| ()).await;
    for view in rebuilt.unwrap() {
        assert_eq!(view.from > 0, view.view == "events_of_type", "{view:?}");
    }
    is_right_without(&platform, position).await;
    let verify = [Rebuildable::of::<EventsView>()];
    let verified = rebuild(
        &platform.store,
        &verify,
        &tiny(RebuildMode::Verify),
        &mut |_| (),
    )
    .await;
    assert_eq!(verified.unwrap()[0].differences, 0);
}
