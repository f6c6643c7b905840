//! Which part of a timeline.

use serde::Deserialize;
use utoipa::IntoParams;

/// Which part of it.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Only the event at this position of the log.
    pub position: Option<i64>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// Events of a page, 100 unless you say otherwise.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// A `Log-Position`: the answer waits for the views it takes names from to reach it. 503 if they do not in time.
    #[param(minimum = 0)]
    pub at_least: Option<i64>,
}
