//! A database that hangs, and one whose disk is full.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use serde_json::json;
use tidings_tests::dice::Seed;
use tidings_tests::program::{ASK_AGAIN, Away};

use super::{Fault, survives};
use crate::rounds::Round;
use crate::world::World;

/// Room for a few segments of 16 MiB: enough to run, and soon full.
const WAL_BYTES: &str = "size=128m,mode=0700";
/// A caller is told within this that the log is away.
pub(super) const TOLD_WITHIN: Duration = Duration::from_secs(12);
const RECOVERED_WITHIN: Duration = Duration::from_secs(60);

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

    /// A server that could not write its log crashes and recovers by itself; if it could not do that
    /// either, it has ended, and an operator starts it again.
    async fn database_recovers(&self) {
        let recovered = async {
            loop {
                if let Ok(client) = self.store.log().pool().get().await
                    && client.query("select", &[]).await.is_ok()
                {
                    return;
                }
                let postmaster = self.postmaster();
                if postmaster.is_none_or(|pid| kill(pid, None).is_err()) {
                    self.servers.restart_postgres().await.unwrap();
                }
                tokio::time::sleep(ASK_AGAIN).await;
            }
        };
        let recovered = tokio::time::timeout(RECOVERED_WITHIN, recovered).await;
        assert!(recovered.is_ok(), "the database never recovered");
    }

    pub(super) fn postmaster(&self) -> Option<Pid> {
        let file = self.servers.location().join("postgres/postmaster.pid");
        let text = fs::read_to_string(file).ok()?;
        Some(Pid::from_raw(text.lines().next()?.parse().ok()?))
    }

    /// Has the log go on in the next segment.
    async fn leave_segment(&self) {
        if let Ok(client) = self.store.log().pool().get().await {
            // Refused by a server that has given up meanwhile.
            drop(client.query("select pg_switch_wal()", &[]).await);
        }
    }

    fn wal(&self) -> PathBuf {
        self.servers.location().join("postgres/pg_wal")
    }

    /// Whether commands are answered with 503 in time.
    async fn log_is_away(&self) -> bool {
        let api = self.program.api();
        let channel = json!({
            "kind": "file",
            "name": "another",
            "settings": { "folder": "another" },
        });
        let asked = api.command("/api/v1/channels", &channel);
        match tokio::time::timeout(TOLD_WITHIN, asked).await {
            Ok(Ok(accepted)) => {
                self.tell(&accepted.expect("a channel may be configured"));
                false
            }
            Ok(Err(Away::Unavailable(_))) => true,
            Ok(Err(error)) => panic!("nobody was told: {error}"),
            Err(_) => panic!("nobody was told in time"),
        }
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

/// A small disk in the place of a folder, until this is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Puts what is in the folder onto a disk of its own, mounted in its place.
    fn instead_of(folder: &Path) -> Self {
        let shell = "mv \"$1\" \"$1.before\" && mkdir \"$1\" && mount -t tmpfs -o \"$2\" none \"$1\" \
             && chown --reference=\"$1.before\" \"$1\" && cp -a \"$1.before/.\" \"$1\"";
        let status = Command::new("sh")
            .args(["-c", shell, "disk"])
            .arg(folder)
            .arg(WAL_BYTES)
            .status();
        assert!(status.unwrap().success());
        Self(folder.to_owned())
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// Until nothing fits any more.
    fn fill(&self) {
        let file = format!("of={}", self.ballast().display());
        let output = Command::new("dd")
            .args(["if=/dev/zero", &file, "bs=64k"])
            .output();
        assert!(!output.unwrap().status.success(), "the disk is full");
    }

    fn make_room(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
        assert!(unmounted.is_ok_and(|status| status.success()) || std::thread::panicking());
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::print_stderr, reason = "why nothing was tested")]
async fn a_disk_that_is_full_in_mid_send_stops_commands_and_nothing_else() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can mount a small disk");
        return;
    }
    let seed = Seed::of_run();
    let mut world = World::new(seed.0).await;
    world.ensure_up().await;
    world.round(Round::default()).await.unwrap();
    world.program.kill(false);
    world.servers.kill_postgres_immediate().await.unwrap();
    let disk = SmallDisk::instead_of(&world.wal());
    world.servers.restart_postgres().await.unwrap();
    world.ensure_up().await;

    let round = world.in_mid_send(async |world| {
        disk.fill();
        // The segments that exist already still take some.
        let mut segments = 0;
        while !world.log_is_away().await {
            segments += 1;
            assert!(segments < 100, "the disk never ran full");
            world.leave_segment().await;
        }
        // The answers to what was sent come while nobody can put them on record, and for longer than a commit waits.
        world.smtp.release();
        let since = Instant::now();
        while since.elapsed() < TOLD_WITHIN {
            assert!(world.log_is_away().await, "it came back by itself");
            tokio::time::sleep(ASK_AGAIN).await;
        }
        disk.make_room();
        world.database_recovers().await;
    });
    match round.await {
        Ok(()) | Err(Away::Unavailable(_)) => {}
        Err(error) => panic!("{error}\n{}", world.program.said()),
    }
    assert!(world.program.runs(), "{}", world.program.said());
    world.settle().await;
    world.round(Round::default()).await.unwrap();
    world.settle().await;
    world.program.kill(false);
    world.servers.kill_postgres_immediate().await.unwrap();
    drop(disk);
}
