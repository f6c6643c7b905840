//! What looks again and again whether something is to be done, beside the dispatcher's own work.

use std::time::Duration;

use tidings_event_store::{Outage, Progress, Store};
use tidings_service::problem::chain;
use tokio_util::sync::CancellationToken;

use crate::core::DispatchError;

/// Its steps, and how often they are taken.
pub(crate) trait Stepping: Sync {
    /// What waits when a step fails, in words for the program's log.
    const WAITS: &str;
    /// So long it rests after each step, however much is committed.
    const BREATHER: Duration;
    /// How often to look although nothing was committed here.
    const TIMER: Duration;

    /// Does what is to be done now. Cutting it off is harmless: the next one meets what it did.
    fn step(&self) -> impl Future<Output = Result<Progress, DispatchError>> + Send;

    /// Where it looks.
    fn store(&self) -> &Store;

    /// Steps until told to stop; wakes when this process commits something, and by its timer.
    fn run_until(&self, stop: CancellationToken) -> impl Future<Output = ()> + Send {
        async move {
            let mut commits = self.store().log().committed();
            let steps = async {
                let mut outage = Outage::default();
                loop {
                    match self.step().await.map_err(|error| chain(&error)) {
                        Err(error) if outage.is_news(&error) => {
                            tracing::warn!(error, "{}", Self::WAITS);
                        }
                        Ok(_) if outage.is_over() => tracing::info!("{} no longer", Self::WAITS),
                        _ => {}
                    }
                    tokio::time::sleep(Self::BREATHER).await;
                    // The outcome is the same: time to look again.
                    drop(tokio::time::timeout(Self::TIMER, commits.changed()).await);
                }
            };
            stop.run_until_cancelled(steps).await;
        }
    }
}
