//! Planning is one dispatcher's work at a time, but one that has lost its session does not know that yet.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tidings_dispatcher::Dispatcher;
use tidings_event_store::Store;
use tidings_proto::Event;
use tidings_tests::house::{Accounting, House};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// More than one chunk of a plan.
const READERS: usize = 600;
const MAILS: usize = 2;
const PLANNED: usize = READERS * MAILS + 1;
const LOOK_AGAIN: Duration = Duration::from_millis(10);
const WITHIN: Duration = Duration::from_secs(30);

/// One dies in the middle of a chunk. The next one plans on and loses its session; the one after that takes its place,
/// and both plan the same chunk at the same moment. Who came after the audience was frozen gets nothing.
#[tokio::test(flavor = "multi_thread")]
async fn dispatchers_that_plan_the_same_chunk_at_once_after_one_died_in_it_double_nothing() {
    let house = House::start_without_delivery().await;
    let mut readers = Vec::new();
    for n in 0..READERS {
        readers.push(house.subscriber(&format!("reader{n}@example.org")).await);
    }
    let channels = [
        house.email_channel().await,
        house.email_channel().await,
        house.slack_channel("news").await,
    ];
    let id = house.publish("The ferry", "It runs.", &channels).await;
    house.platform.settle().await;
    dies_in_a_chunk(&house).await;
    let planned = plans(&house).await.len();
    assert!(
        (MAILS..PLANNED).contains(&planned),
        "{planned} were planned"
    );
    house.subscriber("late@example.org").await;
    house.unsubscribe(readers[0]).await;
    house.platform.settle().await;

    plan_at_once(&house).await;
    house.platform.settle().await;
    let plans = plans(&house).await;
    let receivers: HashSet<_> = plans.iter().collect();
    assert_eq!(receivers.len(), plans.len(), "somebody is planned twice");
    let all = Accounting {
        planned: PLANNED as i64,
        sent: (PLANNED - MAILS) as i64,
        suppressed: MAILS as i64,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, all);
    assert_eq!(house.state(id).await, "completed");
    everybody_has_theirs(&house);
}

/// A dispatcher plans until the first chunk of mails has begun, and is gone before it hears of that.
async fn dies_in_a_chunk(house: &House) {
    let store = another_process(house);
    let mut committed = store.log().committed();
    let mut dispatcher = house.dispatcher_on(store, house.platform.feed.clone());
    while plans(house).await.is_empty() {
        dispatcher.step().await.unwrap();
        house.platform.settle().await;
    }
    committed.mark_unchanged();
    tokio::select! {
        biased;
        begun = committed.changed() => begun.unwrap(),
        ended = dispatcher.step() => panic!("nothing was planned: {ended:?}"),
    }
}

/// Two dispatchers, of which the database has forgotten one, wait for the first readers of the audience, and have them
/// at once.
async fn plan_at_once(house: &House) {
    let mut dispatchers = [(); 2].map(|()| {
        let store = another_process(house);
        house.dispatcher_on(store, house.platform.feed.clone())
    });
    // The first step of a plan has nothing to do with the audience's readers.
    for dispatcher in &mut dispatchers {
        forget_sessions(house).await;
        dispatcher.step().await.unwrap();
    }
    let mut client = house.platform.pool.get().await.unwrap();
    let lock = client.transaction().await.unwrap();
    let exclusive = "lock table publishing_dispatch_audience in access exclusive mode";
    lock.batch_execute(exclusive).await.unwrap();
    let stop = CancellationToken::new();
    let mut working = Vec::new();
    for dispatcher in dispatchers {
        forget_sessions(house).await;
        working.push(works(dispatcher, &stop));
        wait_for_the_audience(house, working.len()).await;
    }
    stop.cancel();
    lock.commit().await.unwrap();
    for dispatcher in working {
        house.add_dispatcher(dispatcher.await.unwrap()).await;
    }
}

/// A dispatcher that makes step after step.
fn works(mut dispatcher: Dispatcher, stop: &CancellationToken) -> JoinHandle<Dispatcher> {
    let stop = stop.clone();
    tokio::spawn(async move {
        while !stop.is_cancelled() {
            dispatcher.step().await.unwrap();
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        dispatcher
    })
}

fn another_process(house: &House) -> Store {
    let platform = &house.platform;
    platform.another_store(platform.connect.clone())
}

async fn wait_for_the_audience(house: &House, waiting: usize) {
    let client = house.platform.pool.get().await.unwrap();
    let sql = "select count(*) from pg_locks \
         where relation = 'publishing_dispatch_audience'::regclass and not granted";
    let looking = tokio::time::timeout(WITHIN, async {
        while client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) < waiting as i64 {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    });
    assert!(looking.await.is_ok(), "{waiting} dispatchers should wait");
}

/// Ends the sessions that say which dispatchers live, and in which lanes.
pub(super) async fn forget_sessions(house: &House) {
    let client = house.platform.pool.get().await.unwrap();
    let sql = "select count(pg_terminate_backend(pid)) from ( \
             select distinct pid from pg_locks where locktype = 'advisory' and objsubid = 2 \
             and database = (select oid from pg_database where datname = current_database())) s";
    let ending = tokio::time::timeout(WITHIN, async {
        while client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    });
    assert!(ending.await.is_ok(), "somebody's session does not end");
}

/// Channel and reader of every delivery that is planned.
async fn plans(house: &House) -> Vec<(Uuid, Option<Uuid>)> {
    let log = house.platform.store.log();
    let events = log.page_after(0, 100_000).await.unwrap();
    let mut plans = Vec::new();
    for event in &events {
        if let Ok(Event::DeliveryPlanned(plan)) = event.decode() {
            let channel = Uuid::from_slice(&plan.channel_id).unwrap();
            plans.push((channel, event.subject));
        }
    }
    plans
}

fn everybody_has_theirs(house: &House) {
    let mut copies: HashMap<String, usize> = HashMap::new();
    for mail in house.smtp.messages() {
        *copies.entry(mail.to[0].clone()).or_default() += 1;
    }
    for n in 1..READERS {
        let reader = format!("reader{n}@example.org");
        assert_eq!(copies.remove(&reader), Some(MAILS), "{reader}");
    }
    assert!(copies.is_empty(), "they were to get nothing: {copies:?}");
    assert_eq!(house.slack.messages().len(), 1);
}
