//! What did readers do with each message?

mod fold;
#[cfg(test)]
mod tests;

pub use fold::{DeliveryEngagement, EngagementRow};
