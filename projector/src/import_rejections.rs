//! Which lines of an import were not taken, and why?

mod fold;
pub(crate) mod query;
pub(crate) mod records;
pub(crate) mod words;

pub use fold::{ImportRejections, RejectionRow};
