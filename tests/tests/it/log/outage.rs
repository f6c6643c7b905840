//! Servers that die: nothing acknowledged is lost, and everything goes on by itself.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use tidings_event_store::relay::{Relay, RelayError};
use tidings_event_store::{Commit, CommitError, Committed, Progress};
use tidings_tests::program::ASK_AGAIN;
use tidings_tests::{Platform, audit, guard};
use tokio::sync::watch;
use uuid::Uuid;

const CALLERS: usize = 32;
/// More than a caller is patient; nothing else would let them go.
const HANGS_NOBODY: Duration = Duration::from_secs(30);

/// What one caller was told.
#[derive(Default)]
struct Told {
    acknowledged: Vec<(Uuid, Committed)>,
    /// It may or may not be there.
    unknown: Vec<Uuid>,
}

/// Commits one event after another to a stream of its own until enough was acknowledged by all.
async fn call(
    platform: &Platform,
    acknowledged: &watch::Sender<usize>,
    enough: usize,
    unavailable: &AtomicUsize,
) -> Told {
    let stream = platform.ids.next();
    let version = AtomicI32::new(0);
    let mut told = Told::default();
    while *acknowledged.borrow() < enough {
        let event = platform.counted(stream, 1);
        let id = event.event_id;
        let commit = Commit {
            guards: vec![guard(stream, version.load(SeqCst))],
            events: vec![event],
        };
        match platform.store.log().commit(commit).await {
            Ok(committed) => {
                version.fetch_add(1, SeqCst);
                told.acknowledged.push((id, committed));
                acknowledged.send_modify(|count| *count += 1);
            }
            Err(CommitError::Unavailable) => {
                unavailable.fetch_add(1, SeqCst);
            }
            Err(CommitError::Unknown) => {
                told.unknown.push(id);
                // It may be away for longer than its callers are patient.
                let events = loop {
                    match platform.store.log().stream(stream).await {
                        Ok(events) => break events,
                        Err(_) => tokio::time::sleep(ASK_AGAIN).await,
                    }
                };
                version.store(events.len() as i32, SeqCst);
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_crashes_under_load_loses_nothing_acknowledged() {
    let platform = Platform::start_alone().await;
    let acknowledged = watch::Sender::new(0);
    let unavailable = AtomicUsize::new(0);
    let reached = |count: usize| {
        let mut watched = acknowledged.subscribe();
        async move {
            let enough = |acknowledged: &usize| *acknowledged >= count;
            watched.wait_for(enough).await.unwrap();
        }
    };
    let callers = (0..CALLERS).map(|_| call(&platform, &acknowledged, 30_000, &unavailable));
    let callers = futures_util::future::join_all(callers);
    let outages = async {
        for crash in 1..=3 {
            reached(crash * 5_000).await;
            platform.servers().kill_postgres_immediate().await.unwrap();
            platform.servers().restart_postgres().await.unwrap();
        }
    };
    let (told, ()) = tokio::join!(callers, outages);
    let log = audit::sound_log(platform.store.log()).await;
    let mut accounted = 0;
    for caller in &told {
        for (event_id, committed) in &caller.acknowledged {
            let recorded = &log[committed.first_position as usize - 1];
            assert_eq!(recorded.event_id, *event_id, "acknowledged, so it is there");
        }
        let surprise = log
            .iter()
            .filter(|event| caller.unknown.contains(&event.event_id));
        accounted += caller.acknowledged.len() + surprise.count();
    }
    assert_eq!(accounted, log.len(), "what nobody was told of is not there");
    platform.settle().await;
}

#[tokio::test]
async fn a_database_that_hangs_does_not_hang_its_callers() {
    let platform = Platform::start_alone().await;
    platform.fill(1, 1).await;
    let client = platform.pool.get().await.unwrap();
    let committers =
        "select pid from pg_stat_activity where application_name = 'tidings committer'";
    let rows = client.query(committers, &[]).await.unwrap();
    let mut pids: Vec<String> = rows
        .iter()
        .map(|row| row.get::<_, i32>(0).to_string())
        .collect();
    let file = platform
        .servers()
        .location()
        .join("postgres/postmaster.pid");
    let postmaster = fs::read_to_string(file).unwrap();
    pids.push(postmaster.lines().next().unwrap().to_owned());
    let signal = |name: &str| {
        let status = Command::new("kill").arg(name).args(&pids).status();
        assert!(status.unwrap().success());
    };
    signal("-STOP");
    let event = platform.counted(platform.ids.next(), 1);
    let answer = tokio::time::timeout(HANGS_NOBODY, platform.commit(vec![], vec![event])).await;
    signal("-CONT");
    assert!(
        matches!(
            answer,
            Ok(Err(CommitError::Unknown | CommitError::Unavailable))
        ),
        "{answer:?}"
    );
    platform.fill(1, 1).await;
    audit::sound_log(platform.store.log()).await;
}

#[tokio::test]
async fn nats_server_dies_in_the_middle_and_the_relay_goes_on_where_it_stood() {
    let platform = Platform::start_alone().await;
    let mut relay = platform.relay_itself().lock().await;
    for round in 1..=3 {
        // Behind (a batch) and then a little behind (singles).
        platform.fill(300, 7).await;
        assert_eq!(relay.step().await.unwrap(), Progress::Advanced);
        platform.servers().kill_nats().await.unwrap();
        platform.fill(20, 3).await;
        platform.servers().restart_nats().await.unwrap();
        until_idle(&mut relay).await;
        audit::sound_stream(&platform, 1).await;
        assert_eq!(
            platform.store.log().head().await.unwrap().position,
            round * 320
        );
    }
}

#[tokio::test]
async fn a_wiped_store_is_filled_again() {
    let platform = Platform::start_alone().await;
    platform.fill(350, 7).await;
    platform.settle().await;
    platform.servers().kill_nats().await.unwrap();
    fs::remove_dir_all(platform.servers().location().join("nats/jetstream")).unwrap();
    platform.servers().restart_nats().await.unwrap();
    // Even if nothing happens meanwhile: the relay looks again after it has reconnected.
    platform.nats.flush().await.unwrap();
    until_idle(&mut *platform.relay_itself().lock().await).await;
    audit::sound_stream(&platform, 1).await;
    // And the feed that followed the old stream goes on with the new one.
    platform.fill(10, 2).await;
    platform.settle().await;
    let page = platform.feed.page_after(0, 1_000).await.unwrap();
    let positions: Vec<i64> = page.iter().map(|item| item.position()).collect();
    assert_eq!(positions, (1..=360).collect::<Vec<_>>());
}

#[tokio::test]
async fn without_nats_the_feed_reads_the_log() {
    let platform = Platform::start_alone().await;
    platform.fill(5, 1).await;
    platform.settle().await;
    platform.servers().kill_nats().await.unwrap();
    let head = platform.fill(25, 2).await;
    Platform::reached(&platform.feed, head).await;
    let page = platform.feed.page_after(0, 100).await.unwrap();
    let positions: Vec<i64> = page.iter().map(|item| item.position()).collect();
    assert_eq!(positions, (1..=30).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_event_too_large_for_a_message_is_announced_by_a_stub() {
    let platform = Platform::start_alone_with(|options| {
        options.nats_payload_bytes_max = 16 << 10;
    })
    .await;
    platform.fill(3, 1).await;
    let stream = platform.ids.next();
    let payload: Vec<u8> = (0..40_000_u32).map(|n| n as u8).collect();
    let large = platform.event(stream, payload.clone(), &Default::default());
    platform.commit(vec![], vec![large]).await.unwrap();
    platform.fill(3, 1).await;
    platform.settle().await;
    assert_eq!(audit::sound_stream(&platform, 1).await, 1);
    let page = platform.feed.page_after(3, 1).await.unwrap();
    assert_eq!(page[0].recorded.payload, payload, "the feed fetched it");
}

/// Steps until all is published, as the relay's own loop does: after an error the next step looks anew.
async fn until_idle(relay: &mut Relay) {
    let mut errors = 0;
    loop {
        match relay.step().await {
            Ok(Progress::Idle) => return,
            Ok(Progress::Advanced) => {}
            Err(error @ RelayError::Diverged { .. }) => panic!("{error}"),
            Err(error) => {
                errors += 1;
                assert!(errors < 20, "{error}");
            }
        }
    }
}
