//! Somebody is erased, and nothing that a whole life of the program has written beside its database tells of them: neither
//! its log, however much it is to say, nor those of its servers, nor the stream, the witness or any other file.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use tidings_sinks::smtp;
use tidings_tests::program::Program;
use tidings_tests::program::newsroom::{id, publish};

/// Part of everything that is known of them.
const CANARY: &str = "canary7f3a";
/// Where PostgreSQL keeps rows, also those that have been deleted, until they are written over: SECURITY.md says so.
const ROWS: [&str; 2] = ["postgres/base", "postgres/pg_wal"];

/// The files below a folder that hold the canary, in whatever case.
fn naming(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            found.extend(naming(&entry.path()));
        } else if kind.is_file() {
            let bytes = fs::read(entry.path()).unwrap().to_ascii_lowercase();
            let canary = CANARY.as_bytes();
            if bytes.windows(canary.len()).any(|it| it == canary) {
                found.push(entry.path());
            }
        }
    }
    found
}

fn holds_rows(path: &Path) -> bool {
    let path = path.to_str().unwrap();
    ROWS.iter().any(|rows| path.contains(rows))
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_beside_the_database_tells_of_somebody_who_was_erased() {
    let sink = smtp::start(smtp::Options::default()).await.unwrap();
    let address = format!("{CANARY}@example.org");
    // A mail server that says whom it does not know.
    let gone = format!("4.2.2 {address} is over quota");
    let gone = smtp::Rule::reply(smtp::Phase::RcptTo, 452, gone);
    sink.add_rule(gone.to_ending(&address).times(1));
    let settings = vec![
        ("TIDINGS_TELEMETRY__LOG_FILTER", "trace".to_owned()),
        ("TIDINGS_OUTBOUND__ALLOW_LOOPBACK", "true".to_owned()),
    ];
    let binary = env!("CARGO_BIN_EXE_tidings").into();
    let mut program = Program::new(binary, Path::new("/tmp"), settings);
    assert!(program.up(None).await, "{}", program.said());
    let api = program.api();

    let reader = json!({ "email": address, "name": format!("Ada {CANARY}") });
    let reader = id(&api.post("/api/v1/subscribers", &reader).await);
    let path = format!("/api/v1/subscribers/{reader}");
    let patch = json!({ "attributes": { "town": CANARY }, "tags": { "add": ["friend"] } });
    api.patch(&path, &patch).await;
    let csv = format!("email,name\n{address},Somebody {CANARY}\n{CANARY} example.org,Nobody\n");
    let import = api.post_csv("/api/v1/imports", csv).await;
    let import = format!("/api/v1/imports/{}", id(&import));
    api.until(&import, |it| it["state"] == json!("completed"))
        .await;
    let found = api
        .post("/api/v1/subscribers/find", &json!({ "email": address }))
        .await;
    assert_eq!(found["id"], json!(reader));
    // Whoever takes a copy keeps it; the program keeps none.
    let exported = program.run(&["subscribers", "export", "--reason", "audit"], None);
    let copy = String::from_utf8(exported.stdout).unwrap();
    assert!(copy.contains(&address), "{copy}");
    let published = publish(&api, sink.addr().port(), 2).await;
    let delivery = format!("/api/v1/publications/{published}/deliveries?limit=10");
    api.until(&delivery, |it| {
        let items = it["items"].as_array().unwrap();
        items.iter().any(|it| it["status"] == json!("deferred"))
    })
    .await;
    // What is wrong is told, and not what it was about.
    let wrong = json!({ "email": format!("{CANARY} at example.org") });
    assert_eq!(
        api.command("/api/v1/subscribers", &wrong).await.unwrap(),
        None
    );
    let again = json!({ "email": address });
    assert_eq!(
        api.command("/api/v1/subscribers", &again).await.unwrap(),
        None
    );
    assert_eq!(api.get(&path).await["email"], json!(address));

    api.post(&format!("{path}/erase"), &json!({})).await;
    api.until(&format!("{path}/erasure"), |it| it["signature"].is_string())
        .await;
    let cancel = format!("/api/v1/publications/{published}/cancel");
    api.command(&cancel, &json!({})).await.unwrap();
    let accounting = format!("/api/v1/publications/{published}/accounting");
    api.until(&accounting, |it| it["pending"] == json!(0)).await;
    program.verify_views();
    program.end().await;

    let files = naming(program.dir());
    assert!(
        files.iter().any(|path| holds_rows(path)),
        "it is looked for where it must be: {files:?}"
    );
    let telling: Vec<_> = files.iter().filter(|path| !holds_rows(path)).collect();
    assert!(telling.is_empty(), "{telling:?}");
}
