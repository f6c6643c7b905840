//! The edge that every HTTP request passes: correlation and trace, body deadline, metrics, security headers.
//!
//! An app is put together as `App::new().configure(http::configure(edge)).wrap(from_fn(http::security_headers))
//! .wrap(from_fn(http::body_deadline)).wrap(from_fn(http::request_context))`; the last one wraps all others.

mod body;
mod context;
mod handout;
mod headers;
mod key;
mod query;
#[cfg(test)]
mod tests;

use std::time::Duration;

use actix_web::http::header::HeaderName;
use actix_web::web;

pub use body::{Json, MaybeJson, body_deadline, is_json, read_body};
pub use context::{CORRELATION_HEADER, RequestContext, request_context};
pub use handout::{Terms, hand_out};
pub use headers::security_headers;
pub use key::idempotency_key;
pub(crate) use query::none as no_query;
pub use query::{AtLeast, Nothing, Query};

use crate::clock::Clock;
use crate::config::HttpConfig;
use crate::ids::Ids;
use crate::metrics::Metrics;
use crate::problem;

/// How long `?at_least=` waits unless configured otherwise.
pub const AT_LEAST_PATIENCE: Duration = Duration::from_secs(5);

/// Response header: every event up to this position is in the answer.
pub const VIEW_POSITION: HeaderName = HeaderName::from_static("view-position");

/// What the edge needs; cheap to clone, one per process.
#[derive(Clone)]
pub struct Edge {
    /// Tells how long requests take.
    pub clock: Clock,
    /// Makes correlation and span ids.
    pub ids: Ids,
    /// Counts requests.
    pub metrics: Metrics,
    /// Limits on bodies.
    pub limits: HttpConfig,
}

/// Registers the edge, error handlers that answer with problems, and the answer to unmatched requests.
pub fn configure(edge: Edge) -> impl Fn(&mut web::ServiceConfig) + Clone {
    let problems = problem::configure(edge.limits.body_limit_bytes);
    let edge = web::Data::new(edge);
    move |cfg| {
        cfg.app_data(edge.clone());
        problems(cfg);
    }
}

/// Bytes that must arrive each second once the first deadline has passed.
const BODY_BYTES_PER_S_MIN: u64 = 64 * 1024;

/// Time for a body of which `received_bytes` have arrived: the set time, longer as bytes come in.
fn body_time(timeout: Duration, received_bytes: u64) -> Duration {
    timeout + Duration::from_millis(received_bytes * 1_000 / BODY_BYTES_PER_S_MIN)
}
