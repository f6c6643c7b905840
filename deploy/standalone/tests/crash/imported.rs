//! The real program, killed in the middle of an import: the file is worked off to its end, also by whoever imports it once
//! more, everybody in it is signed up once, and nobody is lost.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use tidings_domain::address::Address;
use tidings_domain::stream_id;
use tidings_domain::subscriber_import::SubscriberImport;
use tidings_domain::value::EmailAddress;
use tidings_event_store::Store;
use tidings_service::Clock;
use tidings_sinks::smtp;
use tidings_tests::program::newsroom::id;
use tidings_tests::program::{ASK_AGAIN, Program};
use uuid::Uuid;

use crate::private::{Lost, brought, check, servers_of};
use crate::start;

/// Lines of the file, ten chunks of it; `TIDINGS_TEST_IMPORT_LINES` asks for more.
const LINES: usize = 5_000;
/// Streams loaded in one go.
const LOADED: usize = 10_000;
/// It is gone by then, or does not die at all.
const DIES_WITHIN: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn an_import_killed_half_way_is_finished_by_running_it_again_without_duplicate_or_loss() {
    let lines = lines();
    let mut program = start().await;
    let import = handed_in(&program, lines).await;
    let path = format!("/api/v1/imports/{import}");
    let some = |it: &Value| it["through"].as_i64() >= Some(lines as i64 / 3);
    program.api().until(&path, some).await;
    program.kill(false);
    is_half_way(&program, &import, lines).await;

    assert!(program.up(None).await, "it died at its start");
    finished_and_whole(program, &import, lines).await;
}

/// Between two chunks, and after everybody of a chunk is signed up and before that is on record: whoever goes on signs them up
/// once more.
#[cfg(debug_assertions)]
#[tokio::test(flavor = "multi_thread")]
async fn an_import_killed_between_two_chunks_and_within_one_is_finished_by_running_it_again() {
    let lines = LINES;
    let mut program = crate::program(Vec::new());
    assert!(program.up(Some("import.advanced:3")).await);
    let import = handed_in(&program, lines).await;
    dies(&mut program).await;
    assert_eq!(is_half_way(&program, &import, lines).await, 1_500);
    program.start(Some("import.signed_up:2"));
    dies(&mut program).await;
    assert_eq!(is_half_way(&program, &import, lines).await, 2_000);

    assert!(program.up(None).await, "it died at its start");
    finished_and_whole(program, &import, lines).await;
}

fn lines() -> usize {
    #[allow(
        clippy::disallowed_methods,
        reason = "a knob of the test, not of the product"
    )]
    let wanted = std::env::var("TIDINGS_TEST_IMPORT_LINES").ok();
    wanted.map_or(LINES, |count| count.parse().unwrap())
}

fn file(lines: usize) -> String {
    let lines = brought(lines).into_iter().enumerate();
    let lines = lines.map(|(n, address)| format!("{address},Reader {n}\n"));
    format!("email,name\n{}", lines.collect::<String>())
}

/// Hands the file in; gives its import.
async fn handed_in(program: &Program, lines: usize) -> String {
    id(&program.api().post_csv("/api/v1/imports", file(lines)).await)
}

/// Waits until it has died at the point it was told.
async fn dies(program: &mut Program) {
    let died = tokio::time::timeout(DIES_WITHIN, async {
        while program.runs() {
            tokio::time::sleep(ASK_AGAIN).await;
        }
    });
    assert!(died.await.is_ok(), "it lives on:\n{}", program.said());
}

/// The log of the dead program says that some of the file is worked off, and some is not; gives how many lines are.
async fn is_half_way(program: &Program, import: &str, lines: usize) -> u64 {
    let (_servers, store) = servers_of(program).await;
    let import_id: Uuid = import.parse().unwrap();
    let import = store.load::<SubscriberImport>(import_id).await.unwrap();
    let SubscriberImport::Running(progress) = import.state else {
        panic!("it is not under way: {:?}", import.state);
    };
    let (through, of) = (progress.through, progress.lines);
    assert!(0 < through && through < of, "{through} of {of}");
    let signed_up = count(&store, "subscriber.SignedUp").await;
    assert!(
        (through as i64..lines as i64).contains(&signed_up),
        "{signed_up}, {through} of {lines}"
    );
    assert!(chunks(&store).await > 0, "the file is there");
    through
}

