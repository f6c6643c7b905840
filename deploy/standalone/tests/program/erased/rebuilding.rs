//! Somebody is erased while a rebuild of the view that knows them stands in the middle: their key is destroyed at once, the
//! erasure waits for the rebuild, and whether that goes on or is given up, no table knows them afterwards.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tidings_tests::needles::Needles;
use tidings_tests::program::newsroom::id;
use tidings_tests::program::{ASK_AGAIN, Api, Program, Verb};

use super::left::Database;

/// Points of a rebuild, and what by then holds opened data beside the view: what is staged, and the next table as well.
const POINTS: [(&str, &[&str]); 3] = [
    (OF_RANGES, &["runs"]),
    ("rebuild.prepared", &["runs"]),
    ("rebuild.written", &["next"]),
];
/// So short that the log here has several ranges: of two positions.
const RANGE: [(&str, &str); 1] = [("TIDINGS_TEST_REBUILD_RANGE", "2")];
/// The point that is reached once a range.
const OF_RANGES: &str = "rebuild.staged";
/// Far longer than it takes to find out that an erasure has to wait.
const WITHIN: Duration = Duration::from_secs(60);
const WAITS: &str = "a rebuild is under way";

/// How a rebuild ends that stood still.
#[derive(Clone, Copy, Debug)]
enum End {
    GoesOn,
    IsGivenUp,
}

impl Database {
    /// The generation of a view that is in service.
    async fn generation(&self, view: &str) -> i32 {
        let sql = "select generation from publishing_views where view = $1";
        self.0.query_one(sql, &[&view]).await.unwrap().get(0)
    }

    /// Whether a subscriber's key is destroyed.
    async fn is_destroyed(&self, subscriber: &str) -> bool {
        let sql = "select shredded_at is not null from publishing_keys where key_id::text = $1";
        self.0.query_one(sql, &[&subscriber]).await.unwrap().get(0)
    }

    /// What rebuilds have left: tables, and what of them is on record.
    async fn staged(&self) -> Vec<String> {
        let sql = "select relname::text from pg_class where relname ~ '_g[0-9]+_(runs|again)$' \
                   union all select 'rebuild of ' || view from publishing_rebuilds";
        let rows = self.0.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

async fn started() -> Program {
    let settings = vec![(
        "TIDINGS_TELEMETRY__LOG_FILTER",
        "info,tidings_dispatcher=debug".to_owned(),
    )];
    let binary = env!("CARGO_BIN_EXE_tidings").into();
    let mut program = Program::new(binary, Path::new("/tmp"), settings);
    assert!(program.up(None).await, "{}", program.said());
    program
}

/// Signs some up who stay, after a position.
async fn readers(api: &Api, after: i64) {
    for n in 0..4 {
        let reader = json!({ "email": format!("reader{n}.{after}@example.org") });
        api.post("/api/v1/subscribers", &reader).await;
    }
}

/// How often the program has said that an erasure waits for a rebuild.
fn waits(program: &Program) -> usize {
    let log = fs::read_to_string(program.dir().join("log")).unwrap();
    log.matches(WAITS).count()
}

/// The kinds of tables of the view that know them: the one in service, the next, and what is staged for that.
async fn knowing(database: &Database, needles: &Needles, next: i32) -> BTreeSet<&'static str> {
    let tables = database.tables_with(needles).await;
    let next = format!("publishing_subscriber_profile_g{next}");
    let kind = |(table, _): (String, String)| {
        let rest = table.strip_prefix(&next);
        assert!(
            table.starts_with("publishing_subscriber_profile_g"),
            "{table}"
        );
        rest.map_or("serves", |rest| match rest {
            "" => "next",
            _ => "runs",
        })
    };
    tables.into_iter().map(kind).collect()
}

/// Lets a rebuild come to a point, has somebody erased meanwhile, and ends it so.
async fn erased_meanwhile(program: &Program, (point, held): (&str, &[&str]), end: End) {
    let api = program.api();
    let database = Database::of(program).await;
    let next = database.generation("subscriber_profile").await + 1;
    let name = format!("canary.{}@example.org", point.replace('.', "-"));
    let needles = Needles::new(&[&name]);
    let reader = json!({ "email": name, "name": name });
    let reader = api.post("/api/v1/subscribers", &reader).await;
    let (reader, position) = (id(&reader), reader["position"].as_i64().unwrap());
    let path = format!("/api/v1/subscribers/{reader}");
    api.get(&format!("{path}?at_least={position}")).await;
    readers(&api, position).await;

    let time = match point {
        OF_RANGES => position / 2 + 1,
        _ => 1,
    };
    let at = format!("{point}:{time}:stop");
    let verb = ["rebuild", "subscriber_profile", "--restart", "--json"];
    let mut rebuild: Verb = program.begin(&verb, Some(&at), &RANGE);
    assert!(rebuild.stands_still().await, "{}", program.said());
    let mut known: BTreeSet<&str> = held.iter().copied().chain(["serves"]).collect();
    assert_eq!(
        knowing(&database, &needles, next).await,
        known,
        "at {point}"
    );

    let before = waits(program);
    api.post(&format!("{path}/erase"), &json!({})).await;
    let waiting = async {
        while waits(program) == before {
            tokio::time::sleep(ASK_AGAIN).await;
        }
    };
    let waiting = tokio::time::timeout(WITHIN, waiting).await;
    assert!(waiting.is_ok(), "it waits for nothing: {}", program.said());
    assert!(database.is_destroyed(&reader).await, "their key, at once");
    let shown = api.until(&path, |it| it["email"] == json!(null)).await;
    assert_eq!(shown["erased_at"], json!(null), "{shown}");
    let under_way = api.get(&format!("{path}/erasure")).await;
    assert_eq!(under_way["waits_for"], json!(WAITS), "{under_way}");
    known.remove("serves");
    assert_eq!(
        knowing(&database, &needles, next).await,
        known,
        "at {point}"
    );

    match end {
        End::GoesOn => {
            rebuild.wake();
            let rebuilding = tokio::task::spawn_blocking(move || rebuild.end());
            let rebuilt = rebuilding.await.unwrap();
            assert!(rebuilt.status.success(), "{}", program.said());
        }
        End::IsGivenUp => rebuild.kill(),
    }
    let signed = |it: &Value| it["signature"].is_string();
    api.until(&format!("{path}/erasure"), signed).await;
    let left = knowing(&database, &needles, next).await;
    assert!(left.is_empty(), "at {point}, {end:?}: {left:?}");
    let staged = database.staged().await;
    assert!(staged.is_empty(), "at {point}, {end:?}: {staged:?}");
    let swapped = database.generation("subscriber_profile").await == next;
    assert_eq!(swapped, matches!(end, End::GoesOn));
    let shown = api.get(&path).await;
    assert_eq!(
        (&shown["state"], &shown["email"]),
        (&json!("erased"), &json!(null))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_erased_while_a_rebuild_stands_still_is_in_no_table_once_it_has_ended() {
    let program = started().await;
    for at in POINTS {
        for end in [End::GoesOn, End::IsGivenUp] {
            erased_meanwhile(&program, at, end).await;
        }
    }
    program.verify_views();
    program.stop().await;
}
