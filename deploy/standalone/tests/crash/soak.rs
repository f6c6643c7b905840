//! Seed after seed, for as long or as often as it is told to: `make soak`.

use std::time::{Duration, Instant};

use tidings_tests::dice::{Dice, Seed};

use crate::points;
use crate::still::is_of_the_program;
use crate::world::World;

/// How long, and how many runs: whichever comes first. Without either the test does nothing.
const MINUTES: &str = "TIDINGS_TEST_SOAK_MINUTES";
const RUNS: &str = "TIDINGS_TEST_SOAK_RUNS";
/// What happens to one run.
const CALAMITIES: usize = 4;

/// One run: a few deaths, standstills and faults, as the seed decides, and an end at which everything is checked.
#[allow(clippy::print_stderr, reason = "what a run was about, for the record")]
async fn run(seed: u64) {
    let seed = Seed::new(seed);
    let mut dice = Dice::new(seed.0, "calamities");
    let mut world = match dice.once_in(4) {
        true => World::on_a_cluster(seed.0).await,
        false => World::new(seed.0).await,
    };
    let (faults, points) = (world.faults(), points::of_rounds());
    for _ in 0..CALAMITIES {
        match dice.below(8) {
            0..4 => {
                let fault = faults[dice.below(faults.len())];
                eprintln!("  {fault:?}");
                world.suffer(fault).await;
            }
            4 => {
                let mut points = points.clone();
                points.retain(|point| is_of_the_program(point));
                let point = &points[dice.below(points.len())];
                eprintln!("  still at {point}");
                world.stand_still_at(point).await;
            }
            _ => {
                let point = &points[dice.below(points.len())];
                eprintln!("  dead at {point}");
                world.die_at(point).await;
            }
        }
    }
    world.end().await;
}

#[allow(clippy::disallowed_methods, reason = "a knob of the tests")]
fn knob(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().unwrap())
}

/// Stops at the first run that fails, whose seed is the last that was printed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::print_stderr, reason = "what it came to")]
async fn soak() {
    let (minutes, runs) = (knob(MINUTES), knob(RUNS));
    if minutes.or(runs).is_none() {
        return;
    }
    let time = minutes.map(|minutes| Duration::from_secs(60 * minutes));
    let goes_on = |started: Instant, done: u64| {
        time.is_none_or(|time| started.elapsed() < time) && runs.is_none_or(|runs| done < runs)
    };
    let (started, first) = (Instant::now(), Seed::of_run().0);
    let mut done = 0;
    while goes_on(started, done) {
        run(first + done).await;
        done += 1;
    }
    eprintln!("{done} runs from seed {first} on, and nothing was found");
}
