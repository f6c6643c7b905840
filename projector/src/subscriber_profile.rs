//! Who is a subscriber, and do they want mail?

mod fold;
pub mod get;
mod query;
#[cfg(test)]
mod tests;

pub use fold::{SubscriberProfile, SubscriberRow};
pub use query::Subscriber;
