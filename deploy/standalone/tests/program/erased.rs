//! Somebody leaves a trace wherever the product has room for one, is erased, and is nowhere any more that is the platform's:
//! not in its database, its stream, its files, what it logs at its most talkative, or what it hands out; not after what comes
//! late, not in views made anew, and not in a backup from before that is restored.

mod left;
mod life;
#[cfg(debug_assertions)]
mod rebuilding;
mod wrong;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tidings_tests::needles::{Found, Needles};
use tidings_tests::program::newsroom::id;
use tidings_tests::program::{Api, Program};

use super::browser::{is, link, open, post, send};
pub(crate) use left::Database;
use left::unzipped;
use life::Life;

/// The address they come with, and the one they have in the end.
const FORMER: &str = "canary7f3a@first.example.org";
const CURRENT: &str = "goldfinch4c2e@second.example.net";
const NAME: &str = "Ottilie Zaunkönig8d1b";
const TOWN: &str = "Nuthatch6e5f";
const TAG: &str = "wren_2a9d51";
/// How their browser and mail program call themselves.
const AGENT: &str = "Whinchat5b8e/7";
/// Why an officer looks at them.
const WHY: &str = "Siskin3f7c91 asked by phone";
/// What of all that stands nowhere else.
const WORDS: [&str; 7] = [
    "canary7f3a",
    "goldfinch4c2e",
    "Zaunkönig8d1b",
    TOWN,
    TAG,
    "Whinchat5b8e",
    "Siskin3f7c91",
];
/// Where it stands that they were erased: in the database, the stream and the witness.
const PLACES: [&str; 3] = ["/postgres/base/", "/nats/", "/witness/"];
const MAIL: &str = "message/rfc822";

/// No table tells of them, nor do the statistics that the database keeps of its columns.
async fn is_in_no_table(program: &Program) -> Database {
    let database = Database::of(program).await;
    let tables = database.tables_with(&Needles::new(&WORDS)).await;
    assert!(tables.is_empty(), "{tables:#?}");
    database
}

/// Nothing tells of them: neither any table, nor any file but for those that are left out.
async fn is_nowhere(program: &mut Program, left_out: &[PathBuf]) {
    let needles = Needles::new(&WORDS);
    let database = is_in_no_table(program).await;
    // Freed pages and the write-ahead log keep what stood in them until they are written over.
    database.write_over_what_was_freed().await;
    drop(database);
    program.end().await;
    let files = needles.below(program.dir(), left_out);
    assert!(files.is_empty(), "{files:#?}");
    // That they were erased is told: it is looked for where it must be.
    let told = Needles::new(&["subscriber.Erased"]).below(program.dir(), left_out);
    for place in PLACES {
        let is_there = |it: &Found| it.file.to_str().unwrap().contains(place);
        assert!(told.iter().any(is_there), "nothing in {place}: {told:#?}");
    }
}

/// Of all that the platform shows of them, or of what they had a part in, afterwards.
async fn nothing_is_shown(life: &Life, elsewhere: &Path) {
    let (program, api, who) = (&life.program, &life.api, &life.who);
    let needles = Needles::new(&WORDS);
    let mut shown = String::new();
    let subscriber = format!("/api/v1/subscribers/{who}");
    for path in [
        subscriber.clone(),
        format!("{subscriber}/timeline?limit=200"),
        format!("{subscriber}/preferences"),
        format!("{subscriber}/erasure"),
        "/api/v1/subscribers?limit=200".to_owned(),
        "/api/v1/suppressions?limit=200".to_owned(),
        format!("/api/v1/access?subscriber={who}"),
        format!("/api/v1/imports/{}", life.quoting),
        format!("/api/v1/imports/{}", life.import),
        format!("/api/v1/publications/{}/deliveries?limit=200", life.ferry),
        format!("/api/v1/publications/{}/engagement", life.hello),
        "/openapi.json".to_owned(),
    ] {
        shown += &api.get(&path).await.to_string();
    }
    shown += &open(&format!("{}/metrics", program.url()));
    let zip = elsewhere.join("after.zip");
    let zip_text = zip.to_str().unwrap();
    let why = "--reason=to see what is left";
    for verb in [
        &["export", "subscriber", who, why, "--out", zip_text][..],
        &["timeline", "subscriber", who, why],
        &["subscribers", "show", who, why],
        &["subscribers", "export", why],
        &["suppressions", "list"],
        &["erase", "subscriber", who],
        &["doctor"],
    ] {
        shown += &String::from_utf8(program.run(verb, None).stdout).unwrap();
    }
    assert!(shown.contains(who), "it tells of them: {shown}");
    let found = needles.within(shown.as_bytes());
    assert!(found.is_empty(), "{found:?} in {shown}");
    for (name, bytes) in unzipped(&zip) {
        let found = needles.within(&bytes);
        assert!(found.is_empty(), "{found:?} in {name}");
    }
}

