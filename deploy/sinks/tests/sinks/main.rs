//! The sinks over raw connections: what they say, what they keep, and in which order.

#![allow(
    clippy::unwrap_used,
    reason = "a test says what went wrong by panicking"
)]

mod client;
mod discord;
mod http;
mod process;
mod ses;
mod slack;
mod smtp;
mod smtp_script;
mod smtp_tls;
mod webhook;
