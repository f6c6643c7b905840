//! Standing still at one crash point and going on as if nothing had been: the program, or a verb beside it.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tidings_tests::program::{ASK_AGAIN, is_stopped};
use tokio::task::JoinHandle;

use crate::death::{ROUNDS_MAX, is_often};
use crate::world::World;

/// Verbs die at these, and the program never passes them.
const OF_VERBS: [&str; 3] = ["rebuild.", "shred.", "rotate."];

/// Whether the program passes this point by itself.
pub(crate) fn is_of_the_program(point: &str) -> bool {
    !OF_VERBS.iter().any(|it| point.starts_with(it))
}

impl World {
    /// The program stands still at this point, at some time, for up to 12 s: past what a commit, a caller, a session or the
    /// record of an attempt waits. Then it goes on; whoever asked it meanwhile may have had no answer.
    pub(crate) async fn stand_still_at(&mut self, point: &str) {
        let mut dice = self.dice(&format!("still {point}"));
        let time = if is_often(point) {
            1 + dice.below(20)
        } else {
            1
        };
        let still = Duration::from_millis(500 + dice.below(11_500) as u64);
        let round = self.lead_to(point).await;
        self.program.start(Some(&format!("{point}:{time}:stop")));
        let woken = wake_after(Pid::from_raw(self.program.pid() as i32), still);
        let ready = self.program.is_ready().await;
        assert!(ready, "it died at its start:\n{}", self.program.said());
        for _ in 0..ROUNDS_MAX {
            // Away while it stood still, or what it had asked for came too late: it is asked again.
            let _away = self.round(round).await;
            if woken.is_finished() {
                break;
            }
        }
        if !woken.is_finished() {
            // A point that only some rounds pass often enough may not have come. Nobody would wake it any more if it came now.
            woken.abort();
            self.program.kill(false);
            self.ensure_up().await;
        }
        let runs = self.program.runs();
        assert!(
            runs,
            "it did not go on from {point}:\n{}",
            self.program.said()
        );
    }
}

/// Waits until a process stands still, and lets it go on so much later.
fn wake_after(process: Pid, still: Duration) -> JoinHandle<()> {
    tokio::spawn(async move {
        while !is_stopped(process) {
            tokio::time::sleep(ASK_AGAIN).await;
        }
        tokio::time::sleep(still).await;
        // It may have been killed meanwhile.
        let _gone = kill(process, Signal::SIGCONT);
    })
}
