//! A platform whose database was put back by other means: `restore --in-place` learns from the witness and from the
//! stream of before what the database has lost. Nobody who left is mailed, and nobody is mailed twice.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tidings_sinks::smtp;
use tidings_tests::program::newsroom::{publish, settled};
use tidings_tests::program::{Api, Program};

use crate::private::{Lost, brought, check};
use crate::restored::{article, sink};
use crate::start;

pub(crate) const READERS: usize = 200;
pub(crate) const LEAVE: usize = 20;
/// Who signs up meanwhile, two events each: so the log comes further than what is lost.
const GROWN: usize = LEAVE + 1;

/// Where the private servers' data lie: for root elsewhere than in the data folder.
pub(crate) fn location(data: &Path) -> PathBuf {
    match fs::read_to_string(data.join("where")) {
        Ok(text) => text.trim().into(),
        Err(_) => data.to_owned(),
    }
}

/// Copies a folder with all that belongs to it, in place of what is there.
pub(crate) fn copy(from: &Path, to: &Path) {
    let _none = fs::remove_dir_all(to);
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.unwrap().success(), "{from:?} to {to:?}");
}

/// Some of a publication's readers leave; gives their addresses.
pub(crate) async fn leave(api: &Api, publication: &str) -> HashSet<String> {
    let path = format!("/api/v1/publications/{publication}/deliveries?limit=200");
    let mut left = HashSet::new();
    for delivery in &api.all(&path).await[..LEAVE] {
        let path = format!(
            "/api/v1/subscribers/{}",
            delivery["subscriber_id"].as_str().unwrap()
        );
        let email = api.get(&path).await["email"].as_str().unwrap().to_owned();
        api.post(&format!("{path}/unsubscribe"), &json!({})).await;
        left.insert(email);
    }
    left
}

/// Stops in the middle of a send whose deliveries are all planned, with none under way.
pub(crate) async fn stopped_mid_send(program: Program, sink: &smtp::Handle) -> (Program, String) {
    let slow = smtp::Action::Delay(Duration::from_millis(400));
    sink.add_rule(smtp::Rule::new(smtp::Phase::RcptTo, slow));
    let api = program.api();
    let publication = publish(&api, sink.addr().port(), READERS).await;
    let path = format!("/api/v1/publications/{publication}/accounting");
    api.until(&path, |it| it["state"] == json!("planned")).await;
    sink.wait_for(30).await;
    let (program, _) = program.stop_and_move_on("data").await;
    assert!(sink.count() < READERS, "it came too late to mean anything");
    (program, publication)
}

/// The database goes back to what was kept of it, and the platform is restored.
fn put_back(program: &Program, kept: &Path) -> Value {
    copy(kept, &location(&program.data()).join("postgres"));
    let restored = restored_in_place(program);
    // Before anything runs again: a restore is no tampering.
    program.says(&["audit", "verify", "--witness"]);
    restored
}

/// What callers were told of what the log has not is lost.
pub(crate) fn restored_in_place(program: &Program) -> Value {
    let restored = program.says(&["restore", "--in-place", "--json"]);
    program.is_back_at(restored["after_position"].as_i64().unwrap());
    restored
}

