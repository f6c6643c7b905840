//! Dying in a process beside the program: one that rebuilds views, shreds a key, or changes the master key.

use std::process::Command;

use serde_json::{Value, json};
use tidings_domain::personal::{Open as _, Seal as _};
use tidings_event_store::crash;
use tidings_event_store::vault::{EventOpener, EventSealer, KeyRing, Vault};
use tidings_proto::common::Sealed;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::death::killed;
use crate::rounds::Round;
use crate::world::{World, pool};

/// What is rebuilt: a view that has totals and one that has none, one that opens sealed values, or all in one pass.
const VIEWS: [&str; 4] = [
    "delivery_log",
    "subscriber_profile",
    "dispatch_queue",
    "all",
];
/// Those of them that have totals.
const WITH_TOTALS: [&str; 2] = ["delivery_log", "all"];
/// Points after which a rebuild goes on where the one before ended.
const STAGED: [&str; 2] = ["rebuild.staged", "rebuild.prepared"];
/// So short that the log of a round has many ranges.
const RANGE: [(&str, &str); 1] = [("TIDINGS_TEST_REBUILD_RANGE", "20")];
/// Says to the process below which key to shred, where, and where to die.
const SHRED: &str = "TIDINGS_TEST_SHRED";

impl World {
    /// The program goes on while another process rebuilds, dies, and is run again.
    pub(crate) async fn die_in_a_rebuild(&mut self, point: &str) {
        self.ensure_up().await;
        self.round(Round::default()).await.unwrap();
        let mut dice = self.dice("view");
        let view = match point {
            "rebuild.totals_written" => WITH_TOTALS[dice.below(WITH_TOTALS.len())],
            _ => VIEWS[dice.below(VIEWS.len())],
        };
        let rebuild = ["rebuild", view, "--json"];
        // With somebody who is erased goes what is staged of them.
        self.erasures_end().await;
        self.dies(&rebuild, point);
        let round = Round {
            erases: false,
            ..Round::default()
        };
        self.round(round).await.unwrap();
        let again = self.program.run_with(&rebuild, None, &RANGE);
        assert!(again.status.success(), "{}", self.program.said());
        let again: Value = serde_json::from_slice(&again.stdout).unwrap();
        if STAGED.contains(&point) {
            let mut views = again["views"].as_array().unwrap().iter();
            let resumed = views.all(|view| view["resumed_from"].as_i64() > Some(0));
            assert!(resumed, "what was staged before {point} is gone: {again}");
        }
    }

    /// The program goes on while another process puts a new master key in use, dies, and is run again. Then the old
    /// one goes.
    pub(crate) async fn die_in_a_rotation(&mut self, point: &str) {
        self.ensure_up().await;
        self.round(Round::default()).await.unwrap();
        self.add_master_key();
        let rotate = ["keys", "rotate", "--json"];
        self.dies(&rotate, point);
        // Whoever signs up now makes a key.
        self.round(Round::default()).await.unwrap();
        // Also where nothing is left to do: the old master key is still there then, and does not come back.
        let rotated = self.program.says(&rotate);
        assert!(rotated["verified"].as_i64() > Some(0), "{rotated}");
        let complete = point == "rotate.finished";
        assert_eq!(rotated["already_complete"], json!(complete), "{rotated}");
        self.program.kill(false);
        self.drop_old_master_key();
        self.ensure_up().await;
        self.round(Round::default()).await.unwrap();
    }

    /// Runs a verb that must die at this point.
    fn dies(&self, verb: &[&str], point: &str) {
        let at = format!("{point}:1");
        let died = self.program.run_with(verb, Some(&at), &RANGE);
        assert!(
            killed(Some(died.status)),
            "{point} was never reached ({:?}):\n{}",
            died.status,
            self.program.said()
        );
    }

    /// A key is shredded by a process that dies, and then once more: what it sealed is opened by nobody.
    pub(crate) async fn die_in_a_shred(&mut self, point: &str) {
        self.ensure_up().await;
        let number = self.known().shredded.len() as u64 + 1;
        let key_id = Uuid::from_u64_pair(self.seed, number);
        let (vault, now) = (self.store.vault().clone(), OffsetDateTime::UNIX_EPOCH);
        let ring = vault.ensure(&[key_id], now).await.unwrap();
        let sealed = seal(&ring, key_id);
        assert_eq!(open(&ring, key_id, &sealed), Some(SECRET.to_vec()));
        self.shred_and_die(key_id, point);
        let found = self.ring_of_another_process(key_id).await;
        let opened = open(&found, key_id, &sealed).is_some();
        assert_eq!(opened, point == "shred.before_call", "at {point}");
        vault.shred(&[key_id], now).await.unwrap();
        self.known().shredded.push(key_id);
        for ring in [ring, self.ring_of_another_process(key_id).await] {
            assert_eq!(open(&ring, key_id, &sealed), None, "at {point}");
        }
    }

    fn shred_and_die(&self, key_id: Uuid, point: &str) {
        let told = json!({
            "point": point,
            "key_id": key_id,
            "database_url": self.servers.database_url(),
            "master_keys": self.master_keys.file(),
        });
        let mut shredder = Command::new(std::env::current_exe().unwrap());
        let died = shredder
            .args(["--exact", "verbs::the_process_that_shreds"])
            .env(SHRED, told.to_string())
            .output()
            .unwrap();
        assert!(killed(Some(died.status)), "{point} was never reached");
    }

    /// The key as whoever starts now finds it.
    async fn ring_of_another_process(&self, key_id: Uuid) -> KeyRing {
        self.fresh_vault().keys(&[key_id]).await.unwrap()
    }
}

const SECRET: &[u8] = b"amy@example.org";
const TYPE: &str = "subscriber.SignedUp";

fn seal(ring: &KeyRing, owner: Uuid) -> Sealed {
    EventSealer::new(ring, owner, owner, owner, TYPE).seal("email", SECRET)
}

fn open(ring: &KeyRing, owner: Uuid, sealed: &Sealed) -> Option<Vec<u8>> {
    let opener = EventOpener::new(ring, owner, owner, TYPE);
    opener.open("email", sealed).unwrap()
}

/// Started by [`World::shred_and_die`]; by itself it does nothing.
#[tokio::test]
#[allow(
    clippy::disallowed_methods,
    reason = "how one process of the test tells another what to do"
)]
async fn the_process_that_shreds() {
    let Ok(told) = std::env::var(SHRED) else {
        return;
    };
    let told: Value = serde_json::from_str(&told).unwrap();
    let text = |name: &str| told[name].as_str().unwrap().to_owned();
    let file = text("master_keys").into();
    let vault: Vault =
        crate::master_keys::MasterKeys::in_file(file).vault(pool(&text("database_url")));
    crash::arm(&text("point"), 1);
    let key_id = text("key_id").parse().unwrap();
    vault
        .shred(&[key_id], OffsetDateTime::UNIX_EPOCH)
        .await
        .unwrap();
}
