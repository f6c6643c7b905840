//! An audience is frozen once. That is one dispatcher's work at a time, but one that stood still and has lost its session does
//! not know that yet.

use std::pin::pin;
use std::time::Duration;

use tidings_dispatcher::Dispatcher;
use tidings_domain::publication::Command;
use tidings_domain::value::Code;
use tidings_tests::house::{Accounting, House};

use super::doubled::forget_sessions;

const LOOK_AGAIN: Duration = Duration::from_millis(10);
const WITHIN: Duration = Duration::from_secs(30);
/// More than one chunk of a plan.
const READERS: usize = 600;
const CHUNK: i64 = 500;

/// A step of a dispatcher that stands still before it reads the subscribers of an audience, while something happens.
pub(super) async fn stands_still(
    house: &House,
    dispatcher: &mut Dispatcher,
    meanwhile: impl Future<Output = ()>,
) {
    let mut client = house.platform.pool.get().await.unwrap();
    let lock = client.transaction().await.unwrap();
    let exclusive = "lock table publishing_subscriber_profile in access exclusive mode";
    lock.batch_execute(exclusive).await.unwrap();
    let mut step = pin!(dispatcher.step());
    tokio::select! {
        biased;
        ended = &mut step => panic!("it should wait for the subscribers: {ended:?}"),
        () = waits_for_subscribers(house) => {}
    }
    lock.rollback().await.unwrap();
    meanwhile.await;
    step.await.unwrap();
    house.platform.settle().await;
}

async fn waits_for_subscribers(house: &House) {
    let client = house.platform.pool.get().await.unwrap();
    let sql = "select exists (select from pg_locks \
         where relation = 'publishing_subscriber_profile'::regclass and not granted)";
    let looking = tokio::time::timeout(WITHIN, async {
        while !client.query_one(sql, &[]).await.unwrap().get::<_, bool>(0) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    });
    assert!(looking.await.is_ok(), "nobody waits for the subscribers");
}

async fn step(house: &House, dispatcher: &mut Dispatcher) {
    dispatcher.step().await.unwrap();
    house.platform.settle().await;
}

async fn rows(house: &House) -> i64 {
    let client = house.platform.pool.get().await.unwrap();
    let sql = "select count(*) from publishing_dispatch_audience";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// It has judged that there is an audience to freeze, and reads it when another has frozen it and plans.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_late_by_one_who_was_thought_dead_gets_it_to_nobody_else() {
    let house = House::start_without_delivery().await;
    for name in ["ada", "bob"] {
        house.subscriber(&format!("{name}@example.org")).await;
    }
    let channel = house.email_channel().await;
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    let [mut late, mut other] = [house.dispatcher(), house.dispatcher()];
    let frozen_and_planned_by_another = async {
        forget_sessions(&house).await;
        while house.state(id).await != "frozen" {
            step(&house, &mut other).await;
        }
        // It has found the audience in the table, and not read it yet.
        step(&house, &mut other).await;
        house.subscriber("eve@example.org").await;
        house.platform.settle().await;
    };
    stands_still(&house, &mut late, frozen_and_planned_by_another).await;
    assert_eq!(rows(&house).await, 2);
    // Had it died before it heard that it was too late, what it had read would stand there still.
    let left_behind = "insert into publishing_dispatch_audience (publication_id, reading, subscriber_id) \
         select $1, $2, subscriber_id from publishing_subscriber_profile where state = 'active'";
    let reading = house.platform.ids.next();
    let client = house.platform.pool.get().await.unwrap();
    let left = client.execute(left_behind, &[&id, &reading]).await.unwrap();
    assert_eq!(left, 3);
    house.add_dispatcher(other).await;
    house.platform.settle().await;
    let all_sent = Accounting {
        planned: 2,
        sent: 2,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, all_sent);
    assert_eq!(house.state(id).await, "completed");
    assert_eq!(house.smtp.by_recipient("eve@example.org").len(), 0);
    assert_eq!(rows(&house).await, 0);
}

/// What is counted of a cancelled publication is compared with nothing that is planned, so it has to be whole.
#[tokio::test(flavor = "multi_thread")]
async fn an_audience_that_is_lost_while_what_was_planned_is_counted_is_read_again() {
    let house = House::start_without_delivery().await;
    for n in 0..READERS {
        house.subscriber(&format!("reader{n}@example.org")).await;
    }
    let channel = house.email_channel().await;
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    let mut first = house.dispatcher();
    while house.accounting(id).await.planned == 0 {
        step(&house, &mut first).await;
    }
    drop(first);
    forget_sessions(&house).await;
    let reason = Code::parse("requested").unwrap();
    let cancel = || Command::Cancel {
        reason: reason.clone(),
    };
    house.publication(id, cancel).await;
    house.platform.settle().await;
    let mut second = house.dispatcher();
    step(&house, &mut second).await;
    let client = house.platform.pool.get().await.unwrap();
    let lost = "delete from publishing_dispatch_audience";
    assert_eq!(client.execute(lost, &[]).await.unwrap(), READERS as u64);
    house.add_dispatcher(second).await;
    house.platform.settle().await;
    let cancelled = Accounting {
        planned: CHUNK,
        cancelled: CHUNK,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, cancelled);
    let log = house.platform.store.log();
    let events = log.stream(id).await.unwrap();
    let last = events.last().unwrap();
    assert_eq!(last.event_type, "publication.Completed");
}
