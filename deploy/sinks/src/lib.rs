//! Loopback receivers that stand in for other people's servers in the demo, the tests and the benchmarks.
//!
//! - [`smtp`]: an SMTP server with a journal of what it accepted and a script of misbehaviour.
//! - [`slack`]: Slack's incoming-webhook endpoint, with its limits, its errors and its rate limit.
//!
//! Both start on a free port of 127.0.0.1, are spoken to through a cheap `Handle`, and stop
//! when the last clone of that handle is dropped or at `stop().await`.

mod clock;
mod record;
mod script;
pub mod slack;
pub mod smtp;

pub use clock::Clock;
pub use script::RuleId;
