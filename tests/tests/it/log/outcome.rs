//! Connections that break while a commit is on its way: whoever asked gets the true answer, once.

use futures_util::future::join_all;
use proptest::sample::select;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, TestRunner};
use tidings_event_store::{Commit, CommitError, Committed, Store};
use tidings_tests::checker::Told;
use tidings_tests::{Cut, Platform, Proxy, audit, guard};
use uuid::Uuid;

/// What the caller was told: its first event is there.
fn told(stream_id: Uuid, committed: &Committed) -> Told {
    Told {
        position: committed.first_position,
        stream_id,
    }
}

/// A store whose committer talks through the proxy, connected already.
async fn behind(platform: &Platform, proxy: &Proxy) -> Store {
    let store = platform.another_store(proxy.connect());
    let stream = platform.ids.next();
    let event = platform.counted(stream, 0);
    let commit = Commit {
        guards: vec![guard(stream, 0)],
        events: vec![event],
    };
    store.log().commit(commit).await.unwrap();
    store
}

async fn cut_during_a_commit(cut: Cut) {
    let platform = Platform::start().await;
    let proxy = Proxy::before(&platform.database_url);
    let store = behind(&platform, &proxy).await;
    let stream = platform.ids.next();
    let (first, second) = (platform.counted(stream, 1), platform.counted(stream, 2));
    let commit = Commit {
        guards: vec![guard(stream, 0)],
        events: vec![first.clone(), second],
    };
    proxy.cut([cut]);
    let committed = store.log().commit(commit).await.unwrap();
    assert_eq!(proxy.cuts_left(), 0);
    assert_eq!((committed.first_position, committed.last_position), (2, 3));
    let log = audit::checked(&platform, &[told(stream, &committed)]).await;
    assert_eq!(log.len(), 3, "nothing is doubled");
    assert_eq!(log[1].event_id, first.event_id);
    assert_eq!(log[1].recorded_at, committed.recorded_at);
}

#[tokio::test]
async fn a_request_that_never_arrived_is_sent_again() {
    cut_during_a_commit(Cut::Request).await;
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found() {
    cut_during_a_commit(Cut::Reply).await;
}

#[tokio::test]
async fn a_commit_that_nobody_heard_the_answer_of_is_found_or_sent_again() {
    cut_during_a_commit(Cut::Unheard).await;
}

#[tokio::test]
async fn a_conflict_stays_a_conflict_when_its_answer_was_lost() {
    let platform = Platform::start().await;
    let proxy = Proxy::before(&platform.database_url);
    let store = behind(&platform, &proxy).await;
    let stream = platform.ids.next();
    let event = platform.counted(stream, 1);
    let committed = platform.commit(vec![], vec![event]).await.unwrap();
    proxy.cut([Cut::Reply]);
    let commit = Commit {
        guards: vec![guard(stream, 0)],
        events: vec![platform.counted(stream, 2)],
    };
    let verdict = store.log().commit(commit).await;
    assert!(
        matches!(verdict, Err(CommitError::Conflict { actual: 1, .. })),
        "{verdict:?}"
    );
    audit::checked(&platform, &[told(stream, &committed)]).await;
}

#[tokio::test]
async fn many_cuts_under_load_double_nothing_and_lose_nothing() {
    let platform = Platform::start().await;
    let proxy = Proxy::before(&platform.database_url);
    let store = behind(&platform, &proxy).await;
    let mut runner = TestRunner::new(Config::default());
    let mut heard = Vec::new();
    let any_cut = select(vec![Cut::Request, Cut::Unheard, Cut::Reply]);
    for _ in 0..30 {
        // More than one at a time: the look for the outcome is cut as well.
        let cuts = proptest::collection::vec(any_cut.clone(), 1..4);
        proxy.cut(cuts.new_tree(&mut runner).unwrap().current());
        let commits = (0..40).map(|n| {
            let stream = platform.ids.next();
            let events = vec![platform.counted(stream, n), platform.counted(stream, n)];
            // Half of them without a guard: found by their events.
            let guards = if n % 2 == 0 {
                vec![guard(stream, 0)]
            } else {
                vec![]
            };
            let commit = Commit { guards, events };
            let store = &store;
            async move { (store.log().commit(commit.clone()).await.unwrap(), commit) }
        });
        let committed = join_all(commits).await;
        let log = audit::sound_log(store.log()).await;
        for (committed, commit) in committed {
            heard.push(told(commit.events[0].stream_id, &committed));
            for (position, event) in (committed.first_position..).zip(commit.events) {
                assert_eq!(log[position as usize - 1].event_id, event.event_id);
            }
        }
    }
    assert_eq!(proxy.cuts_left(), 0);
    let log = audit::checked(&platform, &heard).await;
    assert_eq!(log.len(), 1 + 30 * 40 * 2);
}

#[tokio::test]
async fn an_administrator_who_ends_the_session_is_not_noticed_by_callers() {
    let platform = Platform::start().await;
    let client = platform.pool.get().await.unwrap();
    let end = "select pg_terminate_backend(pid) from pg_stat_activity \
               where application_name = 'tidings committer' and datname = current_database()";
    let (mut ended, mut heard) = (0, Vec::new());
    for _ in 0..50 {
        let commits = (0..3).map(|n| {
            let stream = platform.ids.next();
            let events = vec![platform.counted(stream, n)];
            let commit = platform.commit(vec![guard(stream, 0)], events);
            async move { (stream, commit.await) }
        });
        let (sessions, committed) = tokio::join!(client.query(end, &[]), join_all(commits));
        ended += sessions.unwrap().len();
        for (stream, committed) in committed {
            heard.push(told(stream, &committed.unwrap()));
        }
    }
    assert!(ended > 10, "{ended} sessions were ended");
    assert_eq!(audit::checked(&platform, &heard).await.len(), 150);
}

#[tokio::test]
async fn without_a_database_callers_are_told_so() {
    let platform = Platform::start().await;
    let proxy = Proxy::before(&platform.database_url);
    let store = behind(&platform, &proxy).await;
    // Every connection from now on is cut at its first word.
    proxy.cut([Cut::Request; 1_000]);
    let commit = Commit {
        guards: vec![],
        events: vec![platform.counted(platform.ids.next(), 1)],
    };
    tokio::time::pause();
    let verdict = store.log().commit(commit).await;
    assert!(
        matches!(verdict, Err(CommitError::Unknown)),
        "it was on its way when the connection broke: {verdict:?}"
    );
    tokio::time::resume();
    assert_eq!(audit::checked(&platform, &[]).await.len(), 1);
}
