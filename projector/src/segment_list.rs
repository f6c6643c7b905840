//! What picks subscribers?

mod fold;
pub mod get;
pub mod list;
mod overlooked;
pub mod preview;
pub mod preview_of;
mod query;

pub use fold::{SegmentList, SegmentRow};
pub use query::Segment;
pub(crate) use query::condition_of;
