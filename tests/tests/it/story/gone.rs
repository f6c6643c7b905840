//! When a process counts as gone, so that what it has left open comes in doubt: not when its session was only lost for a moment.

use std::time::Duration;

use tidings_dispatcher::Dispatcher;
use tidings_event_store::session::Session;
use tidings_proto::Event;
use tidings_tests::house::House;
use uuid::Uuid;

use super::doubled::forget_sessions;
use super::later_build::{attempt, planned};

/// A process that has attempts open and is not this one.
pub(super) const STRANGER: Uuid = Uuid::from_u128(7);
/// A process is gone once it was found so by two looks this far apart.
pub(super) const GONE_AFTER: Duration = Duration::from_secs(5);
const A_SECOND: Duration = Duration::from_secs(1);
/// Both halves of the lock of that process.
const LOCK: [i32; 2] = [0x7469_6470, 7];

/// A publication to one reader, whom the stranger is sending its mail.
async fn sending() -> (House, Uuid) {
    let house = House::start_without_delivery().await;
    house.subscriber("ada@example.org").await;
    let email = house.email_channel().await;
    house.disable(email).await;
    let id = planned(&house, &[email]).await;
    attempt(&house, email, 900).await;
    house.platform.settle().await;
    (house, id)
}

/// What is in doubt after a look.
async fn doubted(house: &House, dispatcher: &mut Dispatcher, id: Uuid) -> i64 {
    dispatcher.step().await.unwrap();
    house.platform.settle().await;
    house.accounting(id).await.in_doubt
}

/// The stranger lives, as long as this session has its lock.
async fn comes_back(house: &House) -> Session {
    let session = (house.platform.connect)().await.unwrap();
    let lock = "select pg_advisory_lock($1, $2)";
    let [first, second] = LOCK;
    let locked = session.client.query_one(lock, &[&first, &second]).await;
    locked.unwrap();
    session
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_back_in_a_moment_is_not_gone_and_one_that_stays_away_is() {
    let (house, id) = sending().await;
    let clock = &house.platform.clock;
    let mut dispatcher = house.dispatcher();
    assert_eq!(doubted(&house, &mut dispatcher, id).await, 0, "at once");
    clock.advance(GONE_AFTER - A_SECOND);
    assert_eq!(doubted(&house, &mut dispatcher, id).await, 0, "too soon");
    let session = comes_back(&house).await;
    clock.advance(GONE_AFTER);
    assert_eq!(doubted(&house, &mut dispatcher, id).await, 0, "it is back");
    let unlock = "select pg_advisory_unlock_all()";
    session.client.query_one(unlock, &[]).await.unwrap();
    assert_eq!(doubted(&house, &mut dispatcher, id).await, 0, "anew");
    clock.advance(GONE_AFTER - A_SECOND);
    assert_eq!(doubted(&house, &mut dispatcher, id).await, 0, "too soon");
    clock.advance(A_SECOND);
    assert_eq!(doubted(&house, &mut dispatcher, id).await, 1);
    let log = house.platform.store.log();
    let last = log.page_after(0, 1_000).await.unwrap();
    let doubts = last.iter().filter_map(|it| match it.decode() {
        Ok(Event::DeliveryInDoubt(doubt)) => Some(doubt.reason),
        _ => None,
    });
    assert_eq!(doubts.collect::<Vec<_>>(), ["process_died"]);
}

/// A server that is restarted ends everybody's session, and whoever looks first must not take the others for dead.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_session_has_found_that_was_lost_itself_does_not_count() {
    let (house, id) = sending().await;
    let clock = &house.platform.clock;
    let mut dispatcher = house.dispatcher();
    assert_eq!(doubted(&house, &mut dispatcher, id).await, 0, "at once");
    forget_sessions(&house).await;
    clock.advance(GONE_AFTER);
    // Not everybody has heard of it yet that the session is away.
    while dispatcher.step().await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    house.platform.settle().await;
    assert_eq!(house.accounting(id).await.in_doubt, 0, "seen before");
    clock.advance(GONE_AFTER);
    assert_eq!(doubted(&house, &mut dispatcher, id).await, 1);
}
