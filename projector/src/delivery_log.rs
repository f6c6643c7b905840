//! What became of each delivery?

mod fold;
pub mod get;
pub mod of_publication;
mod outcome;
mod query;
#[cfg(test)]
mod tests;

pub use fold::{DeliveryLog, DeliveryRow};
pub use outcome::Class;
pub use query::Delivery;
