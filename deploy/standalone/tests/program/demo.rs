//! Every verb over what the demo leaves, as its help says it.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use super::{Up, folder, said, tidings};

/// One of the demo's readers.
const READER: &str = "jonas.bakker@example.com";

/// Runs a verb that must succeed; gives what it answers to programs.
fn says(root: &Path, arguments: &[&str]) -> Value {
    let output = tidings(root).args(arguments).arg("--json").output();
    let output = output.unwrap();
    let (code, text) = said(&output);
    assert_eq!(code, Some(0), "{arguments:?}: {text}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The demo, once all it published has settled; it stays up.
fn demo(root: &Path) -> Up {
    let mut command = tidings(root);
    command.args(["up", "--demo", "--listen", "127.0.0.1:0"]);
    // Nobody listens there.
    command.env("TIDINGS_MAIL__DNS_SERVER", "127.0.0.1:9");
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let up = Up(child);
    let mut shown = String::new();
    for line in lines.map_while(Result::ok) {
        if line.starts_with("Where to look") {
            // It must not be stopped by a full pipe; what it says from here on is no matter.
            return up;
        }
        shown += &format!("{line}\n");
    }
    panic!("the demo has ended:\n{shown}");
}

fn channels(root: &Path) {
    let listed = says(root, &["channels", "list"]);
    let listed = listed["items"].as_array().unwrap();
    assert!(listed.len() >= 4, "{listed:?}");
    for channel in listed {
        let id = channel["id"].as_str().unwrap();
        let health = says(root, &["channels", "health", id]);
        assert_eq!(health["circuit"], "closed", "{health}");
        let mut test = vec!["channels", "test", id];
        if channel["kind"] == "email" || channel["kind"] == "ses" {
            test.extend(["--to", "me@example.org"]);
        }
        let tested = says(root, &test);
        assert_eq!(tested["outcome"], "sent", "{}: {tested}", channel["kind"]);
        for verb in ["disable", "enable"] {
            let changed = says(root, &["channels", verb, id]);
            assert!(changed["position"].as_i64() > Some(0), "{changed}");
        }
    }
}

/// Exits with 1, and says this.
fn fails(root: &Path, arguments: &[&str], why: &str) {
    let (code, text) = said(&tidings(root).args(arguments).output().unwrap());
    assert_eq!(code, Some(1), "{arguments:?}: {text}");
    assert!(text.contains(why), "{arguments:?}: {text}");
}

/// The first channel of a kind.
fn of_kind(root: &Path, kind: &str) -> String {
    let listed = says(root, &["channels", "list"]);
    let mut listed = listed["items"].as_array().unwrap().iter();
    let channel = listed.find(|channel| channel["kind"] == kind);
    channel.unwrap()["id"].as_str().unwrap().to_owned()
}

/// From a file to the readers, by the verbs alone.
fn publications(root: &Path) {
    let channel = of_kind(root, "file");
    let write = |title: &str| {
        let text = format!("---\ntitle: {title}\nchannels: [{channel}]\n---\nIt *runs*.\n");
        std::fs::write(root.join("ferry.md"), text).unwrap();
    };
    write("The ferri");
    let drafted = says(root, &["publications", "draft", "ferry.md"]);
    let id = drafted["id"].as_str().unwrap();
    write("The ferry");
    says(root, &["publications", "revise", id, "ferry.md"]);
    let reached = says(root, &["publications", "audience", id]);
    let one_in_all = json!({ "subscribers": 0, "deliveries": 1, "frozen": false });
    assert_eq!(reached, one_in_all);
    let published = says(root, &["publications", "publish", id]);
    assert!(published["position"].as_i64() > drafted["position"].as_i64());
}

/// What the two verbs find that look outwards: a DNS that does not answer, and a webhook that has taken everything.
fn look_outwards(root: &Path) {
    let mail = of_kind(root, "email");
    let check = ["senders", "check", &mail];
    fails(root, &check, "gives no answer");
    let webhook = of_kind(root, "webhook");
    let replay = [
        "channels",
        "replay",
        &webhook,
        "--from",
        "2026-01-01T00:00:00Z",
    ];
    let replayed = says(root, &replay);
    assert_eq!(replayed["requested"], Value::Array(vec![]), "it has all");
}

/// A file with a line that can not be used and one who is there already.
fn import(root: &Path) {
    let csv = format!("email,name\nnew.reader@example.org,New\nnobody\n{READER},Jonas\n");
    std::fs::write(root.join("readers.csv"), csv).unwrap();
    let imported = says(root, &["import", "subscribers", "readers.csv"]);
    let counts = ["accepted", "existing", "rejected"].map(|count| imported[count].as_i64());
    assert_eq!(counts, [Some(1); 3], "{imported}");
}

/// What is on record of a reader, and who asked.
fn look_at_a_reader(root: &Path) {
    let why = ["--reason", "they asked what we hold"];
    let timeline = [&["timeline", "subscriber", READER][..], &why].concat();
    let timeline = says(root, &timeline);
    let events = timeline["timeline"]["items"].as_array().unwrap();
    assert!(events.len() > 3, "{timeline}");
    let export = ["export", "subscriber", READER, "--out", "reader.zip"];
    says(root, &[&export[..], &why].concat());
    let checked = says(root, &["audit", "check", "reader.zip"]);
    let subscriber = &timeline["subscriber_id"];
    assert_eq!(&checked["export"]["subscriber_id"], subscriber, "{checked}");
    let looks = says(
        root,
        &["access", "--subscriber", subscriber.as_str().unwrap()],
    );
    let looks = looks["items"].as_array().unwrap().clone();
    let seen: Vec<_> = looks
        .iter()
        .map(|it| it["what"].as_str().unwrap())
        .collect();
    assert_eq!(
        seen,
        ["export", "search", "timeline", "search"],
        "{looks:?}"
    );
    // Page by page, from where one says, and all of it.
    let positions = |of: &Value| {
        let items = of["items"].as_array().unwrap().iter();
        let positions = items.map(|it| it["position"].as_i64().unwrap());
        positions.collect::<Vec<_>>()
    };
    let told = positions(&timeline["timeline"]);
    let before = told[1].to_string();
    let page = [
        &["timeline", "subscriber", READER, "--limit", "1", "--before"][..],
        &[&before],
        &why,
    ];
    assert_eq!(
        positions(&says(root, &page.concat())["timeline"]),
        told[2..3]
    );
    let all = ["timeline", "subscriber", READER, "--all"];
    let all = says(root, &[&all[..], &why].concat());
    assert!(positions(&all["timeline"]).ends_with(&told));
    assert!(all["timeline"]["next"].is_null(), "{all}");
    let before = looks[0]["position"].to_string();
    let earlier = says(root, &["access", "--all", "--before", &before]);
    assert!(positions(&earlier).contains(&looks[1]["position"].as_i64().unwrap()));
    assert!(!positions(&earlier).contains(&looks[0]["position"].as_i64().unwrap()));
}

/// All readers leave in a file that is whole, that nobody else may read, and that the platform takes again.
fn export_readers(root: &Path) {
    fn over<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
        let why = ["--reason", "moving house"];
        [&["subscribers", "export"][..], arguments, &why].concat()
    }
    let exported = says(root, &over(&["-o", "all.csv"]));
    let count = exported["subscribers"].as_u64().unwrap();
    assert!(count > 2_000, "{exported}");
    let mode = std::fs::metadata(root.join("all.csv"))
        .unwrap()
        .permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
    let whole = std::fs::read(root.join("all.csv")).unwrap();
    fails(root, &over(&["-o", "all.csv"]), "cannot write all.csv");
    says(root, &over(&["-o", "all.csv", "--overwrite"]));
    assert_eq!(std::fs::read(root.join("all.csv")).unwrap(), whole);
    let again = says(root, &["import", "subscribers", "all.csv"]);
    assert_eq!(again["existing"].as_u64(), Some(count), "{again}");
    let lines = ["--format", "jsonl", "--state", "active"];
    let output = tidings(root).args(over(&lines)).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let lines = String::from_utf8(output.stdout).unwrap();
    let states = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["state"].clone());
    assert!(states.count() > 1_000 && lines.contains(READER));
    let (code, text) = said(&tidings(root).args(over(&["--json"])).output().unwrap());
    assert_eq!(code, Some(64), "{text}");
}

