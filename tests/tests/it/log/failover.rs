//! Time going backwards: the database fails over to a replica that lacks the last commits, beneath a process that
//! lives on. Nobody goes on as if nothing had happened, and a new incarnation brings everything back to work.

use std::collections::HashMap;
use std::time::Duration;

use prost::Message as _;
use tidings_domain::log::Restored;
use tidings_event_store::feed::Feed;
use tidings_event_store::relay::{Relay, RelayError};
use tidings_event_store::view::{Runner, ViewError};
use tidings_event_store::{CommitError, Progress, ReadError, restore};
use tidings_proto::common::Envelope;
use tidings_sinks::smtp::{Phase, Rule};
use tidings_tests::checker::deliveries::Deliveries;
use tidings_tests::checker::{Evidence, Told, settled};
use tidings_tests::house::{Accounting, House};
use tidings_tests::{Platform, Proxy, Replica, audit};
use tokio_util::sync::CancellationToken;

use super::tally::{TallyView, expected, rows};

/// Steps in which a dispatcher has met whatever there is to meet.
const LOOKS: usize = 40;
/// Connections that ended with the old server, or a feed that has not looked yet.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Positions the replica lacks.
const LACKING: i64 = 10;

/// A platform whose database has failed over to a replica that lacks the last positions, all of which were relayed.
struct FailedOver {
    platform: Platform,
    _proxy: Proxy,
    _replica: Replica,
    /// Where the replica ended.
    common: i64,
}

impl FailedOver {
    /// `before` is called when the replica has everything but the last positions, `lost` when it gets nothing more.
    async fn new(before: impl AsyncFnOnce(&Platform), lost: impl AsyncFnOnce(&Platform)) -> Self {
        let (platform, proxy) = Platform::start_behind_proxy().await;
        before(&platform).await;
        let replica = Replica::of(platform.servers()).await;
        let common = platform.store.log().head().await.unwrap().position;
        replica.reached(common).await;
        replica.cut_off().await;
        lost(&platform).await;
        platform.servers().kill_postgres_immediate().await.unwrap();
        replica.promote().await;
        proxy.switch_to(&replica.database_url());
        Self {
            platform,
            _proxy: proxy,
            _replica: replica,
            common,
        }
    }
}

fn is_dead<T>(stepped: &Result<T, ViewError>) -> bool {
    matches!(
        stepped,
        Err(ViewError::DeadTimeline { .. } | ViewError::Read(ReadError::WentBack { .. }))
    )
}

/// Steps through lost connections until the log answers again.
async fn relay_ends(relay: &mut Relay) -> RelayError {
    for _ in 0..20 {
        match relay.step().await {
            Ok(Progress::Advanced) => panic!("it relayed"),
            Ok(Progress::Idle) => {}
            Err(error) if error.is_final() => return error,
            Err(_) => {}
        }
    }
    panic!("it never noticed");
}

