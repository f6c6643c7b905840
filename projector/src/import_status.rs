//! How far is an import of subscribers?

mod fold;
pub mod get;
mod query;

pub use fold::{ImportRow, ImportStatus};
