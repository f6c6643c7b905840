//! A nats-server that forgets, or is not there: its store goes back to an older copy, its stream is purged or deleted, it
//! is down for a whole send.

use std::path::{Path, PathBuf};
use std::process::Command;

use async_nats::jetstream;
use tidings_tests::dice::Seed;
use tidings_tests::link::Way;

use super::{Fault, LOOK_AGAIN, READERS, SEEN_WITHIN, survives};
use crate::rounds::{LEFT_OUT_MAX, Round};
use crate::world::World;

impl World {
    /// For [`World::roll_back`] later: a copy made while the server is down.
    pub(super) async fn keep_a_copy_of_the_stream(&self) {
        self.servers.kill_nats().await.unwrap();
        copy(&self.stream_store(), &self.stream_copy());
        self.servers.restart_nats().await.unwrap();
        let copied = self.last_sequence().await;
        self.known().stream_copied_at = copied;
    }

    /// The server crashes, and comes up with the copy from before.
    pub(super) async fn roll_back(&self) {
        let copied = self.known().stream_copied_at;
        self.filled_past(copied).await;
        let before = self.last_sequence().await;
        // Or it is filled again before anybody has looked.
        self.links.nats.set(Way::Cut);
        self.servers.kill_nats().await.unwrap();
        copy(&self.stream_copy(), &self.stream_store());
        self.servers.restart_nats().await.unwrap();
        let after = self.last_sequence().await;
        self.links.nats.set(Way::Open);
        assert!(after < before, "from {before} back to {after}");
    }

    pub(super) async fn purge(&self) {
        let stream = self.stream_itself().await;
        let purged = stream.purge().await.unwrap();
        assert!(purged.success && purged.purged > 0, "{purged:?}");
    }

    pub(super) async fn delete_stream(&self) {
        let name = self.stream().await.expect("a log");
        let jetstream = jetstream::new(self.nats.clone());
        let deleted = jetstream.delete_stream(&name.stream).await.unwrap();
        assert!(deleted.success, "it was not deleted");
    }

    /// Waits for the relay, which finds the restarted server a moment later than the senders of mail begin.
    async fn filled_past(&self, sequence: i64) {
        let filling = async {
            while self.last_sequence().await <= sequence {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let filled = tokio::time::timeout(SEEN_WITHIN, filling).await;
        assert!(filled.is_ok(), "nothing was relayed past {sequence}");
    }

    /// Where the stream ends now. A server that has just been started is waited for.
    pub(crate) async fn last_sequence(&self) -> i64 {
        self.stream_itself().await.cached_info().state.last_sequence as i64
    }

    /// The stream as it is now.
    async fn stream_itself(&self) -> jetstream::stream::Stream {
        let name = self.stream().await.expect("a log");
        let jetstream = jetstream::new(self.nats.clone());
        let looking = async {
            loop {
                if let Ok(stream) = jetstream.get_stream(&name.stream).await {
                    return stream;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let found = tokio::time::timeout(SEEN_WITHIN, looking).await;
        found.expect("the stream is there")
    }

    fn stream_store(&self) -> PathBuf {
        self.servers.location().join("nats/jetstream")
    }

    fn stream_copy(&self) -> PathBuf {
        self.servers.location().join("nats/copy")
    }
}

/// Puts a copy of a folder, owners and all, in another's place.
fn copy(from: &Path, to: &Path) {
    let shell = "rm -rf \"$2\" && cp -a \"$1\" \"$2\"";
    let status = Command::new("sh")
        .args(["-c", shell, "copy"])
        .args([from, to])
        .status();
    assert!(status.unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_went_back_in_time_is_filled_again() {
    survives(Fault::NatsRolledBack).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purged_stream_goes_on() {
    survives(Fault::StreamPurged).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_stream_is_made_again() {
    survives(Fault::StreamDeleted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_send_needs_no_nats_server() {
    let mut world = World::new(Seed::of_run().0).await;
    world.ensure_up().await;
    world.round(Round::default()).await.unwrap();
    let before = world.smtp.count();
    world.servers.kill_nats().await.unwrap();
    let send = Round {
        readers: READERS,
        ..Round::default()
    };
    world.round(send).await.unwrap();
    assert!(world.smtp.count() >= before + READERS - LEFT_OUT_MAX);
    world.servers.restart_nats().await.unwrap();
    world.settle().await;
}
