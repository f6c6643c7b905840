//! What readers can choose among, which another room knows.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tidings_service::Problem;
use uuid::Uuid;

/// Reads what readers are offered at this moment.
pub type Offers = Arc<dyn Fn() -> BoxFuture<'static, Result<Offer, Problem>> + Send + Sync>;

/// What readers are offered.
#[derive(Clone, Debug, Default)]
pub struct Offer {
    /// The topics that are not archived, in the order they are shown.
    pub topics: Vec<OfferedTopic>,
    /// The channels that write to each reader.
    pub channels: Vec<OfferedChannel>,
}

/// A topic.
#[derive(Clone, Debug)]
pub struct OfferedTopic {
    /// Its id.
    pub id: Uuid,
    /// What it is called.
    pub name: String,
    /// One line about it.
    pub description: Option<String>,
    /// Whether everybody gets it until they leave it.
    pub by_default: bool,
}

/// A channel.
#[derive(Clone, Debug)]
pub struct OfferedChannel {
    /// Its id.
    pub id: Uuid,
    /// What it is called.
    pub name: String,
}
