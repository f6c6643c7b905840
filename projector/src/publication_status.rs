//! What publications are there, and how far has each come?

mod explanation;
mod fold;
pub mod get;
pub mod list;
mod query;

pub use fold::{PublicationRow, PublicationStatus};
pub use query::Publication;
pub(crate) use query::get as get_row;
