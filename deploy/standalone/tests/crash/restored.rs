//! A platform that was lost and comes back from a backup: nobody who left meanwhile is mailed, nothing goes out before
//! an operator says so, and a restore that is killed goes on.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::stream;
use futures_util::TryStreamExt as _;
use serde_json::{Value, json};
use tidings_servers::template::EphemeralServers;
use tidings_sinks::smtp;
use tidings_tests::program::newsroom::{id, publish, settled};
use tidings_tests::program::{Api, Program};

use crate::in_place::{self, LEAVE as LEFT, goes_on, leave, stopped_mid_send};
use crate::private::{Lost, brought, check};
use crate::world::connect_nats;
use crate::{program, start};

const READERS: usize = 300;
const LEAVE: usize = 100;
const ERASED: usize = 2;

pub(crate) async fn sink() -> smtp::Handle {
    smtp::start(smtp::Options {
        keep: smtp::Keep::Headers,
        ..Default::default()
    })
    .await
    .unwrap()
}

/// The folder of the only backup in `dir`.
pub(crate) fn only_backup(dir: &Path) -> PathBuf {
    let entries = fs::read_dir(dir).unwrap();
    let folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    let [folder] = &folders[..] else {
        panic!("one backup, and nothing half-made: {folders:?}");
    };
    folder.clone()
}

fn files(dir: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, all),
            false => all.push(path),
        }
    }
}

fn holds_no_master_key(backup: &Path, master_key: &Path) {
    use base64::Engine as _;
    let text = fs::read_to_string(master_key).unwrap();
    let text = text.trim().as_bytes();
    let key = base64::engine::general_purpose::STANDARD.decode(text);
    let key = key.unwrap();
    let mut all = Vec::new();
    files(backup, &mut all);
    assert!(all.len() > 100, "a whole database");
    for file in all {
        let bytes = fs::read(&file).unwrap();
        for secret in [&key[..], text] {
            let found = bytes.windows(secret.len()).any(|it| it == secret);
            assert!(!found, "{} holds the master key", file.display());
        }
    }
}

/// What of the old data folder an operator has kept elsewhere.
pub(crate) fn keep_key(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::copy(from.join("master.key"), to.join("master.key")).unwrap();
}

