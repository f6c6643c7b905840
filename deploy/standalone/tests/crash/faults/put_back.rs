//! A database that is put back to an earlier state in the middle of a run, and the platform that is restored over it.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::Value;
use tidings_tests::checker::deliveries::Deliveries;
use tidings_tests::program::Away;

use super::{Fault, survives};
use crate::rounds::Round;
use crate::world::World;

/// Where a restore in place dies, if it comes there, before it is run again.
const DIES_AT: [&str; 6] = [
    "restore.begun",
    "restore.incarnation_begun",
    "restore.recorded",
    "restore.attempt_doubted",
    "restore.fact_recorded",
    "restore.caught_up",
];

impl World {
    /// A copy of the database is made in the middle of a send. The send goes on, some leave, and another one is made; then
    /// all of that is lost. Who left stays left, nobody is mailed twice, and what was told of before the copy is there.
    pub(super) async fn lose_and_put_back(&mut self) -> Result<(), Away> {
        let mut dice = self.dice(&format!("put back {}", self.known().rounds));
        // What is not frozen in the copy would be frozen anew, for other deliveries: that is lost for good.
        self.all_ended().await;
        let kept = self.servers.location().join("kept");
        let _none = fs::remove_dir_all(&kept);
        let round = self.in_mid_send(async |world| {
            world.servers.base_backup(&kept).await.unwrap();
        });
        round.await?;
        self.round(Round::default()).await?;
        self.stream_is_complete().await;
        match dice.once_in(2) {
            true => self.program.kill(false),
            false => self.program.end().await,
        }
        self.put_back(&kept).await;
        self.restore_in_place(Some(DIES_AT[dice.below(DIES_AT.len())]))
            .await;
        Ok(())
    }

    /// Restores the platform over the database as it is now, which does not know all it knew before, and goes on with it.
    pub(super) async fn restore_in_place(&mut self, dies_at: Option<&str>) {
        let restored = self.restore(dies_at);
        self.forget_what_is_lost(&restored).await;
        self.ensure_up().await;
        self.program.says(&["dispatch", "release", "--yes"]);
    }

    async fn put_back(&mut self, kept: &Path) {
        self.servers.kill_postgres_immediate().await.unwrap();
        let data = self.servers.location().join("postgres");
        let shell = "cp -a \"$1\" \"$2.new\" && chown -R --reference=\"$2\" \"$2.new\" && rm -r \"$2\" && mv \"$2.new\" \"$2\"";
        let shell = Command::new("sh")
            .args(["-ec", shell, "copy"])
            .args([kept, &data])
            .status();
        assert!(shell.unwrap().success());
        self.servers.restart_postgres().await.unwrap();
        let url = self.servers.database_url().to_owned();
        self.look_at(&url);
    }

    /// Restores the platform in place; a debug build may die on the way once. Gives what the restore says.
    fn restore(&self, dies_at: Option<&str>) -> Value {
        let verb = ["restore", "--in-place", "--json"];
        if let Some(dies_at) = dies_at.filter(|_| cfg!(debug_assertions)) {
            let first = self.program.run(&verb, Some(&format!("{dies_at}:1")));
            if first.status.success() {
                return serde_json::from_slice(&first.stdout).unwrap();
            }
            assert_eq!(
                first.status.signal(),
                Some(Signal::SIGKILL as i32),
                "{}",
                self.program.said()
            );
        }
        self.program.says(&verb)
    }

    /// What callers were told after the copy is lost, and receivers have copies of which the log knows nothing.
    async fn forget_what_is_lost(&self, restored: &Value) {
        let head = self.store.log().head().await.unwrap().position;
        let events = self.store.log().page_after(0, head).await.unwrap();
        let log = Deliveries::of(&events);
        let mut lost = self.copies();
        lost.retain(|copy| !log.knows(copy));
        let after = restored["after_position"].as_i64().unwrap();
        let mut known = self.known();
        known.told.retain(|told| told.position <= after);
        known.of_what_is_lost = lost;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_put_back_in_mid_send_mails_nobody_twice() {
    survives(Fault::PutBack).await;
}
