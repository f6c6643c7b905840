//! Cooperative shutdown: one token that every part watches, set by a signal or by the program.

use std::future::Future;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Exit status after a second signal, as shells report an interrupt.
const INTERRUPTED: i32 = 130;

/// Asks a group of tasks to end. Cheap to clone; clones share the request.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// A token that nobody has asked to end.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everyone who holds this token to end.
    pub fn request(&self) {
        self.0.cancel();
    }

    /// Whether shutdown has been requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Completes when shutdown has been requested; owned, so that a task may keep it.
    pub fn requested(&self) -> WaitForCancellationFutureOwned {
        self.0.clone().cancelled_owned()
    }

    /// Runs `work` until it is done (`Some`) or shutdown is requested (`None`; `work` is dropped where it waits).
    pub async fn unless_requested<F: Future>(&self, work: F) -> Option<F::Output> {
        self.0.run_until_cancelled(work).await
    }

    /// Requests shutdown on the first SIGINT or SIGTERM, and ends the process on the second.
    ///
    /// # Errors
    /// When the operating system refuses a signal handler.
    pub fn on_signals(&self) -> std::io::Result<()> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            loop {
                let name = tokio::select! {
                    _ = interrupt.recv() => "SIGINT",
                    _ = terminate.recv() => "SIGTERM",
                };
                if shutdown.is_requested() {
                    tracing::warn!(signal = name, "second signal: ending without waiting");
                    std::process::exit(INTERRUPTED);
                }
                tracing::info!(signal = name, "shutting down");
                shutdown.request();
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_cut_off_where_it_waits() {
        let shutdown = Shutdown::new();
        assert_eq!(shutdown.unless_requested(async { 7 }).await, Some(7));
        shutdown.request();
        let forever = std::future::pending::<()>();
        assert_eq!(shutdown.unless_requested(forever).await, None);
    }
}
