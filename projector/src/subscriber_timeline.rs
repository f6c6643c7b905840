//! What happened to this subscriber? Not a view: it is read from the log itself, by the index of subjects.

mod evidence;
pub mod get;
mod people;
mod phrases;
pub(crate) mod told;
mod which;
mod words;

pub(crate) use evidence::Evidence;
pub(crate) use people::Eyes;
pub(crate) use told::tell;
pub use told::{Cause, Told};
pub use which::Which;
pub(crate) use words::shown;

#[cfg(test)]
mod tests;
