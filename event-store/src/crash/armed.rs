//! Whether this process is to die or to stand still, and where.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use nix::sys::signal::{Signal, raise};

static ARMED: AtomicBool = AtomicBool::new(false);
static AT: OnceLock<Armed> = OnceLock::new();

/// One point, and how often it is still to be reached.
struct Armed {
    point: String,
    left: AtomicU32,
    /// What it is sent then.
    signal: Signal,
}

impl Armed {
    fn is_due(&self, point: &str) -> bool {
        point == self.point && self.left.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

/// Makes this process die when it reaches `point` for the `time`-th time (1: the first). Once a process:
/// what comes later changes nothing.
pub fn arm(point: &str, time: u32) {
    arm_with(point, time, Signal::SIGKILL);
}

/// The same, but it stands still there, all of it, until somebody sends it SIGCONT.
pub fn arm_to_stop(point: &str, time: u32) {
    arm_with(point, time, Signal::SIGSTOP);
}

fn arm_with(point: &str, time: u32, signal: Signal) {
    AT.get_or_init(|| Armed {
        point: point.to_owned(),
        left: AtomicU32::new(time),
        signal,
    });
    ARMED.store(true, Ordering::Relaxed);
}

/// Called by [`crash_point!`](crate::crash_point).
pub fn reach(point: &str) {
    if !ARMED.load(Ordering::Relaxed) {
        return;
    }
    if let Some(armed) = AT.get().filter(|armed| armed.is_due(point)) {
        raise(armed.signal).expect("a process may signal itself");
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
            signal: Signal::SIGKILL,
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
