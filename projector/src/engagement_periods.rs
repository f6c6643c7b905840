//! What months of engagement are there, and is the evidence of each still kept?

mod fold;
pub mod list;
mod query;

pub use fold::{EngagementPeriods, PeriodRow};
pub use query::Period;
