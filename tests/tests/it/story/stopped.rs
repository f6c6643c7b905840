//! A dispatcher that is told to stop: what it has begun it finishes, and it begins nothing.

use tidings_sinks::smtp::{Action, Phase, Rule};
use tidings_tests::house::{Accounting, House};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::lanes::held;

const READERS: i64 = 60;
/// As many attempts as a channel of mails has open at the most: eight connections, four attempts for each.
const OPEN_MAX: i64 = 32;

/// A house in which deliveries of one publication are planned, and nobody sends them yet.
async fn planned() -> (House, Uuid) {
    let house = House::start_without_delivery().await;
    for n in 0..READERS {
        house.subscriber(&format!("reader{n}@example.org")).await;
    }
    let channel = house.email_channel().await;
    house.disable(channel).await;
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    let mut planner = house.dispatcher();
    loop {
        house.platform.settle().await;
        planner.step().await.unwrap();
        if house.accounting(id).await.planned == READERS {
            break;
        }
    }
    drop(planner);
    house.enable(channel).await;
    house.platform.settle().await;
    (house, id)
}

async fn attempted(house: &House) -> i64 {
    let client = house.platform.pool.get().await.unwrap();
    let sql = "select count(*) from publishing_events where type = 'delivery.Attempted'";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// It is reading what is due when it is told: what it has read stays where it is.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_meanwhile_is_not_attempted() {
    let (house, _) = planned().await;
    let mut holder = house.platform.pool.get().await.unwrap();
    let lock = holder.transaction().await.unwrap();
    lock.batch_execute("lock table publishing_dispatch_queue in access exclusive mode")
        .await
        .unwrap();
    let stop = CancellationToken::new();
    let running = tokio::spawn(house.dispatcher().run(stop.clone()));
    let looks = house.platform.pool.get().await.unwrap();
    let reads = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' \
                 and datname = current_database() and query like '%publishing_dispatch_queue%'";
    while looks.query_one(reads, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(!running.is_finished(), "it has ended by itself");
        tokio::task::yield_now().await;
    }
    stop.cancel();
    lock.rollback().await.unwrap();
    running.await.unwrap().unwrap();
    assert_eq!(attempted(&house).await, 0);
    assert_eq!(house.smtp.count(), 0);
}

/// Mails are out and not answered when it is told: each gets its outcome, and no further one goes out. Attempts that were
/// being recorded when it was told are open too, so that how many there are is known only at the end.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_gets_its_outcome() {
    let (house, id) = planned().await;
    let stall = Rule::new(Phase::FinalDot, Action::Stall).recorded();
    let stall = house.smtp.add_rule(stall);
    let stop = CancellationToken::new();
    let running = tokio::spawn(house.dispatcher().run(stop.clone()));
    house.smtp.wait_for_hits(stall, 8).await;
    stop.cancel();
    house.smtp.remove_rule(stall);
    house.smtp.release();
    running.await.unwrap().unwrap();
    house.platform.settle().await;
    let open = attempted(&house).await;
    assert!((8..=OPEN_MAX).contains(&open), "{open} were open");
    let finished = Accounting {
        planned: READERS,
        sent: open,
        pending: READERS - open,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, finished);
    assert_eq!(house.smtp.count() as i64, open);
}

/// Its one mail is not answered for long: whoever else lives has all the work meanwhile, new publications too.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_told_to_stop_leaves_what_it_has_not_begun_to_the_others_at_once() {
    let house = House::start_without_delivery().await;
    house.subscriber("ada@example.org").await;
    let channel = house.email_channel().await;
    house.platform.settle().await;
    let stall = Rule::new(Phase::FinalDot, Action::Stall).recorded();
    let stall = house.smtp.add_rule(stall.times(1));
    let hangs = house.publish("The ferry", "It runs.", &[channel]).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(house.dispatcher().run(stop.clone()));
    while house.smtp.hits(stall) == 0 {
        house.platform.settle().await;
    }
    assert_eq!(held(&house).await, 64);
    stop.cancel();
    while held(&house).await > 0 {
        assert!(!running.is_finished(), "its mail is not answered");
        tokio::task::yield_now().await;
    }

    house.add_dispatcher(house.dispatcher()).await;
    for n in 0..READERS {
        house.subscriber(&format!("reader{n}@example.org")).await;
    }
    let id = house.publish("Storm", "It does not.", &[channel]).await;
    house.platform.settle().await;
    assert_eq!(held(&house).await, 64, "all of them");
    assert_eq!(house.accounting(id).await.sent, READERS + 1);
    assert!(!running.is_finished());
    // What it has begun is its own, and nobody has put it in doubt.
    assert_eq!(house.accounting(hangs).await.pending, 1);
    house.smtp.release();
    running.await.unwrap().unwrap();
    house.platform.settle().await;
    assert_eq!(house.accounting(hangs).await.sent, 1);
    assert_eq!(house.smtp.count() as i64, READERS + 2);
}
