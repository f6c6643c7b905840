//! Whether this process is to die, and where.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use nix::sys::signal::{Signal, raise};

static ARMED: AtomicBool = AtomicBool::new(false);
static AT: OnceLock<Armed> = OnceLock::new();

/// One point, and how often it is still to be reached.
struct Armed {
    point: String,
    left: AtomicU32,
}

impl Armed {
    fn is_due(&self, point: &str) -> bool {
        point == self.point && self.left.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

/// Makes this process die when it reaches `point` for the `time`-th time (1: the first). Once a process:
/// what comes later changes nothing.
pub fn arm(point: &str, time: u32) {
    let (point, left) = (point.to_owned(), AtomicU32::new(time));
    AT.get_or_init(|| Armed { point, left });
    ARMED.store(true, Ordering::Relaxed);
}

/// Called by [`crash_point!`](crate::crash_point).
pub fn reach(point: &str) {
    if ARMED.load(Ordering::Relaxed) && AT.get().is_some_and(|armed| armed.is_due(point)) {
        raise(Signal::SIGKILL).expect("a process may kill itself");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_due_once_when_it_was_reached_often_enough() {
        let armed = Armed {
            point: "room.step".to_owned(),
            left: AtomicU32::new(2),
        };
        let reached = ["room.step", "room.other", "room.step", "room.step"];
        assert_eq!(
            reached.map(|point| armed.is_due(point)),
            [false, false, true, false]
        );
    }

    #[test]
    fn a_process_that_is_not_armed_lives_on() {
        reach("room.step");
    }
}
