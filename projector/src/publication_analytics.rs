//! How did a publication go, by channel and hour?

mod fold;
pub mod get;
mod query;

pub use fold::{AnalyticsRow, PublicationAnalytics};
pub use query::Hour;
