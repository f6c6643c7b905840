//! What API keys are there?

mod fold;
pub mod get;
pub mod list;
mod query;

pub use fold::{ApiKeyList, ApiKeyRow};
pub use query::ApiKey;
