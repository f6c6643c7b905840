//! Three nats-servers, of which the leader dies while two relays compete.

use std::time::Duration;

use tidings_event_store::relay::{Relay, RelayError};
use tidings_event_store::{Log, Progress};
use tidings_tests::cluster::Cluster;
use tidings_tests::dice::{Dice, Seed};
use tidings_tests::messages::sound_messages;
use tidings_tests::{Platform, audit};

/// An election takes a few seconds.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_of_three_dies_and_rival_relays_go_on() {
    let seed = Seed::of_run();
    let mut dice = Dice::new(seed.0, "cluster");
    let platform = Platform::start().await;
    let (log, name) = (platform.store.log(), &platform.name);
    let cluster = Cluster::start().await;
    let client = cluster.client().await;
    cluster.stream(&client, name).await;
    let rivals = [cluster.client().await, cluster.client().await];
    let rivals = rivals.map(|client| Relay::new(log.clone(), client, name.clone()));
    let relaying = rivals.map(|relay| tokio::spawn(keep_relaying(relay, log.clone())));
    platform.fill(400 + dice.below(800), 5).await;
    cluster.kill_leader(&client, name).await;
    let head = platform.fill(100 + dice.below(300), 3).await;
    let reached = tokio::time::timeout(CAUGHT_UP_WITHIN, async {
        while cluster.last(&client, name).await != Some(head) {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    assert!(reached.await.is_ok(), "the relays never caught up");
    for relaying in relaying {
        relaying.abort();
        // It goes on until it is told to stop, or it has found what must not be.
        assert!(relaying.await.unwrap_err().is_cancelled());
    }
    let held = sound_messages(log, &client, name).await.unwrap();
    assert_eq!((held.first, held.last), (1, head));
    audit::sound_log(log).await;
}

/// As the relay's own loop does: after an error the next step looks anew.
async fn keep_relaying(mut relay: Relay, log: Log) {
    let mut committed = log.committed();
    loop {
        match relay.step().await {
            Ok(Progress::Advanced) => {}
            Ok(Progress::Idle) => {
                drop(tokio::time::timeout(Duration::from_millis(100), committed.changed()).await);
            }
            Err(error @ RelayError::Diverged { .. }) => panic!("{error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