/// Imports the same file once more by the command line, at once and again at the end, and looks at what has come of all.
async fn finished_and_whole(program: Program, import: &str, lines: usize) {
    let path = program.dir().join("readers.csv");
    fs::write(&path, file(lines)).unwrap();
    let arguments = ["import", "subscribers", path.to_str().unwrap(), "--json"];
    // While the first one goes on.
    let again = program.says(&arguments);
    let done = |it: &Value| it["state"] == json!("completed");
    let api = program.api();
    let first = api.until(&format!("/api/v1/imports/{import}"), done).await;
    let last = program.says(&arguments);
    let count_of = |import: &Value, key: &str| import[key].as_i64().unwrap();
    for import in [&first, &again, &last] {
        let all = count_of(import, "accepted") + count_of(import, "existing");
        assert_eq!(all, lines as i64, "{import}");
        assert_eq!(count_of(import, "through"), lines as i64, "{import}");
        assert_eq!(count_of(import, "rejected"), 0, "{import}");
    }
    let accepted = count_of(&first, "accepted") + count_of(&again, "accepted");
    assert_eq!(
        accepted, lines as i64,
        "each by one of them: {first} {again}"
    );
    assert_eq!(count_of(&last, "accepted"), 0, "{last}");

    let (_servers, store) = servers_of(&program).await;
    everybody_is_there_once(&store, lines).await;
    // Its rows go after it is shown as completed.
    while chunks(&store).await > 0 {
        tokio::time::sleep(ASK_AGAIN).await;
    }
    drop(store);
    // Nothing goes out.
    let sink = smtp::start(smtp::Options::default()).await.unwrap();
    program.verify_views();
    program.is_witnessed().await;
    program.verify_whole_log().await;
    check(&program, &sink, &brought(lines), Lost::Nothing).await;
    program.stop().await;
}

/// One sign-up for each address, whose stream says whose it is.
async fn everybody_is_there_once(store: &Store, lines: usize) {
    for event_type in ["subscriber.SignedUp", "address.Claimed"] {
        assert_eq!(count(store, event_type).await, lines as i64, "{event_type}");
    }
    let id_key = store.vault().id_key(Clock::system().now()).await.unwrap();
    let ids: Vec<Uuid> = brought(lines)
        .iter()
        .map(|address| stream_id::address(&id_key, &EmailAddress::parse(address).unwrap()))
        .collect();
    let mut holders = BTreeSet::new();
    for ids in ids.chunks(LOADED) {
        for address in store.load_many::<Address>(ids).await.unwrap() {
            holders.insert(address.state.holder().expect("it is claimed"));
        }
    }
    assert_eq!(holders.len(), lines, "each has their own");
    let signed_up = "select stream_id from publishing_events where type = 'subscriber.SignedUp'";
    let client = store.log().pool().get().await.unwrap();
    let signed_up = client.query(signed_up, &[]).await.unwrap();
    let signed_up: BTreeSet<Uuid> = signed_up.iter().map(|row| row.get(0)).collect();
    assert_eq!(signed_up, holders);
}

async fn count(store: &Store, event_type: &str) -> i64 {
    let sql = format!("select count(*) from publishing_events where type = '{event_type}'");
    number(store, &sql).await
}

/// Rows of files that are not worked off.
async fn chunks(store: &Store) -> i64 {
    number(store, "select count(*) from publishing_import_chunks").await
}

async fn number(store: &Store, sql: &str) -> i64 {
    let client = store.log().pool().get().await.unwrap();
    client.query_one(sql, &[]).await.unwrap().get(0)
}
