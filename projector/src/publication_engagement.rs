//! What did readers do with the messages of a publication?

mod fold;
pub mod get;
mod query;

pub use fold::{PublicationEngagement, TotalsRow};
pub use query::{ChannelEngagement, EngagementCounts};
