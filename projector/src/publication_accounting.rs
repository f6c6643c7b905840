//! Where are the deliveries of a publication? Counts by channel and class that always add up.

mod failing;
mod fold;
pub mod get;
mod query;
#[cfg(test)]
mod tests;

pub use fold::{AccountingRow, PublicationAccounting};
pub use query::{ChannelCounts, Counts, FeedbackCounts};
