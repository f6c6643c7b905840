//! What a sink accepted, in order, and a way to wait for more of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

/// Locks `mutex`; what a panicking holder left behind is still a readable journal.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An append-only list of accepted things.
#[derive(Debug)]
pub(crate) struct Record<T> {
    rows: Mutex<Vec<Arc<T>>>,
    count: watch::Sender<usize>,
}

impl<T> Record<T> {
    pub(crate) fn new() -> Self {
        Self {
            rows: Mutex::new(Vec::new()),
            count: watch::Sender::new(0),
        }
    }

    /// Appends what `make` returns, unless it fails. `make` is given the number of rows so far
    /// and runs under the list's lock, so anything it writes is written in the list's order.
    pub(crate) fn push_with<E>(
        &self,
        make: impl FnOnce(usize) -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        let mut rows = lock(&self.rows);
        let row = Arc::new(make(rows.len())?);
        rows.push(Arc::clone(&row));
        self.count.send_replace(rows.len());
        Ok(row)
    }

    pub(crate) fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// Rows from index `from` on.
    pub(crate) fn since(&self, from: usize) -> Vec<Arc<T>> {
        lock(&self.rows).get(from..).unwrap_or_default().to_vec()
    }

    /// Waits until there are at least `n` rows and returns all there are then.
    pub(crate) async fn wait_for(&self, n: usize) -> Vec<Arc<T>> {
        let mut count = self.count.subscribe();
        // The sender lives in self, so this cannot fail while we are borrowed.
        let _ = count.wait_for(|count| *count >= n).await;
        self.since(0)
    }
}