/// Nothing goes to an address and a domain, until somebody says otherwise.
fn suppress(root: &Path) {
    let why = ["--reason", "she gets nothing"];
    let over = |verb: &str, whom: &str| {
        let asked = ["suppressions", verb, whom];
        match verb {
            "find" => says(root, &[&asked[..], &why].concat()),
            _ => says(root, &asked),
        }
    };
    assert_eq!(over("find", "gone@example.net")["suppressed"], false);
    over("add", "gone@example.net");
    over("add", "Example.NET");
    let found = over("find", "Gone@example.net");
    assert_eq!(found["found"]["reasons"], json!(["manual"]), "{found}");
    assert_eq!(found["domain"]["reasons"], json!(["manual"]), "{found}");
    let listed = says(root, &["suppressions", "list", "--cause", "manual"]);
    let listed = listed["items"].as_array().unwrap();
    let domains = listed.iter().filter(|it| it["domain"] == "example.net");
    assert_eq!(domains.count(), 1, "{listed:?}");
    let lift = ["suppressions", "lift", "gone@example.net", "--cause"];
    says(root, &[&lift[..], &["manual"], &why].concat());
    let erased = [&lift[..], &["erased"], &why].concat();
    let (code, text) = said(&tidings(root).args(erased).output().unwrap());
    assert_eq!(code, Some(64), "it is none that is lifted: {text}");
    assert!(text.contains("sign-up of their own"), "{text}");
    let silent = [&lift[..], &["manual"]].concat();
    let (code, text) = said(&tidings(root).args(silent).output().unwrap());
    assert_eq!(code, Some(64), "{text}");
    assert!(text.contains("say with --reason why"), "{text}");
    let found = over("find", "gone@example.net");
    assert_eq!(found["found"]["reasons"], json!([]), "{found}");
    let nobody = [
        "suppressions",
        "lift",
        "nobody@example.net",
        "--cause",
        "manual",
    ];
    let nobody = [&nobody[..], &why].concat();
    let (code, text) = said(&tidings(root).args(nobody).output().unwrap());
    assert_eq!(code, Some(64), "{text}");
}