/// What callers were told last.
fn told_through(program: &Program) -> i64 {
    let told = program.told();
    told.last().expect("somebody was told something").position
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_and_who_was_mailed_in_what_is_lost_is_not_mailed() {
    let sink = sink().await;
    let (mut program, publication) = stopped_mid_send(start().await, &sink).await;
    let before = sink.count();
    let kept = program.dir().join("kept");
    copy(&location(&program.data()).join("postgres"), &kept);

    // What will be lost: the rest is sent, and some leave.
    assert!(program.up(None).await, "it ended at its start");
    let api = program.api();
    settled(&api, &publication).await;
    assert_eq!(sink.count(), READERS);
    let left = leave(&api, &publication).await;
    let (mut program, _) = program.stop_and_move_on("data").await;

    without_its_stream_it_is_not_restored(&program, &kept);
    let restored = put_back(&program, &kept);
    let lost = json!(READERS - before);
    assert_eq!(restored["again"]["facts"], json!(LEAVE), "{restored}");
    assert_eq!(restored["doubted"], lost, "{restored}");
    assert_eq!(restored["unknown_attempts"], json!(0), "{restored}");
    assert_eq!(restored["witness"]["position"], restored["lost_through"]);
    assert_eq!(restored["without_stream"], json!(false));

    assert!(program.up(None).await, "it ended at its start");
    let api = program.api();
    let article = goes_on(&program, &api, &publication, &lost).await;
    let mailed = sink.messages();
    let (first, second) = mailed.split_at(READERS);
    assert_eq!(second.len(), READERS - LEAVE);
    let receivers = |mails: &[Arc<smtp::Message>]| -> HashSet<String> {
        mails.iter().flat_map(|it| it.to.clone()).collect()
    };
    assert_eq!(receivers(first).len(), READERS);
    assert!(receivers(second).is_disjoint(&left));
    let path = format!("/api/v1/publications/{article}/accounting");
    let accounting = api.get(&path).await;
    assert_eq!(accounting["balanced"], json!(true), "{accounting}");

    // And once more to the same place: the log has lost that it was ever restored.
    let (mut program, _) = program.stop_and_move_on("data").await;
    let restored = put_back(&program, &kept);
    assert_eq!(restored["again"]["facts"], json!(LEAVE), "{restored}");
    assert_eq!(restored["doubted"], lost, "{restored}");
    let unknown = json!(READERS - LEAVE);
    assert_eq!(restored["unknown_attempts"], unknown, "{restored}");
    assert!(program.up(None).await, "it ended at its start");
    let api = program.api();
    goes_on(&program, &api, &publication, &lost).await;
    assert_eq!(sink.count(), READERS + 2 * (READERS - LEAVE));
    // The first of the two articles is lost with all its deliveries.
    check(&program, &sink, &brought(READERS), Lost::Deliveries).await;
    program.stop().await;
}

/// A restore that would overlook the last second ends before it has begun.
fn without_its_stream_it_is_not_restored(program: &Program, kept: &Path) {
    let location = location(&program.data());
    copy(kept, &location.join("postgres"));
    let (nats, away) = (location.join("nats"), location.join("nats.away"));
    fs::rename(&nats, &away).unwrap();
    let refused = program.refuses(&["restore", "--in-place"]);
    assert!(refused.contains("is not there"), "{refused}");
    assert!(refused.contains("--without-stream"), "{refused}");
    assert!(!program.data().join("restore.json").exists());
    fs::remove_dir_all(&nats).unwrap();
    fs::rename(&away, &nats).unwrap();
}

/// Everything is served again, released, and sends to whoever is there; the log is what its witness saw. Gives what
/// was published.
pub(crate) async fn goes_on(
    program: &Program,
    api: &Api,
    publication: &str,
    in_doubt: &Value,
) -> String {
    let shown = program.says(&["dispatch", "show", "--json"]);
    let waiting = &shown["waiting"][0];
    assert_eq!(waiting["in_doubt"], *in_doubt, "{shown}");
    assert_eq!(waiting["pending"], json!(0), "{shown}");
    program.says(&["dispatch", "release", "--yes"]);
    let accounting = settled(api, publication).await;
    assert_eq!(accounting["in_doubt"], *in_doubt, "{accounting}");
    assert_eq!(accounting["balanced"], json!(true), "{accounting}");
    let channels = api.get("/api/v1/channels").await;
    let article = article(api, "Tomorrow", &channels["items"][0]["id"]).await;
    settled(api, &article).await;
    program.verify_views();
    program.verify_log();
    article
}

/// A replica took over and worked for a while before anybody noticed what it lacked.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_replica_did_meanwhile_counts_too() {
    let sink = sink().await;
    let program = start().await;
    let api = program.api();
    let first = publish(&api, sink.addr().port(), READERS).await;
    settled(&api, &first).await;
    let readers = api
        .all(&format!(
            "/api/v1/publications/{first}/deliveries?limit=200"
        ))
        .await;
    let reader = |n: usize| {
        let subscriber = readers[n]["subscriber_id"].as_str().unwrap();
        format!("/api/v1/subscribers/{subscriber}")
    };
    let unsubscribe = |n: usize| format!("{}/unsubscribe", reader(n));
    let (mut program, data) = program.stop_and_move_on("data").await;
    let kept = program.dir().join("kept");
    copy(&location(&data).join("postgres"), &kept);
    let told = told_through(&program);
    assert!(program.up(None).await, "it ended at its start");
    let api = program.api();
    // Lost: one leaves, one leaves and comes back.
    for n in [0, 1] {
        api.post(&unsubscribe(n), &json!({})).await;
    }
    api.post(&format!("{}/resubscribe", reader(1)), &json!({}))
        .await;

    // Another machine, as far as stream and witness go: one leaves for good there, and one of the others does.
    let (mut program, data) = program.stop_and_move_on("replica").await;
    let replica = program.data();
    fs::create_dir_all(&replica).unwrap();
    for file in ["master.key", "jwt.secret"] {
        fs::copy(data.join(file), replica.join(file)).unwrap();
    }
    assert!(program.up(None).await, "it ended at its start");
    let (mut program, _) = program.stop_and_move_on("replica").await;
    copy(&kept, &location(&replica).join("postgres"));
    let _other = fs::remove_dir_all(location(&replica).join("nats"));
    program.is_back_at(told);
    assert!(program.up(None).await, "it ended at its start");
    let api = program.api();
    for n in [1, 2] {
        api.post(&unsubscribe(n), &json!({})).await;
    }
    let grown = json!({ "email": "new@example.org" });
    api.post("/api/v1/subscribers", &grown).await;
    let (mut program, _) = program.stop_and_move_on("data").await;

    let restored = put_back(&program, &location(&replica).join("postgres"));
    assert_eq!(restored["again"]["facts"], json!(3), "{restored}");
    let number = |name: &str| restored[name].as_i64().unwrap();
    assert!(number("parted_after") < number("after_position"));
    assert_eq!(
        number("lost"),
        number("lost_through") - number("parted_after")
    );
    assert!(program.up(None).await, "it ended at its start");
    let api = program.api();
    for n in 0..3 {
        let path = reader(n);
        api.until(&path, |it| it["state"] == json!("unsubscribed"))
            .await;
    }
    program.says(&["dispatch", "release", "--yes"]);
    let channels = api.get("/api/v1/channels").await;
    let article = article(&api, "Tomorrow", &channels["items"][0]["id"]).await;
    let accounting = settled(&api, &article).await;
    assert_eq!(accounting["sent"], json!(READERS - 3 + 1), "{accounting}");
    program.verify_log();
    let readers = [brought(READERS), vec!["new@example.org".to_owned()]].concat();
    check(&program, &sink, &readers, Lost::Nothing).await;
    program.stop().await;
}

