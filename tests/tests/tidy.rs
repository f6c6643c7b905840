//! House rules as tests: who may use whom, what a file looks like, and where things may be written.
#![allow(
    clippy::unwrap_used,
    reason = "all of this is test code: a panic is a failed test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Rooms a room may use. Those that are not listed may use everything; tests of any room may use
/// [`FOR_TESTS`] too.
const ARROWS: &[(&str, &[&str])] = &[
    ("proto", &[]),
    ("domain", &["proto"]),
    ("schema", &[]),
    ("event-store", &["proto", "domain", "schema"]),
    ("service", &[]),
    (
        "command-api",
        &["proto", "domain", "schema", "event-store", "service"],
    ),
    (
        "projector",
        &["proto", "domain", "schema", "event-store", "service"],
    ),
    (
        "dispatcher",
        &[
            "proto",
            "domain",
            "schema",
            "event-store",
            "service",
            "projector",
        ],
    ),
    ("servers", &[]),
    ("sinks", &[]),
];
const FREE: &[&str] = &["standalone", "tests", "bench"];
const FOR_TESTS: &[&str] = &["servers", "sinks", "tests"];

/// Crates that pure rooms must not link, by the beginning of their names.
const NOT_PURE: &[&str] = &[
    "tokio",
    "async-",
    "futures-executor",
    "smol",
    "mio",
    "postgres",
    "deadpool",
    "sqlx",
    "rusqlite",
    "nats",
    "actix",
    "hyper",
    "reqwest",
    "axum",
    "h2",
    "http",
    "rustls",
    "lettre",
    "tracing-subscriber",
    "tidings-event-store",
    "tidings-service",
];

/// Files outside `schema/` that hold DDL, each with its reason.
const DDL_ALLOWED: &[(&str, &str)] = &[
    (
        "event-store/src/migrate.rs",
        "the ledger of migrations can not be made by one of them",
    ),
    (
        "event-store/src/view/",
        "generations of a view's table come and go at run time",
    ),
    (
        "projector/src/tests/tables.rs",
        "compares the tables with the rows",
    ),
    ("tests/src/servers.rs", "databases for tests"),
    ("tests/tests/tidy.rs", "names what it looks for"),
    ("tests/tests/it/log/schema_page.rs", "prints tables"),
    ("tests/tests/it/log/tally.rs", "a view that only tests have"),
    (
        "tests/tests/it/log/tampered.rs",
        "weakens the tables as their owner could",
    ),
    (
        "tests/tests/it/story/erased/meanwhile.rs",
        "takes a table away for a while",
    ),
    (
        "deploy/servers/",
        "another product's tests: they fill a database of their own",
    ),
    ("bench/", "peers of the log have tables of their own"),
];

const LINES_MAX: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

