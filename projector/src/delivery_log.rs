//! What became of each delivery?

mod feedback;
mod fold;
pub mod get;
pub mod of_publication;
mod outcome;
mod query;
#[cfg(test)]
mod tests;

pub use feedback::Feedback;
pub use fold::{DeliveryLog, DeliveryRow};
pub use outcome::Class;
pub use query::Delivery;
pub(crate) use query::many;
