//! Which addresses and domains may nothing be sent to?

mod fold;

pub use fold::{SuppressionList, SuppressionRow};