fn cargo(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    let output = command
        .args(arguments)
        .arg("--offline")
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A package of the workspace as its room, and the rooms it uses: in its code, and in its tests alone.
struct Room {
    name: String,
    uses: BTreeSet<String>,
    tested_with: BTreeSet<String>,
}

fn room_of(package: &str) -> Option<String> {
    package.strip_prefix("tidings-").map(str::to_owned)
}

fn rooms() -> Vec<Room> {
    let text = cargo(&["metadata", "--format-version", "1", "--no-deps"]);
    let metadata: Value = serde_json::from_str(&text).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let rooms = packages.iter().map(|package| {
        let of_kind = |dev: bool| {
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            dependencies
                .filter(|dependency| (dependency["kind"] == "dev") == dev)
                .filter_map(|dependency| room_of(dependency["name"].as_str().unwrap()))
                .collect()
        };
        Room {
            name: room_of(package["name"].as_str().unwrap()).unwrap(),
            uses: of_kind(false),
            tested_with: of_kind(true),
        }
    });
    rooms.collect()
}

#[test]
fn arrows_only_go_where_the_architecture_says() {
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut wrong = Vec::new();
    for room in rooms() {
        let Some(may) = arrows.get(room.name.as_str()) else {
            assert!(
                FREE.contains(&room.name.as_str()),
                "a new room: say in ARROWS whom {} may use",
                room.name
            );
            continue;
        };
        for used in &room.uses {
            if !may.contains(&used.as_str()) {
                wrong.push(format!("{} uses {used}", room.name));
            }
        }
        for used in &room.tested_with {
            if !may.contains(&used.as_str())
                && !FOR_TESTS.contains(&used.as_str())
                && *used != room.name
            {
                wrong.push(format!("the tests of {} use {used}", room.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn pure_rooms_link_no_runtime_database_broker_or_http() {
    for room in ["tidings-domain", "tidings-proto", "tidings-schema"] {
        let tree = cargo(&[
            "tree", "-p", room, "-e", "normal", "--prefix", "none", "--format", "{p}",
        ]);
        let linked: BTreeSet<&str> = tree
            .lines()
            .filter_map(|line| line.split(' ').next())
            .collect();
        assert!(linked.contains(room));
        let impure: Vec<_> = linked
            .iter()
            .filter(|name| NOT_PURE.iter().any(|bad| name.starts_with(bad)))
            .collect();
        assert!(impure.is_empty(), "{room} links {impure:?}");
    }
}

/// Every file of ours with this ending, by its path from the root, with its text.
fn files(ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                if !name.starts_with('.') && !["target", "data", "node_modules"].contains(&name) {
                    folders.push(path);
                }
            } else if name.ends_with(ending) {
                let relative = path
                    .strip_prefix(root())
                    .unwrap()
                    .to_str()
                    .unwrap()
                    .to_owned();
                found.push((relative, fs::read_to_string(&path).unwrap_or_default()));
            }
        }
    }
    found.sort();
    found
}

fn none(wrong: &[String], rule: &str) {
    assert!(wrong.is_empty(), "{rule}:\n{}", wrong.join("\n"));
}

/// The files where something is wrong.
fn where_(bad: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let files = files(".rs").into_iter();
    files
        .filter(|(path, text)| bad(path, text))
        .map(|(path, _)| path)
        .collect()
}

#[test]
fn files_are_short() {
    none(
        &where_(|_, text| text.lines().count() > LINES_MAX),
        "more than 500 lines",
    );
}

#[test]
fn every_file_begins_by_saying_what_it_is_for() {
    none(
        &where_(|_, text| !text.starts_with("//! ")),
        "no //! line at the top",
    );
}

#[test]
fn modules_are_named_after_their_file() {
    none(
        &where_(|path, _| path.ends_with("/mod.rs")),
        "use foo.rs beside foo/",
    );
}

/// By the house's rule an error's own words leave out its cause.
#[test]
fn what_a_dispatcher_logs_of_an_error_names_its_causes() {
    let bare = ["%", "error"].concat();
    none(
        &where_(|path, text| path.starts_with("dispatcher/") && text.contains(&bare)),
        "an error is logged without its causes: say `error = %chain(&error)`",
    );
}

#[test]
fn ddl_is_written_in_the_schema_room() {
    let ddl = [
        "create table",
        "create index",
        "create unique index",
        "create function",
        "create or replace function",
        "create view",
        "create sequence",
        "create trigger",
        "alter table",
        "create type",
        "drop table",
    ];
    let wrong = where_(|path, text| {
        let text = text.to_ascii_lowercase();
        let allowed = DDL_ALLOWED
            .iter()
            .any(|(allowed, _)| path.starts_with(allowed));
        !allowed && ddl.iter().any(|statement| text.contains(statement))
    });
    none(&wrong, "DDL outside schema/");
    let used = |allowed: &str| {
        files(".rs")
            .iter()
            .any(|(path, _)| path.starts_with(allowed))
    };
    let stale: Vec<_> = DDL_ALLOWED
        .iter()
        .filter(|(allowed, _)| !used(allowed))
        .collect();
    assert!(stale.is_empty(), "allowed, but not there: {stale:?}");
}

#[test]
fn what_is_ours_in_a_database_is_named_so() {
    let mut wrong = Vec::new();
    for (path, text) in files(".sql")
        .into_iter()
        .filter(|(path, _)| path.starts_with("schema/"))
    {
        let text = text.to_ascii_lowercase();
        for kind in [
            "create table ",
            "create function ",
            "create or replace function ",
            "create index ",
            "create unique index ",
        ] {
            for (at, _) in text.match_indices(kind) {
                let name = text[at + kind.len()..].trim_start();
                if !name.starts_with("publishing_") && !name.starts_with("{table}") {
                    let line = text[..at].lines().count() + 1;
                    wrong.push(format!("{path}:{line}"));
                }
            }
        }
    }
    none(&wrong, "names begin with publishing_");
}

#[test]
fn nothing_is_left_for_later() {
    let marks = [
        concat!("todo", "!("),
        concat!("unimpl", "emented!("),
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
    ];
    none(
        &where_(|_, text| marks.iter().any(|mark| text.contains(mark))),
        "unfinished",
    );
}

/// What stands between these two, wherever it stands.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    let after = text.split(start).skip(1);
    after.filter_map(|rest| rest.split(end).next()).collect()
}

#[test]
fn every_crash_point_has_a_name_of_its_own_and_is_documented() {
    // The macro's own file only shows how it is used.
    let code = files(".rs").into_iter().filter(|(path, _)| {
        path.contains("/src/") && path != "event-store/src/crash.rs" && !path.starts_with("tests/")
    });
    let mut points = Vec::new();
    for (path, text) in code {
        for name in between(&text, "crash_point!(", ")") {
            let literal = name.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
            points.push(
                literal
                    .unwrap_or_else(|| panic!("{path}: {name} is no literal"))
                    .to_owned(),
            );
        }
    }
    let page = fs::read_to_string(root().join("docs/guarantees.md")).unwrap();
    let section = between(&page, "## Crash points", "\n## ")[0];
    let documented: Vec<&str> = section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .flat_map(|line| between(line, "| `", "` |"))
        .collect();
    let named = |name: &str| {
        let parts: Vec<&str> = name.split('.').collect();
        let lower = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
        parts.len() == 2
            && parts
                .iter()
                .all(|part| !part.is_empty() && part.bytes().all(lower))
    };
    let wrong: Vec<String> = points.iter().filter(|name| !named(name)).cloned().collect();
    none(&wrong, "a point is named room.step, in lower case");
    let unique: BTreeSet<&str> = points.iter().map(String::as_str).collect();
    assert_eq!(unique.len(), points.len(), "two points have one name");
    assert_eq!(
        unique,
        documented.iter().copied().collect(),
        "docs/guarantees.md lists them"
    );
    assert_eq!(unique.len(), documented.len(), "each is listed once");
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let own = root().to_str().unwrap().to_owned();
    let paths = [own.as_str(), concat!("/wo", "rk/"), concat!("/ro", "ot/.")];
    let mut wrong = Vec::new();
    for ending in [
        ".rs", ".sql", ".toml", ".md", ".proto", ".sh", ".yaml", ".yml", ".json", ".snap",
        "Makefile",
    ] {
        for (file, text) in files(ending) {
            if paths.iter().any(|path| text.contains(path)) {
                wrong.push(file);
            }
        }
    }
    assert!(files(".rs").len() > 100, "it has looked");
    none(&wrong, "a path of one machine");
}
