//! What can readers ask for and leave?

mod fold;
pub mod get;
pub mod list;
mod query;

pub use fold::{TopicList, TopicRow};
pub use query::{Topic, offered};
