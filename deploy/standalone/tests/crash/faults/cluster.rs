//! Three nats-servers, one of which dies under a send.

use std::time::Duration;

use tidings_tests::cluster::Cluster;
use tidings_tests::dice::Seed;

use super::LOOK_AGAIN;
use crate::rounds::Round;
use crate::world::World;

/// An election takes a few seconds.
const RELAYED_WITHIN: Duration = Duration::from_secs(90);

/// The program keeps its stream in the cluster, three times; the server that leads the stream is killed while a send is
/// in full course.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_of_three_nats_servers_dies_in_mid_send_and_the_stream_has_everything() {
    let seed = Seed::of_run();
    let mut cluster = Cluster::start().await;
    let client = cluster.client().await;
    let mut world = World::with(seed.0, vec![("TIDINGS_NATS_URL", cluster.url())]).await;
    world.nats = client.clone();
    world.ensure_up().await;
    let name = world.stream().await.expect("a log");
    cluster.stream(&client, &name).await;
    world.round(Round::default()).await.unwrap();

    let round = world.in_mid_send(async |world| {
        cluster.kill_leader(&client, &name).await;
        // Told to the caller by the log alone, and relayed once there is another leader.
        world.somebody_leaves_in_time().await;
        let told = world.known().told.last().expect("somebody left").position;
        let relayed = tokio::time::timeout(RELAYED_WITHIN, async {
            while cluster.last(&client, &name).await < Some(told) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        });
        let said = || world.program.said();
        assert!(
            relayed.await.is_ok(),
            "{told} never came through:\n{}",
            said()
        );
    });
    round.await.unwrap();
    world.settle().await;
}
