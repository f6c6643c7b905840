//! A witness's folder that is gone when the program comes back: a wiped disk, or a mount that is missing.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;
use tidings_tests::program::{ASK_AGAIN, Away};

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