/// A statement of whoever owns the database.
fn tamper(root: &Path, sql: &str) {
    let options = tidings_servers::Options {
        state_dir: root.join("state"),
        ..tidings_servers::Options::from_env(root.join("data"))
    };
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(async {
        let servers = tidings_servers::Servers::start(options).await.unwrap();
        let url = servers.database_url().unwrap();
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
            .await
            .unwrap();
        let running = tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
        drop(client);
        running.await.unwrap().unwrap();
        servers.stop().await.unwrap();
    });
}

/// Whoever changes a row is found out, by the exit code too.
fn tampered_is_noticed(root: &Path) {
    let view = "publishing_publication_accounting";
    tamper(
        root,
        &format!("update {view} set sent = sent + 1 where sent > 0"),
    );
    fails(
        root,
        &["rebuild", "all", "--verify"],
        "views differ from the log",
    );
    says(root, &["rebuild", "all"]);
    says(root, &["rebuild", "all", "--verify"]);
    let alter = |sign: &str| {
        format!(
            "update publishing_events set occurred_at = occurred_at {sign} interval '1 second' where position = 1234"
        )
    };
    tamper(root, &alter("+"));
    fails(root, &["audit", "verify"], "1234");
    tamper(root, &alter("-"));
    audit(root);
}

fn views(root: &Path) {
    let shown = says(root, &["views"]);
    let shown = shown["items"].as_array().unwrap();
    assert!(shown.iter().all(|view| view["state"] != "stopped"));
    assert!(shown.iter().any(|view| view["view"] == "delivery_log"));
    says(root, &["rebuild", "publication_status"]);
    says(root, &["rebuild", "all", "--readers", "4"]);
    says(root, &["rebuild", "all", "--verify"]);
    let skip = ["views", "skip", "channel_list", "1", "--reason", "a trial"];
    fails(root, &skip, "position");
}

fn audit(root: &Path) {
    says(root, &["audit", "verify"]);
    says(root, &["audit", "verify", "--witness"]);
    let proof = ["audit", "prove", "100", "--out", "proof.json"];
    says(root, &proof);
    let checked = says(root, &["audit", "check", "proof.json"]);
    assert_eq!(checked["proof"]["position"], 100, "{checked}");
}

