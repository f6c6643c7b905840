//! Every crash point there is, read from the source, and a run that dies at each of them.

use std::fs;
use std::path::{Path, PathBuf};

use tidings_tests::dice::{Dice, Seed};

use crate::rounds::Round;
use crate::world::World;

/// Folders without code of ours.
const OTHERS: [&str; 3] = ["target", "data", "node_modules"];
/// Where the macro is made and tried out.
const MACRO: &str = "event-store/src/crash.rs";
const CALL: &str = "crash_point!(\"";
/// Points of backups and restores, which `restore_points.rs` dies at: they need a platform that is lost.
const ELSEWHERE: [&str; 3] = ["backup.", "restore.", "relay.retired"];
/// Deaths in one run, after which everything must settle: a run that only ever dies proves less.
const DEATHS: usize = 8;

/// The names of all points, in the order of their files.
pub(crate) fn all() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    collect(&root, &mut files);
    files.sort();
    let mut points = Vec::new();
    for file in files.iter().filter(|file| !file.ends_with(MACRO)) {
        let text = fs::read_to_string(file).unwrap();
        let names = text.split(CALL).skip(1);
        points.extend(names.map(|rest| rest.split('"').next().unwrap().to_owned()));
    }
    points
}

/// Those that a round with the program passes, or a verb beside it.
pub(crate) fn of_rounds() -> Vec<String> {
    let elsewhere = |point: &String| ELSEWHERE.iter().any(|it| point.starts_with(it));
    let mut points = all();
    points.retain(|point| !elsewhere(point));
    points
}

/// Those whose names begin so.
pub(crate) fn of(beginning: &str) -> Vec<String> {
    let mut points = all();
    points.retain(|point| point.starts_with(beginning));
    assert!(!points.is_empty(), "no point is called {beginning}");
    points
}

/// The code of every room there is or will be; what only tests run has no points.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if !name.starts_with('.') && name != "tests" && !OTHERS.contains(&name) {
                collect(&path, files);
            }
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
}

/// The page that lists them lists these: whoever looks for them here finds each.
#[test]
fn every_documented_point_is_died_at() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guarantees.md");
    let page = fs::read_to_string(page).unwrap();
    let section = page.split("\n## Crash points").nth(1).unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut documented: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    let mut found = all();
    documented.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, documented);
}

/// Dies at each of every `of` points of a shuffled list, beginning with the `first`.
async fn die_at_each(first: usize, of: usize) {
    let seed = Seed::of_run();
    let mut points = of_rounds();
    assert!(points.len() > 30, "they were looked for: {points:?}");
    Dice::new(seed.0, "order").shuffle(&mut points);
    let mine: Vec<String> = points.into_iter().skip(first).step_by(of).collect();
    for (run, points) in mine.chunks(DEATHS).enumerate() {
        let mut world = World::new(seed.0 ^ (run * of + first) as u64).await;
        for point in points {
            world.die_at(point).await;
        }
        // Whoever died before there was anything to send goes on as well.
        world.ensure_up().await;
        world.round(Round::default()).await.unwrap();
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_point_is_survived_the_first_half() {
    die_at_each(0, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_point_is_survived_the_second_half() {
    die_at_each(1, 2).await;
}
