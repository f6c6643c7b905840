//! Who is a subscriber, and do they want mail?

mod fold;
pub mod get;
mod query;

pub use fold::{SubscriberProfile, SubscriberRow};
pub use query::Subscriber;
