//! A test that never ends says which one it is: whoever waits for the suite learns nothing from silence.

use std::io::Write as _;
use std::process;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// Several times what the longest test takes on a slow machine.
const OVERDUE: Duration = Duration::from_secs(20 * 60);
/// What the test runner itself ends with when a test has failed.
const FAILED: i32 = 101;

/// Ends this process, with all of its tests, unless it is dropped in time.
pub(crate) struct Overdue {
    _ended: mpsc::Sender<()>,
}

impl Overdue {
    /// Watches over the test that runs on this thread. `last_words`: what is known of it then.
    pub(crate) fn watch(last_words: impl FnOnce() -> String + Send + 'static) -> Self {
        let test = thread::current().name().unwrap_or("a test").to_owned();
        let (ended, end) = mpsc::channel();
        thread::spawn(move || {
            if end.recv_timeout(OVERDUE) == Err(RecvTimeoutError::Timeout) {
                let mut said = std::io::stderr().lock();
                let words = last_words();
                // Whether anybody hears it or not.
                let _deaf = writeln!(said, "{test} NEVER ENDED after {OVERDUE:?}:\n{words}");
                process::exit(FAILED);
            }
        });
        Self { _ended: ended }
    }
}