/// What comes after somebody was erased: what their mail server and mail program say late, and an old file.
async fn what_comes_late(life: &Life) {
    let url = life.program.url();
    let strike = life.mail(CURRENT, "The strike").await;
    let late = life::report(life::BOUNCE, &strike, CURRENT);
    let agent = AGENT;
    is(&send(&format!("{url}/hooks/mail"), agent, MAIL, &late), 204);
    let page = link(&life.program, &strike, "/p/");
    is(&open(&page), 404);
    is(&post(&page, "do=save&language=de"), 404);
    let leave = super::browser::one_click(&strike);
    is(
        &send(
            &leave,
            agent,
            super::browser::FORM,
            "List-Unsubscribe=One-Click",
        ),
        200,
    );
    for followed in super::browser::links(&life.program, &strike, "/t/") {
        open(&followed);
    }
    let again = life.api.post_csv("/api/v1/imports", life::file()).await;
    let again = format!("/api/v1/imports/{}", id(&again));
    let completed = |it: &Value| it["state"] == json!("completed");
    let again = life.api.until(&again, completed).await;
    assert_eq!(again["accepted"], json!(0), "{again}");
}

/// They sign up anew with an address that was theirs, and are somebody else.
async fn comes_back_as_somebody_new(life: &Life, api: &Api) {
    let before = life.sink.by_recipient(FORMER).len();
    let confirmed = life.joins(FORMER, before).await;
    let found = json!({ "email": FORMER });
    let found = api.post("/api/v1/subscribers/find", &found).await;
    assert_ne!(id(&found), life.who, "{found}");
    is(&confirmed, 200);
    let publication = life::article(api, &life.channel, "Welcome").await;
    let path = format!("/api/v1/publications/{publication}/accounting");
    let sent = |it: &Value| it["state"] == json!("completed");
    assert_eq!(api.until(&path, sent).await["sent"], json!(2));
    assert_eq!(life.sink.by_recipient(FORMER).len(), before + 2);
    let old = api.get(&format!("/api/v1/subscribers/{}", life.who)).await;
    assert_eq!(
        (&old["state"], &old["email"]),
        (&json!("erased"), &json!(null))
    );
}

/// Restores a backup from before they were erased, as somebody who has lost everything but that, the key and the witness.
async fn is_restored(mut life: Life, backup: &Path) -> Life {
    let (program, old) = life.program.stop_and_move_on("restored").await;
    life.program = program;
    fs::create_dir_all(life.program.data()).unwrap();
    fs::copy(
        old.join("master.key"),
        life.program.data().join("master.key"),
    )
    .unwrap();
    let (backup, witness) = (backup.to_str().unwrap(), old.join("witness"));
    let witness = witness.to_str().unwrap();
    life.program
        .says(&["restore", backup, "--witness", witness]);
    assert!(life.program.up(None).await, "{}", life.program.said());
    life.program.let_in();
    life.api = life.program.api();
    let receipt = format!("/api/v1/subscribers/{}/erasure", life.who);
    let signed = |it: &Value| it["signature"].is_string();
    let receipt = life.api.until(&receipt, signed).await;
    assert_eq!(receipt["basis"], json!("restored"), "{receipt}");
    life
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_erased_is_nowhere_whatever_they_have_left_behind_and_whatever_comes_late() {
    let mut life = Life::begin().await;
    let handed = life.program.dir().join("handed_out");
    let backups = life.program.dir().join("backups");
    // What is out of the platform's hands: what was handed out, what an operator keeps, and the backup from before.
    let elsewhere = [handed.clone(), backups.clone()];
    life.is_lived(&handed).await;
    let database = Database::of(&life.program).await;
    // As PostgreSQL does by itself now and then.
    database.analyze().await;
    let tables = database.tables_with(&Needles::new(&WORDS)).await;
    assert!(!tables.is_empty(), "they are looked for where they must be");
    drop(database);
    life.program.says(&["backup", backups.to_str().unwrap()]);
    let entries: Vec<_> = fs::read_dir(&backups).unwrap().collect();
    let [Ok(backup)] = &entries[..] else {
        panic!("{entries:?}")
    };

    let receipt = life.is_erased_while_a_mail_is_on_its_way(&handed).await;
    let found = Needles::new(&WORDS).within(receipt.as_bytes()).len();
    assert_eq!(found, 0, "{receipt}");
    drop(is_in_no_table(&life.program).await);
    what_comes_late(&life).await;
    life.program.says(&["rebuild", "all", "--json"]);
    life.program.verify_views();
    nothing_is_shown(&life, &handed).await;
    life.program.verify_whole_log().await;
    is_nowhere(&mut life.program, &elsewhere).await;

    assert!(life.program.up(None).await, "{}", life.program.said());
    let mut life = is_restored(life, &backup.path()).await;
    life.program.verify_views();
    nothing_is_shown(&life, &elsewhere[1]).await;
    life.program.verify_log();
    is_nowhere(&mut life.program, &elsewhere).await;

    assert!(life.program.up(None).await, "{}", life.program.said());
    life.program.says(&["dispatch", "release", "--yes"]);
    let api = life.program.api();
    comes_back_as_somebody_new(&life, &api).await;
    life.program.stop().await;
}
