//! The read side: one folder per view, named after the question it answers, with its fold, its queries and
//! its endpoints; and the projector, which folds the log into all of them.

pub mod access_log;
mod answer;
pub mod api_key_list;
pub mod audit_head;
pub mod channel_list;
pub mod delivery_engagement;
pub mod delivery_log;
pub mod engagement_periods;
mod fields;
mod hit;
pub mod import_rejections;
pub mod import_status;
mod opened;
mod page;
mod projector;
pub mod publication_accounting;
pub mod publication_analytics;
pub mod publication_engagement;
pub mod publication_status;
mod reader;
mod registry;
mod routes;
pub mod segment_list;
mod stops;
pub mod subscriber_export;
pub mod subscriber_profile;
pub mod subscriber_timeline;
pub mod suppression_list;
#[cfg(test)]
mod test_support;
#[cfg(test)]
mod tests;
pub mod topic_list;
pub mod view_positions;

pub use page::cursor_before;
pub use projector::{Projector, lags};
pub use reader::{ErasureWaits, Reader};
pub use registry::{Registered, UnknownView, VIEWS, find, named, rebuild, skip};
pub use routes::{Api, ROUTES, routes};
pub use stops::Stops;
pub use tidings_service::access::{Access, Route};
pub use tidings_service::http::AT_LEAST_PATIENCE;
