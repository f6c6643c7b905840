//! Several dispatchers share the work: each delivery is in one lane, and a lane has one owner.

use std::collections::HashMap;
use std::time::Duration;

use tidings_dispatcher::Dispatcher;
use tidings_proto::Event;
use tidings_tests::house::{Accounting, House};

use super::doubled::forget_sessions;
use super::gone::GONE_AFTER;

const SUBSCRIBERS: i64 = 300;
/// After so long a dispatcher looks again how many share the lanes.
const SHARE_AGAIN: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_second_dispatcher_takes_half_of_the_lanes() {
    let house = House::start_without_delivery().await;
    for n in 0..SUBSCRIBERS {
        house.subscriber(&format!("reader{n}@example.org")).await;
    }
    let channel = house.email_channel().await;
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;

    let [mut first, mut second] = [house.dispatcher(), house.dispatcher()];
    // The first one holds every lane; it gives half of them back once it knows of the second.
    first.step().await.unwrap();
    second.step().await.unwrap();
    house.platform.clock.advance(SHARE_AGAIN);
    first.step().await.unwrap();
    second.step().await.unwrap();
    house.add_dispatcher(first).await;
    house.add_dispatcher(second).await;
    house.platform.settle().await;

    let all_sent = Accounting {
        planned: SUBSCRIBERS,
        sent: SUBSCRIBERS,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, all_sent);
    assert_eq!(house.smtp.count() as i64, SUBSCRIBERS);
    let each = attempts(&house).await;
    assert_eq!(each.iter().sum::<i64>(), SUBSCRIBERS, "one attempt each");
    assert_eq!(each.len(), 2, "both dispatchers worked: {each:?}");
    assert!(each[0] > SUBSCRIBERS / 4, "about half each: {each:?}");
}

/// How many attempts each dispatcher made, fewest first.
async fn attempts(house: &House) -> Vec<i64> {
    let mut attempts: HashMap<Vec<u8>, i64> = HashMap::new();
    let log = house.platform.store.log();
    for event in log.page_after(0, 100_000).await.unwrap() {
        if let Ok(Event::DeliveryAttempted(attempted)) = event.decode() {
            *attempts.entry(attempted.instance.to_vec()).or_default() += 1;
        }
    }
    let mut each: Vec<i64> = attempts.into_values().collect();
    each.sort_unstable();
    each
}

/// 64 lanes do not go evenly into three: none may be left without an owner.
#[tokio::test(flavor = "multi_thread")]
async fn three_dispatchers_leave_no_lane_to_nobody() {
    let house = House::start_without_delivery().await;
    for n in 0..SUBSCRIBERS {
        house.subscriber(&format!("reader{n}@example.org")).await;
    }
    let channel = house.email_channel().await;
    house.platform.settle().await;
    let mut dispatchers = [(); 3].map(|()| house.dispatcher());
    // The first one has to give lanes back before the others can take them.
    for _ in 0..3 {
        for dispatcher in &mut dispatchers {
            dispatcher.step().await.unwrap();
        }
        house.platform.clock.advance(SHARE_AGAIN);
    }
    for dispatcher in dispatchers {
        house.add_dispatcher(dispatcher).await;
    }
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;

    let all_sent = Accounting {
        planned: SUBSCRIBERS,
        sent: SUBSCRIBERS,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, all_sent);
    let each = attempts(&house).await;
    assert_eq!(each.len(), 3, "all of them worked: {each:?}");
    assert!(each[0] > SUBSCRIBERS / 6, "about a third each: {each:?}");
}

/// How many of the 64 lanes somebody holds; 1953064041 is the first half of a lane's lock.
pub(super) async fn held(house: &House) -> i64 {
    let client = house.platform.pool.get().await.unwrap();
    let sql = "select count(*) from pg_locks \
               where locktype = 'advisory' and objsubid = 2 and granted and classid = 1953064041::bigint::oid \
                   and database = (select oid from pg_database where datname = current_database())";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// Not everybody has heard of it yet that the session is away.
async fn steps_again(dispatcher: &mut Dispatcher) {
    while dispatcher.step().await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A server that is restarted ends everybody's session, and whoever is back first must not take all there is for its own: what
/// receiving sides let all dispatchers do together would be too much for a while.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_back_first_after_a_restart_of_the_database_does_not_count_itself_alone() {
    let house = House::start_without_delivery().await;
    house.platform.settle().await;
    let mut dispatchers = [house.dispatcher(), house.dispatcher()];
    for _ in 0..2 {
        for dispatcher in &mut dispatchers {
            dispatcher.step().await.unwrap();
        }
        house.platform.clock.advance(SHARE_AGAIN);
    }
    assert_eq!(held(&house).await, 64);
    forget_sessions(&house).await;
    let [first, second] = &mut dispatchers;
    steps_again(first).await;
    assert_eq!(held(&house).await, 32, "the other may come back");
    steps_again(second).await;
    assert_eq!(held(&house).await, 64);
    // The other one does not come back.
    forget_sessions(&house).await;
    steps_again(first).await;
    house.platform.clock.advance(GONE_AFTER);
    first.step().await.unwrap();
    assert_eq!(held(&house).await, 64);
}
