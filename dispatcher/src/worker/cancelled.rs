//! Publications that were cancelled: what is left of them is settled whenever it is due.

use tidings_domain::publication::Sending;
use tidings_event_store::LoadError;
use tidings_service::problem::chain;
use uuid::Uuid;

use crate::core::{Core, DispatchError};
use crate::publications;

impl Core {
    /// Those whose deliveries can be settled. One that can not be read is left out, and so remembered in `unread` that it
    /// is said once: its deliveries wait for a build that can, and must not hold up the others.
    ///
    /// # Errors
    /// When the database is away.
    pub(super) async fn cancelled(
        &self,
        unread: &mut Vec<Uuid>,
    ) -> Result<Vec<Uuid>, DispatchError> {
        let mut cancelled = publications::cancelled(self.store.log()).await?;
        let mut failed = Vec::new();
        for publication_id in &cancelled {
            match self.hear_of_cancellation(*publication_id).await {
                Ok(()) => {}
                Err(error) if error.is_temporary() => return Err(error.into()),
                Err(error) => {
                    if !unread.contains(publication_id) {
                        tracing::warn!(
                            publication = %publication_id, error = %chain(&error),
                            "what is left of a cancelled publication waits"
                        );
                    }
                    failed.push(*publication_id);
                }
            }
        }
        cancelled.retain(|id| !failed.contains(id));
        *unread = failed;
        Ok(cancelled)
    }

    /// Judged as it was before the cancellation, what is not due yet would only be put back.
    async fn hear_of_cancellation(&self, publication_id: Uuid) -> Result<(), LoadError> {
        if self.causes.get(publication_id).await?.state.sending() != Sending::Never {
            self.causes.refresh(publication_id).await?;
        }
        Ok(())
    }
}
