//! Who looked at whose data?

mod fold;
pub mod list;
mod query;

pub use fold::{AccessLog, AccessRow};
pub use query::{Looked, Which};