/// A key is made, gets another secret, and is revoked.
fn api_keys(root: &Path) {
    let create = ["api-keys", "create", "--name", "Web shop", "--scope"];
    let made = says(root, &[&create[..], &["topics:read"]].concat());
    let text = |issued: &Value, field: &str| issued[field].as_str().unwrap().to_owned();
    let id = text(&made, "id");
    assert!(text(&made, "token").starts_with(&text(&made, "prefix")));
    let rotate = [
        "api-keys",
        "rotate",
        &id,
        "--overlap",
        "0",
        "--expires-in",
        "30d",
    ];
    let rotated = says(root, &rotate);
    assert_eq!(text(&rotated, "id"), id);
    assert_ne!(text(&rotated, "token"), text(&made, "token"));
    says(root, &["api-keys", "revoke", &id, "--reason", "leaked"]);
    assert!(says(root, &["api-keys", "list"])["items"].is_array());
    let (code, text) = said(&tidings(root).args(rotate).output().unwrap());
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("The API key was revoked"), "{text}");
    let unknown = [&create[..], &["topic:read"]].concat();
    let (code, text) = said(&tidings(root).args(unknown).output().unwrap());
    assert_eq!(code, Some(64), "{text}");
    assert!(text.contains("topics:read"), "{text}");
}

/// A reader of the demo, by address while the platform runs; the receipt is checked without one.
fn erase(root: &Path) {
    let why = ["--reason", "asked by mail"];
    let nobody = ["erase", "subscriber", "nobody@example.org"];
    fails(
        root,
        &[&nobody[..], &why].concat(),
        "No subscriber has that address",
    );
    // A file that is there already, or cannot be, is said before anybody is erased.
    std::fs::write(root.join("another.json"), "another's").unwrap();
    for file in ["another.json", "nowhere/receipt.json"] {
        let out = ["erase", "subscriber", READER, "--out", file];
        fails(root, &[&out[..], &why].concat(), "cannot write");
    }
    let another = std::fs::read_to_string(root.join("another.json")).unwrap();
    assert_eq!(another, "another's");
    let receipt = says(
        root,
        &[
            &["erase", "subscriber", READER, "--out", "receipt.json"][..],
            &why,
        ]
        .concat(),
    );
    assert_eq!(receipt["basis"], "request", "it was not erased before");
    let checked = says(root, &["audit", "check", "receipt.json"]);
    assert_eq!(
        checked["receipt"]["subscriber_id"],
        receipt["subscriber_id"]
    );
    let id = receipt["subscriber_id"].as_str().unwrap();
    let again = says(root, &["erase", "subscriber", id, "--basis", "operator"]);
    assert_eq!(again, receipt, "asked for again, it is the same erasure");
    let forged = std::fs::read_to_string(root.join("receipt.json")).unwrap();
    std::fs::write(
        root.join("forged.json"),
        forged.replace(r#""basis":"request""#, r#""basis":"operator""#),
    )
    .unwrap();
    let check = ["audit", "check", "forged.json"];
    fails(root, &check, "its signature is wrong");
}

/// A backup goes into a folder of its own, on nobody's word but the operator's, and lets its readers go on.
fn backup_and_restore(root: &Path) {
    let taken = says(root, &["backup", "backups"]);
    let backup = taken["folder"].as_str().unwrap();
    let other = root.join("other");
    std::fs::create_dir(&other).unwrap();
    let key = root.join("data/master.key");
    std::fs::copy(key, other.join("master.key")).unwrap();
    let over = |arguments: &[&str]| {
        let data = ["--data", other.to_str().unwrap()];
        says(root, &[arguments, &data].concat())
    };
    let restored = over(&["restore", backup, "--without-witness"]);
    assert_eq!(restored["witness"], Value::Null, "{restored}");
    assert_eq!(over(&["dispatch", "show"])["held"], true);
    over(&["dispatch", "release", "--yes"]);
    assert_eq!(over(&["dispatch", "show"])["held"], false);
    over(&["rebuild", "all", "--verify"]);
    // The database was put back by other means: here it was not put back at all.
    let in_place = ["restore", "--in-place", "--without-witness"];
    over(&[&in_place[..], &["--without-stream"]].concat());
    over(&["audit", "verify"]);
}

#[test]
fn every_verb_does_on_the_demos_data_what_its_help_says() {
    let root = folder();
    let root = root.path();
    let up = demo(root);
    channels(root);
    views(root);
    api_keys(root);
    says(root, &["keys", "status"]);
    says(root, &["keys", "rotate"]);
    audit(root);
    publications(root);
    look_outwards(root);
    import(root);
    look_at_a_reader(root);
    export_readers(root);
    suppress(root);
    erase(root);
    says(root, &["token", "--role", "editor"]);
    assert_eq!(says(root, &["doctor"])["well"], true);
    assert_eq!(up.stop(), Some(0));

    // With nothing running, each brings the servers up for itself.
    says(root, &["migrate"]);
    audit(root);
    tampered_is_noticed(root);
    backup_and_restore(root);
    assert_eq!(says(root, &["doctor"])["well"], true);
}
