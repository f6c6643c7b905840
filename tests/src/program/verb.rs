//! A verb of `tidings` while it runs.

use std::fs;
use std::process::{Child, Output};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::ASK_AGAIN;

/// One that takes longer counts as one that never ends.
const VERB_WITHIN: Duration = Duration::from_secs(300);

/// A verb that was begun.
pub struct Verb(pub(super) Child);

impl Verb {
    /// Waits until all of it stands still, as at a point it was told to stop at; false: it has ended instead.
    pub async fn stands_still(&mut self) -> bool {
        while self.0.try_wait().unwrap().is_none() {
            if is_stopped(self.pid()) {
                return true;
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
        false
    }

    /// It goes on.
    pub fn wake(&self) {
        kill(self.pid(), Signal::SIGCONT).unwrap();
    }

    /// kill -9, also where it stands still.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Waits for its end. One that does not end is aborted, and has failed.
    pub fn end(self) -> Output {
        let pid = self.pid();
        let (ended, end) = mpsc::channel::<()>();
        let watch = std::thread::spawn(move || {
            if end.recv_timeout(VERB_WITHIN) == Err(RecvTimeoutError::Timeout) {
                // Not SIGKILL: that is how a process dies at a crash point.
                let _gone = kill(pid, Signal::SIGABRT);
            }
        });
        let output = self.0.wait_with_output().unwrap();
        drop(ended);
        watch.join().unwrap();
        output
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.0.id() as i32)
    }
}

/// Whether a process stands still: its state is what follows its name, which stands in brackets.
pub fn is_stopped(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, state)| state.starts_with('T'))
}
