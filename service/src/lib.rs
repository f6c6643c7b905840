//! What every process needs and no more: configuration, telemetry, clock and ids, shutdown, health,
//! authentication, rate limits, problem details, safe outbound HTTP, and connections to Postgres and NATS.
//!
//! Nothing here knows what Tidings is about; time, ids and the environment are handed in.

pub mod access;
pub mod auth;
pub mod clock;
pub mod config;
pub mod csv;
pub mod health;
pub mod hindrance;
pub mod http;
pub mod ids;
pub mod key_command;
pub mod limits;
pub mod look;
pub mod metrics;
pub mod nats;
pub mod outbound;
pub mod postgres;
pub mod problem;
pub mod shutdown;
pub mod telemetry;
pub mod trace;

pub use clock::{Clock, parse_instant};
pub use config::Config;
pub use ids::Ids;
pub use outbound::Outbound;
pub use problem::Problem;
pub use shutdown::Shutdown;

/// The text of a header, for tests.
#[cfg(test)]
fn header_of<'a>(headers: &'a actix_web::http::header::HeaderMap, name: &str) -> &'a str {
    let value = headers.get(name).map(|value| value.to_str());
    value.unwrap_or(Ok("")).unwrap_or("")
}
