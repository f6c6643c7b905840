//! Runs tasks that are meant to run until they are told to stop, and remembers what ended one early.

use std::collections::BTreeMap;
use std::error::Error;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use tidings_service::problem::chain;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A group of tasks that stop together. Cheap to clone; clones share the group.
#[derive(Clone, Default)]
pub(super) struct Supervisor {
    stop: CancellationToken,
    tasks: TaskTracker,
    ended: Arc<Mutex<BTreeMap<&'static str, Option<String>>>>,
}

impl Supervisor {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Ends when the group is told to stop: for the group's tasks.
    pub(super) fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs a task. One that ends with an error, a panic, or before it was told to, is logged once and stays on
    /// record.
    pub(super) fn spawn<E: Error + Send + 'static>(
        &self,
        name: &'static str,
        task: impl Future<Output = Result<(), E>> + Send + 'static,
    ) {
        self.record(name, None);
        let group = self.clone();
        self.tasks.spawn(async move {
            let why = match AssertUnwindSafe(task).catch_unwind().await {
                Ok(Ok(())) if group.stop.is_cancelled() => return,
                Ok(Ok(())) => "it ended by itself".to_owned(),
                Ok(Err(error)) => chain(&error),
                Err(_) => "it panicked".to_owned(),
            };
            tracing::error!(task = name, why, "a part of the platform has ended");
            group.record(name, Some(why));
        });
    }

    fn record(&self, name: &'static str, why: Option<String>) {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.insert(name, why);
    }

    /// The names of all tasks.
    pub(super) fn names(&self) -> Vec<&'static str> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.keys().copied().collect()
    }

    /// Why a task has ended; `None` while it runs.
    pub(super) fn ended(&self, name: &str) -> Option<String> {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.get(name).cloned().flatten()
    }

    /// Tells all tasks to stop and waits until they have, `within` this long.
    pub(super) async fn stop(&self, within: Duration) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(within, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                left = self.tasks.len(),
                limit_s = within.as_secs(),
                "some tasks did not stop in time"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[tokio::test]
    async fn the_reason_a_task_ended_with_stays_on_record() {
        let group = Supervisor::new();
        let stop = group.stopping();
        group.spawn("steady", async move {
            stop.cancelled().await;
            Ok::<(), io::Error>(())
        });
        group.spawn("broken", async { Err(io::Error::other("no more")) });
        group.spawn("brief", async { Ok::<(), io::Error>(()) });
        group.spawn("wild", async {
            panic!("the test says so");
            #[allow(unreachable_code)]
            Ok::<(), io::Error>(())
        });
        assert_eq!(group.names(), ["brief", "broken", "steady", "wild"]);
        group.stop(Duration::from_secs(5)).await;
        assert_eq!(group.ended("broken").as_deref(), Some("no more"));
        assert_eq!(group.ended("wild").as_deref(), Some("it panicked"));
        assert_eq!(group.ended("steady"), None);
    }
}
