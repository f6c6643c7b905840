//! What became of each delivery?

use tidings_event_store::view::View as _;

use crate::channel_list::ChannelList;
use crate::publication_status::PublicationStatus;

mod around;
mod explanation;
mod feedback;
mod fold;
pub mod get;
pub mod of_publication;
mod outcome;
mod query;
#[cfg(test)]
mod tests;

pub(crate) use around::Around;
pub use feedback::Feedback;
pub use fold::{DeliveryLog, DeliveryRow};
pub use outcome::Class;
pub use query::Delivery;
pub(crate) use query::many;

/// The views that deliveries are read from: their own, and those of what they wait for. What became of them with their readers may lag
/// behind: nobody waits for a view that has still to go through the whole log.
pub(crate) const VIEWS: [&str; 3] = [
    DeliveryLog::DEFINITION.name,
    PublicationStatus::DEFINITION.name,
    ChannelList::DEFINITION.name,
];
