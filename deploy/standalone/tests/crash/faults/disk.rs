//! A database whose disk runs full.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::kill;
use nix::unistd::{getegid, geteuid};
use serde_json::json;
use tidings_tests::dice::Seed;
use tidings_tests::program::{ASK_AGAIN, Away};

use super::Fault;
use super::database::TOLD_WITHIN;
use crate::rounds::Round;
use crate::world::World;

/// Room for a few segments of 16 MiB: enough to run, and soon full.
const WAL_BYTES: &str = "size=128m,mode=0700";
/// It recovers by itself within this, or an operator starts it again.
const RECOVERED_WITHIN: Duration = Duration::from_secs(15);
const STARTS_MAX: usize = 3;
/// Names the small disk of a process that can mount none, and was started with one by [`run_with_a_small_disk`].
const DISK: &str = "TIDINGS_TEST_SMALL_DISK";
/// Set where a test that finds no way to a small disk has failed.
const REQUIRED: &str = "TIDINGS_TEST_SMALL_DISK_REQUIRED";
/// Mounts a small disk and runs what follows as who we were before: the servers do not run as root.
const MOUNT_AND_RUN: &str =
    "mount -t tmpfs -o \"$1\" none \"$2\" && shift 2 && exec unshare --user \"$@\"";

impl World {
    /// A round in the middle of which the disk of the database's log runs full, until there is room again.
    pub(super) async fn run_out_of_disk(&mut self) -> Result<(), Away> {
        let disk = self.go_on_with_a_small_disk().await;
        let round = self.in_mid_send(async |world| {
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
        let round = round.await;
        assert!(self.program.runs(), "{}", self.program.said());
        self.program.kill(false);
        self.servers.kill_postgres_immediate().await.unwrap();
        disk.back();
        self.servers.restart_postgres().await.unwrap();
        self.ensure_up().await;
        round
    }

    async fn go_on_with_a_small_disk(&mut self) -> SmallDisk {
        self.program.kill(false);
        self.servers.kill_postgres_immediate().await.unwrap();
        let location = self.servers.location();
        let disk = SmallDisk::instead_of(&location.join("postgres/pg_wal"), location);
        self.servers.restart_postgres().await.unwrap();
        self.ensure_up().await;
        disk
    }

    /// A server that could not write its log crashes and recovers by itself. If it could not do that either, an operator
    /// starts it again: it has ended, or would, but for those who go on asking for connections, which it waits for.
    async fn database_recovers(&self) {
        let (mut started, mut since) = (1, Instant::now());
        loop {
            if let Ok(client) = self.store.log().pool().get().await
                && client.query("select", &[]).await.is_ok()
            {
                return;
            }
            let ended = self.postmaster().is_none_or(|pid| kill(pid, None).is_err());
            if ended || since.elapsed() > RECOVERED_WITHIN {
                assert!(started <= STARTS_MAX, "the database never recovered");
                self.servers.kill_postgres_immediate().await.unwrap();
                self.servers.restart_postgres().await.unwrap();
                (started, since) = (started + 1, Instant::now());
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// Has the log go on in the next segment.
    async fn leave_segment(&self) {
        if let Ok(client) = self.store.log().pool().get().await {
            // Refused by a server that has given up meanwhile.
            drop(client.query("select pg_switch_wal()", &[]).await);
        }
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

/// A small disk that holds what is in a folder, in whose place a link leads to it.
struct SmallDisk {
    folder: PathBuf,
    disk: PathBuf,
    /// Whether this process has mounted it.
    mounted: bool,
}

impl SmallDisk {
    /// Puts what is in the folder onto it. `place`: where a disk may be mounted.
    fn instead_of(folder: &Path, place: &Path) -> Self {
        let given = given_disk();
        let disk = given.clone().unwrap_or_else(|| place.join("small"));
        let (mounted, folder) = (given.is_none(), folder.to_owned());
        let this = Self {
            folder,
            disk,
            mounted,
        };
        if mounted {
            this.shell("mkdir \"$2\" && mount -t tmpfs -o \"$3\" none \"$2\" && chown --reference=\"$1\" \"$2\"");
        }
        this.shell("cp -a \"$1/.\" \"$2\" && rm -r \"$1\" && ln -s \"$2\" \"$1\"");
        this
    }

    /// Puts what is on it into a folder again, and takes it away.
    fn back(self) {
        self.shell("rm \"$1\" && cp -a \"$2\" \"$1\"");
    }

    fn shell(&self, script: &str) {
        let shell = Command::new("sh")
            .args(["-ec", script, "disk"])
            .args([&self.folder, &self.disk])
            .arg(WAL_BYTES)
            .status();
        assert!(shell.unwrap().success(), "{script}");
    }

    fn ballast(&self) -> PathBuf {
        self.disk.join("ballast")
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
        if self.mounted {
            let shell = "umount -l \"$1\" && rmdir \"$1\"";
            let unmounted = Command::new("sh")
                .args(["-c", shell, "disk"])
                .arg(&self.disk)
                .status();
            assert!(unmounted.is_ok_and(|it| it.success()) || std::thread::panicking());
        }
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "how one process of the test tells another what to do"
)]
fn given_disk() -> Option<PathBuf> {
    std::env::var_os(DISK).map(PathBuf::from)
}

/// Whether this process can have a small disk.
pub(super) fn can_be_small() -> bool {
    geteuid().is_root() || given_disk().is_some()
}

/// Runs this test in a process of its own that has a small disk, as anybody may where user namespaces are allowed; false:
/// nobody here may.
fn run_with_a_small_disk(test: &str) -> bool {
    let disk = tempfile::tempdir().unwrap();
    let unshared = |program: &[&str]| {
        let mut command = Command::new("unshare");
        command
            .args([
                "--map-root-user",
                "--mount",
                "sh",
                "-ec",
                MOUNT_AND_RUN,
                "disk",
                WAL_BYTES,
            ])
            .arg(disk.path())
            .arg(format!("--map-user={}", geteuid()))
            .arg(format!("--map-group={}", getegid()))
            .args(program)
            .env(DISK, disk.path());
        command
    };
    let tried = unshared(&["true"]).stderr(Stdio::null()).status();
    if !tried.is_ok_and(|it| it.success()) {
        return false;
    }
    let binary = std::env::current_exe().unwrap();
    let run = unshared(&[binary.to_str().unwrap(), "--exact", test, "--nocapture"]).output();
    let run = run.unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "with a small disk: {said}");
    true
}

/// Says so where everybody sees it, also in a test that succeeds, whose output is kept back otherwise.
#[allow(clippy::disallowed_methods, reason = "a knob of the tests")]
fn say_that_nothing_was_tested() {
    let why = "root can mount a small disk, and so can anybody where user namespaces are allowed; here neither is so";
    assert!(std::env::var_os(REQUIRED).is_none(), "{why}");
    let mut said = std::io::stderr().lock();
    writeln!(said, "NOT TESTED: a disk that is full: {why}").unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_in_mid_send_stops_commands_and_nothing_else() {
    if !can_be_small() {
        let own = "faults::disk::a_disk_that_is_full_in_mid_send_stops_commands_and_nothing_else";
        if !run_with_a_small_disk(own) {
            say_that_nothing_was_tested();
        }
        return;
    }
    let mut world = World::new(Seed::of_run().0).await;
    world.ensure_up().await;
    world.round(Round::default()).await.unwrap();
    world.suffer(Fault::DiskFull).await;
    world.settle().await;
    world.round(Round::default()).await.unwrap();
    world.end().await;
}
