//! Which views stand still until an operator decides.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tidings_event_store::view::ViewError;
use tidings_service::problem::chain;

/// The stopped views of this process and why. A cheap handle; clones share the list.
#[derive(Clone, Debug, Default)]
pub struct Stops(Arc<Mutex<BTreeMap<&'static str, String>>>);

impl Stops {
    /// Notes that a view stands still, and says so in the log: once for each reason, here.
    pub(crate) fn stop(&self, view: &'static str, error: &ViewError) {
        self.note(view, chain(error));
    }

    pub(crate) fn note(&self, view: &'static str, why: String) {
        let mut list = self.list();
        if list.get(view) != Some(&why) {
            tracing::error!(view, error = %why, "the view stopped");
            list.insert(view, why);
        }
    }

    /// Notes that a view has moved.
    pub(crate) fn clear(&self, view: &'static str) {
        if self.list().remove(view).is_some() {
            tracing::info!(view, "the view goes on");
        }
    }

    /// Why a view stands still, if it does.
    pub fn why(&self, view: &str) -> Option<String> {
        self.list().get(view).cloned()
    }

    /// For `/readyz`.
    ///
    /// # Errors
    /// Names the views that stand still.
    pub fn ready(&self) -> Result<(), String> {
        let list = self.list();
        if list.is_empty() {
            return Ok(());
        }
        let all: Vec<String> = list
            .iter()
            .map(|(view, why)| format!("{view}: {why}"))
            .collect();
        Err(all.join("; "))
    }

    fn list(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
