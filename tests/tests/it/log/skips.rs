//! An event no version can fold: the view that stops at it skips it, live and in every rebuild, and no
//! other view does.

use tidings_dispatcher::queue::DispatchQueue;
use tidings_domain::log::{Command, Log as Surroundings};
use tidings_domain::stream_id;
use tidings_event_store::view::{
    RebuildMode, RebuildOptions, Rebuildable, Rebuilt, SkipError, SkipReason, poison, rebuild, skip,
};
use tidings_event_store::{CONTRACT_REVISION, Context, Progress};
use tidings_projector::view_positions::standings;
use tidings_projector::{Projector, Registered, Stops};
use tidings_proto::common::Metadata;
use tidings_tests::{Platform, audit};

use super::tally::{ActedUponView, EventsView, TallyView, expected, rows};

const VIEWS: [Registered; 2] = [
    Registered::of::<EventsView>(),
    Registered::of::<TallyView>(),
];
/// Position of the poison.
const POISON: i64 = 6;

/// A platform whose log has a poisonous event between sound ones, and a projector that has met it.
async fn poisoned() -> (Platform, Projector) {
    let platform = Platform::start().await;
    platform.fill(5, 2).await;
    let metadata = Metadata {
        min_reader: CONTRACT_REVISION + 1,
        ..Metadata::default()
    };
    let event = platform.event(platform.ids.next(), vec![0; 8], &metadata);
    let poisoned = platform.commit(vec![], vec![event]).await.unwrap();
    assert_eq!(poisoned.first_position, POISON);
    platform.fill(5, 2).await;
    platform.settle().await;
    let mut projector = Projector::of(&VIEWS, &platform.store, &platform.feed);
    settle(&platform, &mut projector).await;
    (platform, projector)
}

pub(super) async fn settle(platform: &Platform, projector: &mut Projector) {
    platform.settle().await;
    while projector.step().await.unwrap() == Progress::Advanced {}
}

pub(super) fn context(platform: &Platform) -> Context {
    Context {
        actor: "cli".to_owned(),
        correlation_id: platform.ids.next(),
        causation: None,
        occurred_at: platform.clock.clock().now(),
        traceparent: None,
        intent: platform.ids.next(),
        request_digest: None,
    }
}

pub(super) fn reason() -> SkipReason {
    SkipReason::parse("written by hand").unwrap()
}

async fn rebuilt(platform: &Platform, mode: RebuildMode) -> Vec<Rebuilt> {
    let both = [
        Rebuildable::of::<EventsView>(),
        Rebuildable::of::<TallyView>(),
    ];
    let options = RebuildOptions::new(mode);
    let rebuilt = rebuild(&platform.store, &both, &options, &mut |_| ()).await;
    rebuilt.unwrap()
}

/// What the tally says when it lacks the poison.
async fn lacks_the_poison(platform: &Platform) {
    let mut log = audit::sound_log(platform.store.log()).await;
    log.retain(|event| event.position != POISON);
    assert_eq!(rows(&platform.store).await, expected(&log));
}

#[tokio::test]
async fn a_stopped_view_skips_its_poison_and_goes_on_without_a_restart() {
    let (platform, mut projector) = poisoned().await;
    let why = projector.stops().why("tally").unwrap();
    assert!(why.contains("position 6"), "{why}");
    assert_eq!(projector.stops().why("events_of_type"), None);

    let skipped = skip::<TallyView>(&platform.store, &context(&platform), POISON, reason()).await;
    assert_eq!(skipped.unwrap().last_position, 12);
    settle(&platform, &mut projector).await;
    assert_eq!(projector.stops().why("tally"), None);
    lacks_the_poison(&platform).await;

    for mode in [
        RebuildMode::Verify,
        RebuildMode::Replace,
        RebuildMode::Verify,
    ] {
        for view in rebuilt(&platform, mode).await {
            assert_eq!((view.position, view.differences), (12, 0), "{}", view.view);
        }
    }
    lacks_the_poison(&platform).await;
    let client = platform.pool.get().await.unwrap();
    let sql = "select events from publishing_events_of_type where event_type = 'tally.Counted'";
    let all: i64 = client.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(all, 11, "the other view has it");
}

