//! Which addresses and domains may nothing be sent to?

mod causes;
mod fold;
mod holders;
pub mod list;
mod query;

pub use causes::Cause;
pub use fold::{SuppressionList, SuppressionRow};
pub use holders::HOLDERS;
pub use query::Suppression;
pub(crate) use query::standing_in;
