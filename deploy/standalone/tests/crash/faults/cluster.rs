//! Three nats-servers, one of which dies under a send, or is cut off from the others.

use std::time::Duration;

use tidings_tests::dice::Seed;
use tidings_tests::link::Way;

use super::{Fault, LOOK_AGAIN};
use crate::rounds::Round;
use crate::world::World;

/// An election takes a few seconds.
const RELAYED_WITHIN: Duration = Duration::from_secs(90);
/// Longer than whoever leads goes on without hearing from the others, and than they wait for whoever leads.
const PARTED_FOR: Duration = Duration::from_secs(12);

impl World {
    /// The server that leads the stream is killed, and comes back once the others have gone on without it.
    pub(super) async fn kill_leader(&self) {
        let cluster = self.cluster.as_ref().expect("a cluster");
        let name = self.stream().await.expect("a log");
        let killed = cluster.kill_leader(&self.nats, &name).await;
        self.is_told_and_relayed().await;
        cluster.start_again(killed);
    }

    /// Nothing comes through between the server that leads the stream and the two others, or only one way, until they
    /// have had time to do without it.
    pub(super) async fn part_leader(&self, way: Way) {
        let cluster = self.cluster.as_ref().expect("a cluster");
        let name = self.stream().await.expect("a log");
        let leader = cluster.leader(&self.nats, &name).await;
        cluster.part(leader, way);
        // Whichever of them the program talks to, the log is enough.
        self.somebody_leaves_in_time().await;
        tokio::time::sleep(PARTED_FOR).await;
        cluster.part(leader, Way::Open);
        self.is_told_and_relayed().await;
    }

    /// Told to the caller by the log alone, and relayed once there is a leader.
    async fn is_told_and_relayed(&self) {
        let cluster = self.cluster.as_ref().expect("a cluster");
        let name = self.stream().await.expect("a log");
        self.somebody_leaves_in_time().await;
        let told = self.known().told.last().expect("somebody left").position;
        let relayed = async {
            while cluster.last(&self.nats, &name).await < Some(told) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let relayed = tokio::time::timeout(RELAYED_WITHIN, relayed).await;
        let said = || self.program.said();
        assert!(relayed.is_ok(), "{told} never came through:\n{}", said());
    }
}

/// The program keeps its stream in the cluster, three times, while the server that leads it is parted from the others and
/// later killed, both with a send in full course.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_of_three_nats_servers_is_parted_and_dies_in_mid_send_and_the_stream_has_everything()
 {
    let seed = Seed::of_run();
    let mut world = World::on_a_cluster(seed.0).await;
    world.round(Round::default()).await.unwrap();
    world.suffer(Fault::NatsParted(Way::Silent)).await;
    world.suffer(Fault::NatsKilled).await;
    world.end().await;
}
