//! What happened to this subscriber? Not a view: it is read from the log itself, by the index of subjects, and by what their
//! own events say of the addresses they held.

mod addresses;
mod evidence;
pub mod get;
mod held;
mod people;
mod phrases;
mod spoken;
pub(crate) mod told;
mod which;
mod words;

pub(crate) use evidence::Evidence;
pub(crate) use held::{About, Held, Story, story};
pub(crate) use people::Eyes;
pub(crate) use spoken::attributes;
pub(crate) use told::tell;
pub use told::{Cause, Told};
pub use which::Which;

#[cfg(test)]
mod tests;