#[tokio::test]
async fn only_what_stops_a_view_is_skipped() {
    let (platform, mut projector) = poisoned().await;
    let store = &platform.store;
    let context = context(&platform);
    let elsewhere = skip::<TallyView>(store, &context, POISON + 1, reason()).await;
    assert!(
        matches!(elsewhere, Err(SkipError::NotThere { folded: 5, .. })),
        "{elsewhere:?}"
    );
    let acted_upon = skip::<ActedUponView>(store, &context, POISON, reason()).await;
    assert!(
        matches!(acted_upon, Err(SkipError::Never { .. })),
        "{acted_upon:?}"
    );
    let client = platform.pool.get().await.unwrap();
    let back = "update publishing_views set position = 4 where view = 'tally'";
    client.batch_execute(back).await.unwrap();
    let sound = skip::<TallyView>(store, &context, 5, reason()).await;
    assert!(matches!(sound, Err(SkipError::Sound { .. })), "{sound:?}");
    assert!(poison::<TallyView>(store, POISON).await.unwrap().is_some());
    assert!(
        poison::<TallyView>(store, POISON + 1)
            .await
            .unwrap()
            .is_none()
    );
    // Nothing of it got into the log.
    settle(&platform, &mut projector).await;
    assert_eq!(store.log().head().await.unwrap().position, 11);
}

/// One intent is one skip: repeated for another event, it must not move the view past that one.
#[tokio::test]
async fn a_repeated_intent_skips_no_second_event() {
    let (platform, mut projector) = poisoned().await;
    let store = &platform.store;
    let context = context(&platform);
    for _ in 0..2 {
        let skipped = skip::<TallyView>(store, &context, POISON, reason()).await;
        assert_eq!(skipped.unwrap().last_position, 12);
    }
    let metadata = Metadata {
        min_reader: CONTRACT_REVISION + 1,
        ..Metadata::default()
    };
    let event = platform.event(platform.ids.next(), vec![0; 8], &metadata);
    let second = platform.commit(vec![], vec![event]).await.unwrap();
    settle(&platform, &mut projector).await;
    let other = skip::<TallyView>(store, &context, second.last_position, reason()).await;
    assert!(matches!(other, Err(SkipError::OtherIntent)), "{other:?}");
    settle(&platform, &mut projector).await;
    let why = projector.stops().why("tally").unwrap();
    assert!(why.contains("position 13"), "{why}");
}

/// Whatever is asked whether mail may go out must overlook nothing.
#[tokio::test]
async fn views_that_sends_are_judged_by_skip_nothing() {
    let platform = Platform::start().await;
    let mut views = tidings_projector::VIEWS.to_vec();
    views.push(Registered::of::<DispatchQueue>());
    let mut never = Vec::new();
    for view in &views {
        let context = context(&platform);
        let asked = tidings_projector::skip(&platform.store, view, &context, 1, reason()).await;
        if matches!(asked, Err(SkipError::Never { .. })) {
            never.push(view.name());
        }
    }
    never.sort_unstable();
    assert_eq!(
        never,
        ["dispatch_queue", "subscriber_profile", "suppression_list"]
    );
}

#[tokio::test]
async fn the_word_in_the_log_is_enough() {
    let (platform, mut projector) = poisoned().await;
    let command = || Command::SkipInView {
        view: "tally".to_owned(),
        position: POISON,
        reason: reason(),
        fold: 1,
    };
    let context = context(&platform);
    let log = stream_id::log();
    let said = platform
        .store
        .execute::<Surroundings>(log, &context, None, command)
        .await;
    said.unwrap();
    settle(&platform, &mut projector).await;
    assert_eq!(projector.stops().why("tally"), None);
    lacks_the_poison(&platform).await;
}

#[tokio::test]
async fn any_process_tells_that_a_view_stands_still_and_what_its_rebuild_is_at() {
    let (platform, _) = poisoned().await;
    let look = async || {
        standings(&platform.store, &VIEWS, &Stops::default())
            .await
            .unwrap()
    };
    let views = look().await;
    assert_eq!(views.head, 11);
    let [events, tally] = &views.items[..] else {
        panic!("{views:?}")
    };
    assert_eq!((events.state.as_str(), events.lag), ("current", 0));
    assert_eq!(
        (tally.state.as_str(), tally.position, tally.lag),
        ("stopped", 5, 6)
    );
    assert!(tally.reason.as_ref().unwrap().contains("position 6"));
    assert_eq!(tally.rebuild, None);

    let client = platform.pool.get().await.unwrap();
    let sql = "update publishing_views set fold = 3 where view = 'tally'; \
               insert into publishing_rebuilds values ('events_of_type', 'x', 2, 0, 0, 4, 11, clock_timestamp()); \
               select pg_advisory_lock(hashtext('events_of_type'))";
    client.batch_execute(sql).await.unwrap();
    let views = look().await;
    assert_eq!(views.items[1].state, "redefined");
    assert!(views.items[1].reason.as_ref().unwrap().contains("fold 3"));
    let rebuild = views.items[0].rebuild.as_ref().unwrap();
    assert_eq!(
        (rebuild.running, rebuild.staged, rebuild.head),
        (true, 4, 11)
    );
    client
        .batch_execute("select pg_advisory_unlock_all()")
        .await
        .unwrap();
    assert!(!look().await.items[0].rebuild.as_ref().unwrap().running);
}
