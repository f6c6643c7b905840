//! Dying at each point of a backup and of a restore, and where the relay retires the stream of before: run again, each
//! comes to its end, and nothing is lost or told twice.

use std::fs;
use std::path::Path;

use serde_json::json;
use tidings_service::Clock;
use tidings_tests::program::newsroom::{publish, settled};
use tidings_tests::program::{ASK_AGAIN, Program};

use crate::death::killed;
use crate::in_place::{
    LEAVE, READERS, copy, goes_on, leave, location, restored_in_place, stopped_mid_send,
};
use crate::points;
use crate::private::{Lost, brought, check};
use crate::restored::{keep_key, only_backup, sink};
use crate::start;

/// The only one that a restore in place does not pass.
const LAID: &str = "restore.laid";
/// After it a restore is over.
const ENDED: &str = "restore.ended";
const FEW: usize = 5;
/// Signs up while a backup stands still.
const LATECOMER: &str = "latecomer@example.org";

/// Runs a verb that must die at this point.
fn dies(program: &Program, verb: &[&str], point: &str) {
    let died = program.run(verb, Some(&format!("{point}:1")));
    assert!(
        killed(Some(died.status)),
        "{point} was never reached ({:?}):\n{}",
        died.status,
        program.said()
    );
}

/// A restore has died at this point: until it is over, nothing else runs over the data folder.
fn is_under_way(program: &Program, point: &str) {
    if point != ENDED {
        let refused = program.refuses(&["up", "--listen", "127.0.0.1:0"]);
        assert!(refused.contains("run it again"), "after {point}: {refused}");
    }
}

/// A backup with a changed byte is not restored, and the folder takes another as if nothing had been tried.
fn damaged_is_refused(program: &Program, witness: &Path, backup: &Path) {
    let damaged = program.dir().join("damaged");
    copy(backup, &damaged);
    let changed = damaged.join("postgres/base/1/PG_VERSION");
    fs::write(&changed, "19\n").unwrap();
    let refused = program.refuses(&[
        "restore",
        damaged.to_str().unwrap(),
        "--witness",
        witness.to_str().unwrap(),
    ]);
    assert!(refused.contains("base/1/PG_VERSION"), "{refused}");
    assert!(!program.data().join("restore.json").exists());
}

/// A backup that stands still in the middle, and goes on.
async fn one_that_stands_still_holds_nobody_up(program: &Program, folder: &Path) {
    let verb = ["backup", folder.to_str().unwrap(), "--json"];
    let mut backup = program.begin(&verb, Some("backup.copied:1:stop"), &[]);
    assert!(backup.stands_still().await, "{}", program.said());
    let reader = json!({ "email": LATECOMER });
    program.api().post("/api/v1/subscribers", &reader).await;
    backup.wake();
    assert!(backup.end().status.success(), "{}", program.said());
    only_backup(folder);
}

async fn a_second_passes() {
    let clock = Clock::system();
    let second = || clock.now().unix_timestamp();
    let now = second();
    while second() == now {
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_and_its_restore_that_die_at_any_point_are_run_again() {
    let sink = sink().await;
    let program = start().await;
    let api = program.api();
    let first = publish(&api, sink.addr().port(), FEW).await;
    settled(&api, &first).await;
    let backups = program.dir().join("backups");
    fs::create_dir(&backups).unwrap();
    for point in points::of("backup.") {
        let folder = backups.join(&point);
        let verb = ["backup", folder.to_str().unwrap(), "--json"];
        dies(&program, &verb, &point);
        // Two of one second have one name.
        a_second_passes().await;
        let taken = program.says(&verb);
        let unfinished = usize::from(point != "backup.named");
        let left = taken["unfinished"].as_array().unwrap();
        assert_eq!(left.len(), unfinished, "{point}: {taken}");
        for half in left {
            // As the operator is told to.
            fs::remove_dir_all(half.as_str().unwrap()).unwrap();
        }
        assert!(Path::new(taken["folder"].as_str().unwrap()).is_dir());
    }
    one_that_stands_still_holds_nobody_up(&program, &backups.join("still")).await;
    let backup = only_backup(&backups.join("backup.complete"));
    let witness = program.data().join("witness");
    let (mut program, old) = program.stop_and_move_on("restored").await;
    keep_key(&old, &program.data());
    let restore = [
        "restore",
        backup.to_str().unwrap(),
        "--witness",
        witness.to_str().unwrap(),
        "--json",
    ];
    damaged_is_refused(&program, &witness, &backup);
    // Where it dies first, then, for it goes on from there; the others are passed in place too.
    for point in ["restore.begun", LAID] {
        dies(&program, &restore, point);
        is_under_way(&program, point);
    }
    let restored = program.says(&restore);
    program.is_back_at(restored["after_position"].as_i64().unwrap());
    program.verify_log_alone();
    assert!(program.up(None).await, "it ended at its start");
    program.let_in();
    let accounting = settled(&program.api(), &first).await;
    assert_eq!(accounting["sent"], json!(FEW), "{accounting}");
    assert_eq!(sink.count(), FEW);
    program.says(&["dispatch", "release", "--yes"]);
    check(&program, &sink, &brought(FEW), Lost::Nothing).await;
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_in_place_that_dies_at_any_point_is_run_again_and_nothing_is_lost() {
    let sink = sink().await;
    let (mut program, publication) = stopped_mid_send(start().await, &sink).await;
    let before = sink.count();
    let kept = program.dir().join("kept");
    copy(&location(&program.data()).join("postgres"), &kept);
    // What will be lost: the rest is sent, and some leave.
    assert!(program.up(None).await, "it ended at its start");
    let api = program.api();
    settled(&api, &publication).await;
    let left = leave(&api, &publication).await;
    let (mut program, _) = program.stop_and_move_on("data").await;

    let lost = json!(READERS - before);
    let restore = ["restore", "--in-place", "--json"];
    for point in points::of("restore.").iter().filter(|it| *it != LAID) {
        copy(&kept, &location(&program.data()).join("postgres"));
        dies(&program, &restore, point);
        is_under_way(&program, point);
        if point == ENDED {
            let refused = program.refuses(&restore);
            assert!(refused.contains("was complete already"), "{refused}");
        } else {
            let restored = restored_in_place(&program);
            assert_eq!(restored["again"]["facts"], json!(LEAVE), "after {point}");
        }
        let shown = program.says(&["dispatch", "show", "--json"]);
        let waiting = &shown["waiting"][0];
        assert_eq!(waiting["in_doubt"], lost, "after {point}: {shown}");
        assert_eq!(waiting["pending"], json!(0), "after {point}: {shown}");
        program.verify_log_alone();
    }

    let retiring = &points::of("relay.retired")[0];
    assert!(!program.up(Some(&format!("{retiring}:1"))).await);
    assert!(killed(program.ended()), "{}", program.said());
    assert!(program.up(None).await, "it ended at its start");
    let api = program.api();
    goes_on(&program, &api, &publication, &lost).await;
    let mailed = sink.messages();
    assert_eq!(mailed.len(), READERS + READERS - LEAVE);
    for mail in &mailed[READERS..] {
        assert!(!left.contains(&mail.to[0]), "{} had left", mail.to[0]);
    }
    check(&program, &sink, &brought(READERS), Lost::Nothing).await;
    program.stop().await;
}
