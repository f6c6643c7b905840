//! A database that changes beneath a process: what is asked, what still counts, and what goes out no more.

use std::time::Duration;

use tidings_event_store::feed::Feed;
use tidings_event_store::relay::RelayError;
use tidings_event_store::{Commit, CommitError, ReadError};
use tidings_service::config::Secret;
use tidings_service::postgres;
use tidings_service::problem::chain;
use tidings_sinks::smtp::{Action, Phase, Rule};
use tidings_tests::house::House;
use tidings_tests::{Platform, Replica};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The lock of the commit function.
const COMMIT_LOCK: i64 = 7_310_575_178_592_774_515;
/// How often the database is asked for what it tells nobody.
const ASK_AGAIN: Duration = Duration::from_millis(10);

/// Takes the log back by one position that was relayed, and lets a relay find that out.
async fn goes_back(platform: &Platform) {
    let head = platform.store.log().head().await.unwrap().position;
    let client = platform.pool.get().await.unwrap();
    let sql = format!(
        "delete from publishing_events where position = {head};
         delete from publishing_batches where last_position = {head}"
    );
    client.batch_execute(&sql).await.unwrap();
    let noticed = platform.another_relay().await.step().await;
    assert!(
        matches!(noticed, Err(RelayError::Diverged { position }) if position == head),
        "{noticed:?}"
    );
}

fn commit(platform: &Platform, amount: i64) -> JoinHandle<Result<(), CommitError>> {
    let store = platform.store.clone();
    let commit = Commit {
        guards: vec![],
        events: vec![platform.counted(platform.ids.next(), amount)],
    };
    tokio::spawn(async move { store.log().commit(commit).await.map(drop) })
}

async fn until(platform: &Platform, sql: &str) {
    let client = platform.pool.get().await.unwrap();
    while !client.query_one(sql, &[]).await.unwrap().get::<_, bool>(0) {
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// The session that is open would take it, as it has no reason to be opened anew.
#[tokio::test]
async fn what_waits_in_line_when_the_log_goes_back_is_not_recorded() {
    let platform = Platform::start().await;
    for _ in 0..3 {
        platform.fill(1, 1).await;
    }
    platform.settle().await;
    let holder = platform.pool.get().await.unwrap();
    let lock = "select pg_advisory_lock($1)";
    holder.execute(lock, &[&COMMIT_LOCK]).await.unwrap();
    let on_its_way = commit(&platform, 1);
    let waits = "select exists(select from pg_locks where locktype = 'advisory' and not granted \
                 and database = (select oid from pg_database where datname = current_database()))";
    until(&platform, waits).await;
    let in_line = commit(&platform, 2);
    tokio::task::yield_now().await;

    goes_back(&platform).await;
    let unlock = "select pg_advisory_unlock($1)";
    holder.execute(unlock, &[&COMMIT_LOCK]).await.unwrap();
    on_its_way.await.unwrap().unwrap();
    let refused = in_line.await.unwrap();
    assert!(
        matches!(refused, Err(CommitError::WentBack(_))),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_is_on_record_is_not_sent_after_the_log_has_gone_back() {
    let house = House::start_without_delivery().await;
    let stall = Rule::new(Phase::Greeting, Action::Stall);
    let stalled = house.smtp.add_rule(stall.times(1));
    house.subscriber("ada@example.org").await;
    let channel = house.email_channel().await;
    house
        .publish("The ferry", "It runs again.", &[channel])
        .await;
    let stop = CancellationToken::new();
    let delivering = tokio::spawn(house.dispatcher().run(stop.clone()));
    let working = async {
        loop {
            house.platform.settle().await;
        }
    };
    tokio::select! {
        () = house.smtp.wait_for_hits(stalled, 1) => {}
        () = working => {}
    }
    house.platform.settle().await;

    goes_back(&house.platform).await;
    house.smtp.release();
    stop.cancel();
    // It finishes what is open.
    drop(delivering.await.unwrap());
    assert_eq!(house.smtp.count(), 0, "it was sent");
}

#[tokio::test]
async fn a_batch_that_was_taken_away_is_an_error_of_whoever_reads_it() {
    let platform = Platform::start().await;
    for _ in 0..3 {
        platform.fill(1, 1).await;
    }
    let client = platform.pool.get().await.unwrap();
    let sql = "delete from publishing_batches where last_position = 3";
    client.batch_execute(sql).await.unwrap();
    let relayed = platform.another_relay().await.step().await;
    assert!(
        matches!(relayed, Err(RelayError::Read(ReadError::Garbled))),
        "{relayed:?}"
    );
    let feed = Feed::open(platform.store.log().clone()).await.unwrap();
    let read = feed.page_after(0, 10).await;
    assert!(matches!(read, Err(ReadError::Garbled)), "{read:?}");
}

/// It may have yet to apply the last commits: then it looks like a log that has gone back.
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_asked_nothing_before_it_has_taken_over() {
    let platform = Platform::start_alone().await;
    let replica = Replica::of(platform.servers()).await;
    let url = Secret::new(replica.database_url());
    let settings = postgres::Settings {
        application_name: "test".to_owned(),
        pool_size_max: 1,
        statement_timeout: None,
    };
    let pooled = postgres::connect(&url, &settings).await.map(drop);
    let single = postgres::single(&url, "test").await.map(drop);
    for refused in [pooled, single] {
        let why = chain(&refused.unwrap_err());
        assert!(why.contains("does not allow writes"), "{why}");
    }
    replica.promote().await;
    postgres::connect(&url, &settings).await.unwrap();
    postgres::single(&url, "test").await.unwrap();
}

/// The session is given up while its commit waits for the standby, and the commit is in the log all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_its_synchronous_standby_lacks_is_not_acknowledged() {
    let platform = Platform::start_alone().await;
    let replica = Replica::of(platform.servers()).await;
    let admin = platform.pool.get().await.unwrap();
    let synchronous = "alter system set synchronous_standby_names = '*'";
    admin.execute(synchronous, &[]).await.unwrap();
    let reload = "select pg_reload_conf()";
    admin.execute(reload, &[]).await.unwrap();
    let follows = "select exists(select from pg_stat_replication where sync_state = 'sync')";
    until(&platform, follows).await;
    commit(&platform, 1).await.unwrap().unwrap();

    replica.cut_off().await;
    let verdict = commit(&platform, 2).await.unwrap();
    assert!(matches!(verdict, Err(CommitError::Unknown)), "{verdict:?}");
    let log = platform.store.log();
    assert_eq!(log.head().await.unwrap().position, 2);
    let alone = "alter system reset synchronous_standby_names";
    admin.execute(alone, &[]).await.unwrap();
    admin.execute(reload, &[]).await.unwrap();
    commit(&platform, 3).await.unwrap().unwrap();
    assert_eq!(log.head().await.unwrap().position, 3);
}
