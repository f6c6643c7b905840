//! Which channels are there, and are they on?

mod fold;
pub mod get;
pub mod list;
mod query;

pub use fold::{ChannelList, ChannelRow};
pub use query::{Channel, enabled};
