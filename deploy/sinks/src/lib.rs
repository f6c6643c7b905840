//! Loopback receivers that stand in for other people's servers in the demo, the tests and the benchmarks.
//!
//! - [`smtp`]: an SMTP server with a journal of what it accepted and a script of misbehaviour.
//! - [`slack`]: Slack's incoming webhooks and `chat.postMessage`, with their limits, errors and rate limit.
//! - [`discord`]: Discord's webhooks, likewise.
//! - [`ses`]: Amazon SES, which checks signatures and mails.
//! - [`webhook`]: a receiver of Standard Webhooks that checks signatures.
//!
//! All start on a free port of 127.0.0.1, are spoken to through a cheap `Handle`, and stop
//! when the last clone of that handle is dropped or at `stop().await`.

mod clock;
pub mod discord;
mod record;
mod script;
pub mod ses;
pub mod slack;
pub mod smtp;
mod web;
pub mod webhook;

pub use clock::Clock;
pub use script::RuleId;
