//! What became of each delivery?

use tidings_event_store::view::View as _;

use crate::channel_list::ChannelList;
use crate::delivery_engagement::DeliveryEngagement;
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

/// The views that deliveries are read from: their own, those of what they wait for, and what became of them with their readers.
pub(crate) const VIEWS: [&str; 4] = [
    DeliveryLog::DEFINITION.name,
    DeliveryEngagement::DEFINITION.name,
    PublicationStatus::DEFINITION.name,
    ChannelList::DEFINITION.name,
];
