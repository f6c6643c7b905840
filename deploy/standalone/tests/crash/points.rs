//! Every crash point there is, read from the source, and a run that dies at each of them.

use std::fs;
use std::path::{Path, PathBuf};

use tidings_tests::dice::{Dice, Seed};

use crate::world::World;

/// Rooms of the workspace that have points.
const ROOMS: [&str; 3] = ["event-store", "command-api", "dispatcher"];
/// Where the macro is made and tried out.
const MACRO: &str = "event-store/src/crash.rs";
const CALL: &str = "crash_point!(\"";
/// Deaths in one run, after which everything must settle: a run that only ever dies proves less.
const DEATHS: usize = 8;

/// The names of all points, in the order of their files.
pub(crate) fn all() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    for room in ROOMS {
        collect(&root.join(room).join("src"), &mut files);
    }
    files.sort();
    let mut points = Vec::new();
    for file in files.iter().filter(|file| !file.ends_with(MACRO)) {
        let text = fs::read_to_string(file).unwrap();
        let names = text.split(CALL).skip(1);
        points.extend(names.map(|rest| rest.split('"').next().unwrap().to_owned()));
    }
    points
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|it| it == "rs") {
            files.push(path);
        }
    }
}

/// Dies at each of every `of` points of a shuffled list, beginning with the `first`.
async fn die_at_each(first: usize, of: usize) {
    let seed = Seed::of_run();
    let mut points = all();
    assert!(points.len() > 30, "they were looked for: {points:?}");
    Dice::new(seed.0, "order").shuffle(&mut points);
    let mine: Vec<String> = points.into_iter().skip(first).step_by(of).collect();
    for (run, points) in mine.chunks(DEATHS).enumerate() {
        let mut world = World::new(seed.0 ^ (run * of + first) as u64).await;
        for point in points {
            world.die_at(point).await;
        }
        world.settle().await;
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