async fn view_ends(runner: &mut Runner<TallyView>) {
    for _ in 0..200 {
        let stepped = runner.step().await;
        if is_dead(&stepped) {
            return;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    panic!("it never noticed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_lacks_ten_positions_stops_relay_feed_and_a_lagging_view() {
    let mut lagging = None;
    let failed = FailedOver::new(
        async |platform| {
            platform.fill(80, 7).await;
            platform.settle().await;
            let mut runner =
                Runner::<TallyView>::new(platform.store.clone(), platform.feed.clone());
            while runner.step().await.unwrap() == Progress::Advanced {}
            lagging = Some(runner);
        },
        async |platform| {
            for _ in 0..LACKING {
                platform.fill(1, 1).await;
            }
            platform.settle().await;
        },
    )
    .await;
    let FailedOver {
        platform, common, ..
    } = &failed;
    let mut lagging = lagging.unwrap();

    // A process that has seen what is lost records nothing on what is left.
    let event = platform.counted(platform.ids.next(), 1_000);
    let refused = platform.commit(vec![], vec![event]).await;
    assert!(
        matches!(refused, Err(CommitError::WentBack(it)) if it.position == common + LACKING),
        "{refused:?}"
    );
    assert_eq!(platform.store.log().head().await.unwrap().position, *common);
    // The log goes on at positions that were others' before, past where the feed is, before anybody looks: by somebody
    // who was started since, and has not seen them.
    let newcomer = platform.another_store(platform.connect.clone());
    platform.fill_as(&newcomer, 2 * LACKING as usize, 5).await;
    let ended = relay_ends(&mut *platform.relay_itself().lock().await).await;
    assert!(
        matches!(ended, RelayError::Diverged { position } if position == common + LACKING),
        "{ended}"
    );
    // Its relay tells the newcomer what it has not seen: from then on it records nothing either.
    let mut relay = Relay::new(
        newcomer.log().clone(),
        platform.nats.clone(),
        platform.name.clone(),
    );
    let ended = relay_ends(&mut relay).await;
    assert!(matches!(ended, RelayError::Diverged { .. }), "{ended}");
    assert!(newcomer.log().alive().is_err());
    view_ends(&mut lagging).await;
    let log = audit::sound_log(platform.store.log()).await;
    let until_common: Vec<_> = log
        .iter()
        .filter(|event| event.position <= *common)
        .cloned()
        .collect();
    assert_eq!(rows(&platform.store).await, expected(&until_common));
    // And whoever asks the feed from anywhere is told.
    let mut moves = 0;
    while !matches!(
        platform.feed.page_after(*common, 5).await,
        Err(ReadError::WentBack { .. })
    ) {
        moves += 1;
        assert!(moves < 200, "the feed never noticed");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    goes_on_in_a_new_incarnation(platform).await;
}

/// What `tidings restore --in-place` does, and a start after it.
async fn goes_on_in_a_new_incarnation(platform: &Platform) {
    let store = &platform.another_store(platform.connect.clone());
    let now = platform.clock.clock().now();
    let incarnation = platform.ids.next();
    let beginning = restore::Beginning {
        incarnation,
        parted_after: None,
        witnessed: &[],
    };
    let begun = restore::begin(store, beginning, now).await.unwrap();
    assert_eq!(restore::begin(store, beginning, now).await.unwrap(), begun);
    let restored = Restored {
        incarnation,
        after_position: begun.after_position,
        parted_after: begun.parted_after,
        lost_through: begun.after_position,
        backed_up_at: None,
    };
    restore::record(store, restored, now).await.unwrap();
    let log = store.log();
    // The processes of before do not go on with the old name.
    let mut superseded = Relay::new(log.clone(), platform.nats.clone(), platform.name.clone());
    let superseded = superseded.step().await;
    assert!(
        matches!(superseded, Err(RelayError::Superseded)),
        "{superseded:?}"
    );
    let name = platform.name.of(incarnation);
    let mut relay = Relay::new(log.clone(), platform.nats.clone(), name.clone());
    while relay.step().await.unwrap() == Progress::Advanced {}
    let feed = Feed::open(log.clone()).await.unwrap();
    let stop = CancellationToken::new();
    let following = feed
        .clone()
        .run(platform.nats.clone(), name.clone(), stop.clone());
    let following = tokio::spawn(following);
    let head = platform.fill_as(store, 30, 3).await;
    let last = log.page_after(head - 1, 1).await.unwrap()[0].stream_id;
    while relay.step().await.unwrap() == Progress::Advanced {}
    Platform::reached(&feed, head).await;
    let mut runner = Runner::<TallyView>::new(store.clone(), feed);
    while runner.step().await.unwrap() == Progress::Advanced {}
    // What was told of before the failover may be lost; what was told since is there.
    let told = [Told {
        position: head,
        stream_id: last,
    }];
    let evidence = Evidence {
        log,
        vault: store.vault(),
        nats: &platform.nats,
        stream: &name,
        copies: &[],
        files: &[],
        told: &told,
        shredded: &[],
    };
    let events = settled(&evidence).await;
    assert_eq!(rows(store).await, expected(&events));
    let jetstream = async_nats::jetstream::new(platform.nats.clone());
    let stream = jetstream.get_stream(&name.stream).await.unwrap();
    for event in &events {
        let message = stream.get_raw_message(event.position as u64).await.unwrap();
        let envelope = Envelope::decode(message.payload).unwrap();
        assert_eq!(envelope, event.to_envelope());
    }
    // What the old stream held can still be read.
    let old = jetstream.get_stream(&platform.name.stream).await.unwrap();
    old.get_raw_message(1).await.unwrap();
    stop.cancel();
    following.await.unwrap().unwrap();
}

/// The deliveries were planned in what was lost: nobody is mailed for them, before a restart or after it.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_for_deliveries_that_are_not_in_the_log_any_more() {
    let (platform, proxy) = Platform::start_behind_proxy().await;
    let house = House::on(platform).await;
    for n in 0..4 {
        house.subscriber(&format!("reader{n}@example.org")).await;
    }
    let ada = house.subscriber("ada@example.org").await;
    let channel = house.email_channel().await;
    house.platform.settle().await;
    let replica = Replica::of(house.platform.servers()).await;
    let common = house.platform.store.log().head().await.unwrap().position;
    replica.reached(common).await;
    replica.cut_off().await;

    // Planned, and waiting for a channel that is disabled; in the replica it is not.
    house.disable(channel).await;
    let id = house
        .publish("The ferry", "It runs again.", &[channel])
        .await;
    house.platform.settle().await;
    let waiting = Accounting {
        planned: 5,
        pending: 5,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, waiting);
    house.unsubscribe(ada).await;
    house.platform.settle().await;
    let through = house.platform.store.log().head().await.unwrap().position;
    let servers = house.platform.servers();
    servers.kill_postgres_immediate().await.unwrap();
    replica.promote().await;
    proxy.switch_to(&replica.database_url());

    let mut dispatcher = house.dispatcher();
    let mut ended = 0;
    while ended < 3 {
        // Connections that ended with the old server, then the queue that met another history; or nothing to do.
        drop(dispatcher.step().await);
        ended += 1;
    }
    assert_eq!(house.smtp.count(), 0);
    let log = house.platform.store.log();
    let events = audit::sound_log(log).await;
    assert!(events.iter().all(|event| event.noun() != "delivery"));
    assert_eq!(events.len() as i64, common);
    // The checker as a whole would find that the stream is ahead of the log, as it is; deliveries are what they must be.
    Deliveries::of(&events).compare(&[], &HashMap::new(), true);
    // The stream of before knows who left.
    let (nats, name) = (house.platform.nats.clone(), &house.platform.name);
    let before = restore::Before {
        same: 0,
        witnessed: 0,
        end: common,
    };
    let found = restore::in_stream(log, nats, name, before).await;
    let found = found.unwrap();
    assert_eq!((found.same, found.through), (common, through));
    assert!(found.attempts.is_empty());
    let left: Vec<_> = found.facts.iter().map(|fact| fact.stream_id).collect();
    assert_eq!(left, [ada]);
}

/// It is planned in what is left, and was sent in what was lost: neither the process that sent it nor one that is
/// started since sends it again.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_in_the_lost_part_is_not_sent_again() {
    let (platform, proxy) = Platform::start_behind_proxy().await;
    let house = House::on(platform).await;
    let later = Rule::reply(Phase::RcptTo, 450, "4.7.1 later").times(1);
    house.smtp.add_rule(later);
    house.subscriber("ada@example.org").await;
    let channel = house.email_channel().await;
    house
        .publish("The ferry", "It runs again.", &[channel])
        .await;
    house.platform.settle().await;
    assert_eq!(house.smtp.count(), 0);
    let servers = house.platform.servers();
    let replica = Replica::of(servers).await;
    let common = house.platform.store.log().head().await.unwrap().position;
    replica.reached(common).await;
    replica.cut_off().await;
    house.platform.clock.advance(Duration::from_secs(3_600));
    house.platform.settle().await;
    assert_eq!(house.smtp.count(), 1);
    // A process that has seen it through its feed alone, which tells it nothing more: it has never committed anything.
    let witness = house.platform.another_store(house.platform.connect.clone());
    let feed = Feed::open(witness.log().clone()).await.unwrap();

    servers.kill_postgres_immediate().await.unwrap();
    replica.promote().await;
    proxy.switch_to(&replica.database_url());
    let mut dispatcher = house.dispatcher_on(witness.clone(), feed);
    for _ in 0..LOOKS {
        // Connections that ended with the old server, and then a log that is another one.
        drop(dispatcher.step().await);
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    assert!(witness.log().alive().is_err());
    assert_eq!(house.smtp.count(), 1, "it was sent again");
    let newcomer = house.platform.another_store(house.platform.connect.clone());
    let feed = Feed::open(newcomer.log().clone()).await.unwrap();
    let nats = house.platform.nats.clone();
    let mut relay = Relay::new(newcomer.log().clone(), nats, house.platform.name.clone());
    relay_ends(&mut relay).await;
    let mut dispatcher = house.dispatcher_on(newcomer, feed);
    for _ in 0..LOOKS {
        drop(dispatcher.step().await);
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    assert_eq!(house.smtp.count(), 1, "it was sent again");
    // The stream is ahead of this log, and the one copy is of what it has lost: of the checker there remain the log itself and
    // what may stand in it.
    let events = audit::sound_log(house.platform.store.log()).await;
    assert_eq!(events.len() as i64, common);
    Deliveries::of(&events).compare(&[], &HashMap::new(), true);
}
