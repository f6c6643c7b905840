//! Seed after seed, for as long as it is told to: `make soak`.

use std::time::{Duration, Instant};

use tidings_tests::dice::Seed;

use crate::faults::{FAULTS, Fault};
use crate::points;
use crate::world::World;

/// How long; without it the test does nothing.
const MINUTES: &str = "TIDINGS_TEST_SOAK_MINUTES";
/// What happens to one run.
const CALAMITIES: usize = 4;

/// One run: a few deaths and faults, as the seed decides.
async fn run(seed: u64) {
    let seed = Seed::new(seed);
    let mut world = World::new(seed.0).await;
    let points = points::of_rounds();
    let mut dice = world.dice("calamities");
    for _ in 0..CALAMITIES {
        // One in four is no death.
        if dice.once_in(4) {
            let fault: Fault = FAULTS[dice.below(FAULTS.len())];
            world.suffer(fault).await;
        } else {
            let point = &points[dice.below(points.len())];
            world.die_at(point).await;
        }
    }
    world.settle().await;
}

/// Stops at the first run that fails, whose seed is the last that was printed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a knob of the tests, and what it came to"
)]
async fn soak() {
    let Ok(minutes) = std::env::var(MINUTES) else {
        return;
    };
    let (started, time) = (
        Instant::now(),
        Duration::from_secs(60 * minutes.parse::<u64>().unwrap()),
    );
    let first = Seed::of_run().0;
    let mut runs = 0;
    while started.elapsed() < time {
        run(first + runs).await;
        runs += 1;
    }
    eprintln!("{runs} runs from seed {first} on, and nothing was found");
}
