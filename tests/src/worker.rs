//! Workers of every room, as `settle` steps them.

use futures_util::future::BoxFuture;
use tidings_event_store::Progress;

/// Whatever went wrong in a step.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Something that is stepped until it is idle.
pub trait Worker: Send {
    /// What it is, for the message when it never becomes idle.
    fn name(&self) -> &str;

    /// One step.
    fn step(&mut self) -> BoxFuture<'_, Result<Progress, BoxError>>;
}

/// A worker made of a state and a closure over it.
pub(crate) struct Stepped<S, F> {
    pub(crate) name: String,
    pub(crate) state: S,
    pub(crate) step: F,
}

impl<S, F> Worker for Stepped<S, F>
where
    S: Send,
    F: for<'a> FnMut(&'a mut S) -> BoxFuture<'a, Result<Progress, BoxError>> + Send,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn step(&mut self) -> BoxFuture<'_, Result<Progress, BoxError>> {
        (self.step)(&mut self.state)
    }
}
