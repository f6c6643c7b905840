//! Points at which a debug build can be made to die by SIGKILL, so that tests kill the program between
//! any two of its steps. A release build holds none of this.
//!
//! A point is named `room.step`, in lower case; `docs/guarantees.md` lists them in the order of a
//! publication's life. Until a process is armed, a point costs one relaxed load.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use nix::sys::signal::{Signal, raise};

static ARMED: AtomicBool = AtomicBool::new(false);
static AT: OnceLock<Armed> = OnceLock::new();

/// Marks a point at which a debug build can be made to die: `crash_point!("relay.published");`. The name
/// is a literal, and no other point has it.
#[macro_export]
macro_rules! crash_point {
    ($name:literal) => {
        #[cfg(debug_assertions)]
        $crate::crash::reach($name);
    };
}

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
        crate::crash_point!("room.step");
    }
}
