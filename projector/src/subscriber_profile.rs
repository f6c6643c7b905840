//! Who is a subscriber, and do they want mail?

pub mod erasure;
pub mod export;
mod fold;
pub mod get;
pub mod list;
mod listed;
pub mod preferences;
mod query;
mod record;
#[cfg(test)]
mod tests;

pub use fold::{SubscriberProfile, SubscriberRow};
pub use listed::ListedSubscriber;
pub(crate) use listed::{SUPPRESSED, masked, picked};
pub(crate) use preferences::get as get_choices;
pub use query::Subscriber;
pub(crate) use query::get as get_row;
