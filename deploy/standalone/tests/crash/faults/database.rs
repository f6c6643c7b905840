//! A database that hangs, and one that is restarted.

use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Fault, survives};
use crate::world::World;

/// A caller is told within this that the log is away.
pub(super) const TOLD_WITHIN: Duration = Duration::from_secs(18);

impl World {
    /// Every process of the database stands still for a while.
    pub(super) async fn hang_database(&self, time: Duration) {
        let hung = self.stop_database();
        self.nothing_is_answered().await;
        tokio::time::sleep(time).await;
        drop(hung);
    }

    /// Stops every process of the database where it is.
    pub(super) fn stop_database(&self) -> Hung {
        let postmaster = self.postmaster().expect("it runs");
        kill(postmaster, Signal::SIGSTOP).unwrap();
        // From now on there are no new ones.
        let children = format!("/proc/{postmaster}/task/{postmaster}/children");
        let children = fs::read_to_string(children).unwrap();
        let children = children.split_whitespace().map(|pid| pid.parse().unwrap());
        let mut processes = vec![postmaster];
        for child in children.map(Pid::from_raw) {
            // One that has ended meanwhile hangs nobody.
            let _gone = kill(child, Signal::SIGSTOP);
            processes.push(child);
        }
        Hung(processes)
    }

    pub(super) fn postmaster(&self) -> Option<Pid> {
        let file = self.servers.location().join("postgres/postmaster.pid");
        let text = fs::read_to_string(file).ok()?;
        Some(Pid::from_raw(text.lines().next()?.parse().ok()?))
    }
}

/// Processes that stand still until this is dropped.
pub(super) struct Hung(Vec<Pid>);

impl Drop for Hung {
    fn drop(&mut self) {
        for pid in &self.0 {
            let _gone = kill(*pid, Signal::SIGCONT);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_hangs_is_waited_for() {
    survives(Fault::DatabaseHung).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_restarted_is_found_again() {
    survives(Fault::DatabaseRestarted).await;
}