pub(crate) async fn article(api: &Api, title: &str, channel: &Value) -> String {
    let draft = json!({ "title": title, "markdown": "All is **well**.", "channels": [channel] });
    let draft = api.post("/api/v1/publications", &draft).await;
    let path = format!("/api/v1/publications/{}/publish", id(&draft));
    api.post(&path, &json!({})).await;
    id(&draft)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_after_the_backup_is_not_mailed() {
    let sink = sink().await;
    let program = start().await;
    let api = program.api();
    let first = publish(&api, sink.addr().port(), READERS).await;
    settled(&api, &first).await;
    assert_eq!(sink.count(), READERS);
    let backups = program.dir().join("backups");
    program.says(&["backup", backups.to_str().unwrap()]);
    let backup = only_backup(&backups);
    holds_no_master_key(&backup, &program.data().join("master.key"));

    // Another day: a hundred leave, one signs up and leaves.
    let path = format!("/api/v1/publications/{first}/deliveries?limit=200");
    let readers = api.all(&path).await;
    let mut left = HashSet::new();
    for delivery in &readers[..LEAVE] {
        let subscriber = delivery["subscriber_id"].as_str().unwrap();
        let path = format!("/api/v1/subscribers/{subscriber}");
        let email = api.get(&path).await["email"].as_str().unwrap().to_owned();
        api.post(&format!("{path}/unsubscribe"), &json!({})).await;
        left.insert(email);
    }
    let passing = json!({ "email": "passing@example.org" });
    let passing = api.post("/api/v1/subscribers", &passing).await;
    let path = format!("/api/v1/subscribers/{}/unsubscribe", id(&passing));
    api.post(&path, &json!({})).await;
    left.insert("passing@example.org".to_owned());
    // Two are erased: a reader of the backup, and one it knows nothing of.
    let reader = readers[LEAVE]["subscriber_id"].as_str().unwrap();
    let email = erase(&api, reader).await;
    let unknown = json!({ "email": "erased@example.org" });
    let unknown = id(&api.post("/api/v1/subscribers", &unknown).await);
    left.extend([email.clone(), erase(&api, &unknown).await]);
    let witness = program.data().join("witness");
    // Its last line is written when the platform stops.
    let (program, old) = program.stop_and_move_on("restored").await;
    keep_key(&old, &program.data());

    // As somebody names it who stands elsewhere.
    let here = std::env::current_dir().unwrap();
    let up = "../".repeat(here.components().count() - 1);
    let backup = format!("{up}{}", &backup.to_str().unwrap()[1..]);
    let backup = backup.as_str();
    let refused = program.refuses(&["restore", backup]);
    assert!(refused.contains("there is no witness in"), "{refused}");
    let witness = witness.to_str().unwrap();
    let restored = program.says(&["restore", backup, "--witness", witness, "--json"]);
    // Of each who was erased, that, that it was done, and that nothing is sent to the address.
    assert_eq!(
        restored["again"]["facts"],
        json!(LEAVE + 1 + 3 * ERASED),
        "{restored}"
    );
    assert_eq!(restored["again"]["unknown"], json!(2), "{restored}");
    let after = restored["after_position"].as_i64().unwrap();
    assert!(restored["lost_through"].as_i64() > Some(after));
    program.is_back_at(after);
    let again = program.refuses(&["restore", backup, "--witness", witness]);
    assert!(again.contains("already holds the data"), "{again}");
    program.verify_log_alone();

    let mut program = program;
    assert!(program.up(None).await, "{}", program.said());
    program.let_in();
    let api = program.api();
    nobody_hears_of_it(&program, &api, &sink, &left).await;
    is_erased_again(&api, reader, &email).await;
    program.verify_views();
    program.verify_log();
    let readers = [brought(READERS), vec!["passing@example.org".to_owned()]].concat();
    // Nobody was mailed in what is lost.
    check(&program, &sink, &readers, Lost::Nothing).await;
    program.stop().await;
}

/// Erases a reader, to the end; gives the address they had.
async fn erase(api: &Api, reader: &str) -> String {
    let path = format!("/api/v1/subscribers/{reader}");
    let profile = api.until(&path, |it| it["email"].is_string()).await;
    api.post(&format!("{path}/erase"), &json!({})).await;
    let erasure = format!("{path}/erasure");
    api.until(&erasure, |it| it["signature"].is_string()).await;
    profile["email"].as_str().unwrap().to_owned()
}

/// Nothing of them is there any more, and the receipt says why.
async fn is_erased_again(api: &Api, reader: &str, email: &str) {
    let path = format!("/api/v1/subscribers/{reader}");
    let profile = api.get(&path).await;
    assert_eq!(profile["state"], json!("erased"), "{profile}");
    assert!(profile["email"].is_null(), "{profile}");
    let erasure = format!("{path}/erasure");
    let receipt = api.until(&erasure, |it| it["signature"].is_string()).await;
    assert_eq!(receipt["basis"], json!("restored"), "{receipt}");
    assert_eq!(
        receipt["destroyed"][0]["key_id"],
        json!(reader),
        "{receipt}"
    );
    assert!(!receipt.to_string().contains(email));
}

fn as_lines(addresses: &HashSet<String>) -> String {
    let lines: Vec<&str> = addresses.iter().map(String::as_str).collect();
    lines.join("\n")
}

/// Publishes to everybody there is, held and released; whoever left gets nothing, also when a file brings them again.
async fn nobody_hears_of_it(
    program: &Program,
    api: &Api,
    sink: &smtp::Handle,
    left: &HashSet<String>,
) {
    let import = api
        .post_csv("/api/v1/imports", format!("email\n{}\n", as_lines(left)))
        .await;
    let path = format!("/api/v1/imports/{}", id(&import));
    let import = api
        .until(&path, |import| import["state"] == json!("completed"))
        .await;
    // Those who left are still there, one is new to the log, and those who were erased are not taken.
    assert_eq!(import["accepted"], json!(1), "{import}");
    assert_eq!(import["existing"], json!(LEAVE), "{import}");
    assert_eq!(import["rejected"], json!(ERASED), "{import}");
    let channels = api.get("/api/v1/channels").await;
    let channel = &channels["items"][0]["id"];
    let before = sink.count();
    let article = article(api, "Tomorrow", channel).await;
    let path = format!("/api/v1/publications/{article}/accounting");
    let everybody = json!(READERS - LEAVE - 1 + 1);
    let held = api.until(&path, |it| it["pending"] == everybody).await;
    assert_eq!(held["sent"], json!(0), "{held}");
    let ready = api.get("/readyz").await;
    let dispatch = ready["components"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["name"] == json!("dispatch"))
        .unwrap();
    let detail = dispatch["detail"].as_str().unwrap();
    assert!(detail.starts_with("nothing is sent"), "{detail}");
    let doctor = program.refuses(&["doctor"]);
    assert!(doctor.contains("nothing is sent"), "{doctor}");
    let shown = program.says(&["dispatch", "show", "--json"]);
    assert_eq!(shown["held"], json!(true));
    assert_eq!(shown["waiting"][0]["pending"], everybody, "{shown}");
    let asked = program.refuses(&["dispatch", "release"]);
    assert!(asked.contains("nothing was released"), "{asked}");
    assert_eq!(sink.count(), before);

    let released = program.says(&["dispatch", "release", "--yes", "--json"]);
    assert_eq!(released["released"], json!(true));
    let accounting = settled(api, &article).await;
    assert_eq!(
        accounting["sent"],
        json!(READERS - LEAVE - 1),
        "{accounting}"
    );
    assert_eq!(accounting["suppressed"], json!(1), "{accounting}");
    let mailed = &sink.messages()[before..];
    assert_eq!(mailed.len(), READERS - LEAVE - 1);
    for message in mailed {
        for receiver in &message.to {
            assert!(!left.contains(receiver), "{receiver} had left");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn taken_in_mid_send_restored_with_kills_and_cancelled_it_sends_nothing_more() {
    let sink = sink().await;
    let slow = smtp::Action::Delay(Duration::from_millis(400));
    sink.add_rule(smtp::Rule::new(smtp::Phase::RcptTo, slow));
    let program = start().await;
    let api = program.api();
    let publication = publish(&api, sink.addr().port(), 1_500).await;
    sink.wait_for(200).await;
    let backups = program.dir().join("backups");
    program.says(&["backup", backups.to_str().unwrap()]);
    assert!(
        sink.count() < 1_500,
        "the backup came too late to mean anything"
    );
    settled(&api, &publication).await;
    let sent = sink.count();
    let witness = program.data().join("witness");
    let (mut program, old) = program.stop_and_move_on("restored").await;

    let backup = only_backup(&backups);
    let arguments = [
        "restore",
        backup.to_str().unwrap(),
        "--witness",
        witness.to_str().unwrap(),
    ];
    let refused = program.refuses(&arguments);
    assert!(refused.contains("the master key"), "{refused}");
    keep_key(&old, &program.data());
    // Until the backup is known to be whole, nothing is begun.
    program.kill_when_it_says(&arguments, "Comparing the backup");
    assert!(!program.data().join("restore.json").exists());
    for step in [
        "Laying",
        "Starting the database",
        "Comparing the log",
        "Beginning",
        "Putting",
    ] {
        program.kill_when_it_says(&arguments, step);
        let refused = program.refuses(&["up", "--listen", "127.0.0.1:0"]);
        assert!(refused.contains("run it again"), "after {step}: {refused}");
    }
    let restored = program.says(&[&arguments[..], &["--json"]].concat());
    program.is_back_at(restored["after_position"].as_i64().unwrap());
    program.verify_log_alone();
    let shown = program.says(&["dispatch", "show", "--json"]);
    let waiting = &shown["waiting"][0];
    assert!(waiting["in_doubt"].as_i64().unwrap() <= 64, "{shown}");
    assert!(waiting["pending"].as_i64().unwrap() > 0, "{shown}");

    assert!(program.up(None).await, "{}", program.said());
    program.let_in();
    let api = program.api();
    // What went out after the backup is not on record any more: whoever cancels has nobody mailed twice.
    let path = format!("/api/v1/publications/{publication}/cancel");
    api.post(&path, &json!({ "reason": "sent_before" })).await;
    let path = format!("/api/v1/publications/{publication}/accounting");
    let accounting = api.until(&path, |it| it["pending"] == json!(0)).await;
    program.says(&["dispatch", "release", "--yes"]);
    assert_eq!(accounting["balanced"], json!(true), "{accounting}");
    assert!(
        accounting["cancelled"].as_i64().unwrap() > 0,
        "{accounting}"
    );
    assert_eq!(sink.count(), sent);
    program.verify_views();
    program.verify_log();
    // What was sent after the backup is cancelled in this log, which knows of no attempt: those copies nobody explains.
    check(&program, &sink, &brought(1_500), Lost::Attempts).await;
    program.stop().await;
}

/// The operator's own nats-server goes on while the database is lost: its stream alone tells who left after the backup, and
/// who was mailed.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_outlives_the_database_tells_what_came_after_the_backup() {
    let servers = EphemeralServers::start().await.unwrap();
    let sink = sink().await;
    let nats = ("TIDINGS_NATS_URL", servers.nats_url().to_owned());
    let mut program = program(vec![nats]);
    assert!(program.up(None).await, "it ended at its start");
    let (program, publication) = stopped_mid_send(program, &sink).await;
    let before = sink.count();
    let backups = program.dir().join("backups");
    program.says(&["backup", backups.to_str().unwrap()]);
    let backup = only_backup(&backups);
    let mut program = program;
    assert!(program.up(None).await, "it ended at its start");
    let api = program.api();
    settled(&api, &publication).await;
    assert_eq!(sink.count(), in_place::READERS);
    let left = leave(&api, &publication).await;
    let (mut program, old) = program.stop_and_move_on("restored").await;
    keep_key(&old, &program.data());

    let verb = ["restore", backup.to_str().unwrap(), "--without-witness"];
    let restored = program.says(&[&verb[..], &["--json"]].concat());
    let lost = json!(in_place::READERS - before);
    assert_eq!(restored["without_stream"], json!(false), "{restored}");
    assert_eq!(restored["again"]["facts"], json!(LEFT), "{restored}");
    assert_eq!(restored["doubted"], lost, "{restored}");
    program.is_back_at(restored["after_position"].as_i64().unwrap());
    program.verify_log_alone();
    assert!(program.up(None).await, "{}", program.said());
    program.let_in();
    let api = program.api();
    goes_on(&program, &api, &publication, &lost).await;
    let mailed = sink.messages();
    let (first, second) = mailed.split_at(in_place::READERS);
    assert_eq!(second.len(), in_place::READERS - LEFT);
    let receivers = |mails: &[Arc<smtp::Message>]| -> HashSet<String> {
        mails.iter().flat_map(|it| it.to.clone()).collect()
    };
    assert_eq!(receivers(first).len(), in_place::READERS, "nobody twice");
    assert!(receivers(second).is_disjoint(&left));

    // Another place, whose NATS has never heard of it.
    let elsewhere = EphemeralServers::start().await.unwrap();
    let (mut program, old) = program.stop_and_move_on("elsewhere").await;
    keep_key(&old, &program.data());
    program.set(vec![("TIDINGS_NATS_URL", elsewhere.nats_url().to_owned())]);
    // But for streams of those names with something else in them: nothing in there is believed.
    let foreign = foreign_streams(servers.nats_url(), elsewhere.nats_url()).await;
    let refused = program.refuses(&verb);
    assert!(
        refused.contains("is not that of what was backed up: from position 1 on"),
        "{refused}"
    );
    let there = jetstream(elsewhere.nats_url()).await;
    for stream in foreign {
        there.delete_stream(stream).await.unwrap();
    }
    let restored = program.says(&[&verb[..], &["--json"]].concat());
    assert_eq!(restored["without_stream"], json!(true), "{restored}");
    assert_eq!(restored["again"]["facts"], json!(0), "{restored}");
}

/// Streams on one server with the names of those of another, and a message of nobody's in each; gives the names.
async fn foreign_streams(named_as_on: &str, on: &str) -> Vec<String> {
    let names: Vec<String> = jetstream(named_as_on)
        .await
        .stream_names()
        .try_collect()
        .await
        .unwrap();
    let there = jetstream(on).await;
    for name in &names {
        let config = stream::Config {
            name: name.clone(),
            subjects: vec![format!("foreign.{name}")],
            ..Default::default()
        };
        there.create_stream(config).await.unwrap();
        let published = there
            .publish(format!("foreign.{name}"), "theirs".into())
            .await;
        published.unwrap().await.unwrap();
    }
    names
}

async fn jetstream(url: &str) -> async_nats::jetstream::Context {
    async_nats::jetstream::new(connect_nats(url).await)
}
