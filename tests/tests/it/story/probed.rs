//! Two dispatchers find at the same moment that a circuit may be probed.

use std::time::Duration;

use tidings_dispatcher::{DispatchError, Dispatcher};
use tidings_event_store::Progress;
use tidings_sinks::smtp::{Action, Phase, Rule};
use tidings_tests::house::{Accounting, House};
use tokio::task::JoinHandle;
use uuid::Uuid;

const READERS: i64 = 20;
/// Far more than it takes; reaching it is a failure.
const DECIDED_WITHIN: Duration = Duration::from_secs(30);
/// The lock that a commit takes (`publishing_commit`).
const COMMIT_LOCK: i64 = 7_310_575_178_592_774_515;

/// How often the channel's circuit was opened, probed and closed.
async fn circuit(house: &House, channel_id: Uuid) -> [usize; 3] {
    let log = house.platform.store.log();
    let events = log.stream(channel_id).await.unwrap();
    ["CircuitOpened", "CircuitProbed", "CircuitClosed"].map(|wanted| {
        let wanted = format!("channel.{wanted}");
        let such = events.iter().filter(|it| it.event_type == wanted);
        such.count()
    })
}

type Stepping = JoinHandle<(Dispatcher, Result<Progress, DispatchError>)>;

fn step(mut dispatcher: Dispatcher) -> Stepping {
    tokio::spawn(async move {
        let stepped = dispatcher.step().await;
        (dispatcher, stepped)
    })
}

/// Steps everybody until the circuit is open.
async fn opened(house: &House, channel: Uuid, dispatchers: &mut [Dispatcher; 2]) {
    let closing = house
        .smtp
        .add_rule(Rule::reply(Phase::RcptTo, 421, "4.3.2 closing"));
    while circuit(house, channel).await[0] == 0 {
        house.platform.settle().await;
        for dispatcher in dispatchers.iter_mut() {
            dispatcher.step().await.unwrap();
        }
        // So that both have their share of the lanes.
        house.platform.clock.advance(Duration::from_secs(1));
    }
    house.platform.settle().await;
    house.smtp.remove_rule(closing);
}

/// Has both step, and go on only when both have judged and are about to put on record that they find out.
async fn at_the_same_moment(house: &House, dispatchers: [Dispatcher; 2]) -> [Stepping; 2] {
    let pool = &house.platform.pool;
    let mut holder = pool.get().await.unwrap();
    let lock = holder.transaction().await.unwrap();
    let take = "select pg_advisory_xact_lock($1)";
    lock.execute(take, &[&COMMIT_LOCK]).await.unwrap();
    let stepping = dispatchers.map(step);
    let looks = pool.get().await.unwrap();
    let sql = "select count(*) from pg_locks where locktype = 'advisory' and not granted \
               and database = (select oid from pg_database where datname = current_database())";
    let waiting = async || looks.query_one(sql, &[]).await.unwrap().get::<_, i64>(0);
    while waiting().await < 2 {
        let has_ended = stepping.iter().any(JoinHandle::is_finished);
        assert!(!has_ended, "one does not probe");
        tokio::task::yield_now().await;
    }
    lock.rollback().await.unwrap();
    stepping
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_dispatchers_that_probe_at_the_same_moment_one_sends() {
    let house = House::start_without_delivery().await;
    for n in 0..READERS {
        house.subscriber(&format!("reader{n}@example.org")).await;
    }
    let channel = house.email_channel().await;
    let platform = &house.platform;
    let another = platform.another_store(platform.connect.clone());
    let mut dispatchers = [
        house.dispatcher(),
        house.dispatcher_on(another, platform.feed.clone()),
    ];
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    opened(&house, channel, &mut dispatchers).await;
    platform.clock.advance(Duration::from_secs(60));
    platform.settle().await;
    let before = circuit(&house, channel).await;
    assert_eq!(before, [1, 0, 0]);

    let hang = house
        .smtp
        .add_rule(Rule::new(Phase::MailFrom, Action::Stall));
    let [first, second] = at_the_same_moment(&house, dispatchers).await;

    // Whoever was later has nothing to do; the other one waits for the server.
    let decided = async move {
        let (mut first, mut second) = (first, second);
        tokio::select! {
            later = &mut first => (later, second),
            later = &mut second => (later, first),
        }
    };
    let decided = tokio::time::timeout(DECIDED_WITHIN, decided).await;
    let (later, probing) = decided.expect("one of them has nothing to do");
    let (later, stepped) = later.unwrap();
    stepped.unwrap();
    house.smtp.wait_for_hits(hang, 1).await;
    assert!(!probing.is_finished());
    assert_eq!(house.smtp.hits(hang), 1);
    assert_eq!(circuit(&house, channel).await, [1, 1, 0]);
    house.smtp.remove_rule(hang);
    house.smtp.release();
    let (probing, stepped) = probing.await.unwrap();
    stepped.unwrap();
    assert_eq!(circuit(&house, channel).await, [1, 1, 1]);

    // It works again: what has waited goes out, by both.
    for dispatcher in [later, probing] {
        house.add_dispatcher(dispatcher).await;
    }
    for _ in 0..60 {
        platform.clock.advance(Duration::from_secs(60));
        platform.settle().await;
    }
    let all_sent = Accounting {
        planned: READERS,
        sent: READERS,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, all_sent);
    assert_eq!(house.smtp.count() as i64, READERS);
}