/// The database went back together with its witness, and both went on alone, past what is lost, before anybody noticed.
#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_went_on_with_the_log_hides_nothing_of_the_stream() {
    let sink = sink().await;
    let program = start().await;
    let api = program.api();
    let first = publish(&api, sink.addr().port(), READERS).await;
    settled(&api, &first).await;
    let (mut program, data) = program.stop_and_move_on("data").await;
    let location = location(&data);
    let places = ["postgres", "nats"].map(|name| location.join(name));
    let [postgres, nats] = &places;
    let witness = data.join("witness");
    let kept = ["postgres", "witness"].map(|name| program.dir().join("kept").join(name));
    fs::create_dir(program.dir().join("kept")).unwrap();
    copy(postgres, &kept[0]);
    copy(&witness, &kept[1]);
    let told = told_through(&program);
    assert!(program.up(None).await, "it ended at its start");
    let left = leave(&program.api(), &first).await;
    let (mut program, _) = program.stop_and_move_on("data").await;

    copy(&kept[0], postgres);
    copy(&kept[1], &witness);
    program.is_back_at(told);
    let away = nats.with_extension("away");
    fs::rename(nats, &away).unwrap();
    assert!(program.up(None).await, "it ended at its start");
    let api = program.api();
    for n in 0..GROWN {
        let grown = json!({ "email": format!("new{n}@example.org") });
        api.post("/api/v1/subscribers", &grown).await;
    }
    let (mut program, _) = program.stop_and_move_on("data").await;
    fs::remove_dir_all(nats).unwrap();
    fs::rename(&away, nats).unwrap();

    let restored = restored_in_place(&program);
    assert_eq!(restored["again"]["facts"], json!(LEAVE), "{restored}");
    // Each was looked at before, which is an event as well.
    assert_eq!(restored["lost"], json!(2 * LEAVE), "{restored}");
    let number = |name: &str| restored[name].as_i64().unwrap();
    assert!(number("parted_after") < number("after_position"));
    assert_eq!(restored["witness"]["position"], restored["after_position"]);

    assert!(program.up(None).await, "it ended at its start");
    let api = program.api();
    program.says(&["dispatch", "release", "--yes"]);
    let channels = api.get("/api/v1/channels").await;
    let article = article(&api, "Tomorrow", &channels["items"][0]["id"]).await;
    settled(&api, &article).await;
    let mailed = &sink.messages()[READERS..];
    assert_eq!(mailed.len(), READERS - LEAVE + GROWN);
    assert!(
        mailed
            .iter()
            .flat_map(|it| &it.to)
            .all(|to| !left.contains(to))
    );
    program.verify_log();
    let grown = (0..GROWN).map(|n| format!("new{n}@example.org"));
    let readers = [brought(READERS), grown.collect()].concat();
    check(&program, &sink, &readers, Lost::Nothing).await;
    program.stop().await;
}
