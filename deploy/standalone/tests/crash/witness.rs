//! A witness's folder when the program comes back: gone, as a wiped disk or a mount that is missing; taken by another
//! process; or a mount that does not answer.

use std::fs::{self, File};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use tidings_tests::program::{ASK_AGAIN, Away};

use crate::in_place::{copy, location};
use crate::start;

/// The folder is looked at a second after the start.
const NOTICED_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_gone_is_no_place_to_begin_anew() {
    let mut program = start().await;
    let reader = json!({ "email": "ada@example.org" });
    program.api().post("/api/v1/subscribers", &reader).await;
    program.is_witnessed().await;
    program.verify_log();
    let (folder, pinned) = (
        program.data().join("witness"),
        program.data().join("witness.pub"),
    );
    let started = Instant::now();
    while !pinned.exists() {
        assert!(started.elapsed() < NOTICED_WITHIN, "{}", program.said());
        tokio::time::sleep(ASK_AGAIN).await;
    }
    program.kill(false);
    let away = folder.with_extension("away");
    fs::rename(&folder, &away).unwrap();
    program.announces_itself().await;
    let api = program.api();
    let started = Instant::now();
    loop {
        assert!(!folder.exists(), "a witness was begun anew");
        let ready = api.query("/readyz").await;
        if matches!(&ready, Err(Away::Unavailable(why)) if why.contains("holds no line of it")) {
            break;
        }
        assert!(started.elapsed() < NOTICED_WITHIN, "{ready:?}");
        tokio::time::sleep(ASK_AGAIN).await;
    }
    program.kill(false);
    fs::rename(&away, &folder).unwrap();
    assert!(program.up(None).await, "{}", program.said());
    program.verify_log();
    program.stop().await;
}

/// Nobody but the witness can tell: the stream is gone too.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_went_back_is_noticed_also_when_another_process_keeps_the_witness() {
    let program = start().await;
    let reader = |name: &str| json!({ "email": format!("{name}@example.org") });
    let api = program.api();
    api.post("/api/v1/subscribers", &reader("ada")).await;
    let (mut program, data) = program.stop_and_move_on("data").await;
    let (location, kept) = (location(&data), program.dir().join("kept"));
    copy(&location.join("postgres"), &kept);
    assert!(program.up(None).await, "{}", program.said());
    let api = program.api();
    api.post("/api/v1/subscribers", &reader("bob")).await;
    let (mut program, _) = program.stop_and_move_on("data").await;

    copy(&kept, &location.join("postgres"));
    fs::remove_dir_all(location.join("nats")).unwrap();
    let lock = File::open(data.join("witness/witness.lock")).unwrap();
    lock.try_lock().unwrap();
    program.announces_itself().await;
    let ready = program.api().query("/readyz").await;
    assert!(
        matches!(&ready, Err(Away::Unavailable(why)) if why.contains("gone back in time")),
        "{ready:?}"
    );
    program.kill(false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_does_not_answer_holds_up_neither_start_nor_end() {
    let (mut program, data) = start().await.stop_and_move_on("data").await;
    // Whoever opens it waits for a writer that never comes.
    let hangs = data.join("witness/witness-00000099.jsonl");
    fs::create_dir_all(data.join("witness")).unwrap();
    let made = Command::new("mkfifo").arg(&hangs).status();
    assert!(made.unwrap().success());
    program.announces_itself().await;
    let reader = json!({ "email": "ada@example.org" });
    program.api().post("/api/v1/subscribers", &reader).await;
    program.stop().await;
}
