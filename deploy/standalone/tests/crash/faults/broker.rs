//! A nats-server that forgets: its store goes back to an older copy, its stream is purged or deleted.

use std::path::{Path, PathBuf};
use std::process::Command;

use async_nats::jetstream;

use super::{Fault, survives};
use crate::world::World;

impl World {
    /// For [`World::roll_back`] later: a copy made while the server is down.
    pub(super) async fn keep_a_copy_of_the_stream(&self) {
        self.servers.kill_nats().await.unwrap();
        copy(&self.stream_store(), &self.stream_copy());
        self.servers.restart_nats().await.unwrap();
    }

    /// The server crashes, and comes up with the copy from before.
    pub(super) async fn roll_back(&self) {
        self.servers.kill_nats().await.unwrap();
        copy(&self.stream_copy(), &self.stream_store());
        self.servers.restart_nats().await.unwrap();
    }

    pub(super) async fn purge(&self) {
        let name = self.stream().await.expect("a log");
        let jetstream = jetstream::new(self.nats.clone());
        let stream = jetstream.get_stream(&name.stream).await.unwrap();
        stream.purge().await.unwrap();
    }

    pub(super) async fn delete_stream(&self) {
        let name = self.stream().await.expect("a log");
        let jetstream = jetstream::new(self.nats.clone());
        jetstream.delete_stream(&name.stream).await.unwrap();
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
