//! Whether anything may be sent: after a restore nothing is, until an operator says so. Every attempt is guarded on
//! the version of the `log` stream this was folded from.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tidings_domain::log::Log;
use tidings_domain::stream_id;
use tidings_event_store::{LoadError, Store};

use crate::publications::last;

/// The `log` stream as it stood when it was folded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// Version it was folded at.
    pub(crate) version: i32,
    /// Nothing may be sent.
    pub(crate) held: bool,
    /// Position of the last word that the log was put back to an earlier state.
    pub(crate) restored_position: Option<i64>,
}

/// The `log` stream, as last folded.
pub(crate) struct Surroundings {
    store: Store,
    known: Mutex<Option<Known>>,
}

impl Surroundings {
    /// Nothing is known yet.
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            known: Mutex::default(),
        }
    }

    /// As last folded.
    pub(crate) async fn get(&self) -> Result<Known, LoadError> {
        let known = *self.known();
        match known {
            Some(known) => Ok(known),
            None => self.refresh().await,
        }
    }

    /// Folds the stream anew.
    pub(crate) async fn refresh(&self) -> Result<Known, LoadError> {
        let loaded = self.store.load::<Log>(stream_id::log()).await?;
        let now = Known {
            version: loaded.version,
            held: loaded.state.held_by().is_some(),
            restored_position: last(&loaded, "log.Restored").map(|restored| restored.position),
        };
        let before = {
            let mut known = self.known();
            // Whoever has read it later was quicker.
            if let Some(newer) = known.filter(|it| it.version > now.version) {
                return Ok(newer);
            }
            known.replace(now)
        };
        match (before.is_some_and(|before| before.held), now.held) {
            (false, true) => tracing::warn!(
                "nothing is sent: the log was restored; see `tidings dispatch show`, then \
                 `tidings dispatch release`"
            ),
            (true, false) => tracing::info!("sending goes on"),
            _ => {}
        }
        Ok(now)
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
