//! Tests with the real servers: found or fetched, started, killed, adopted, stopped.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests are tests, though they stand outside of them"
)]

mod ephemeral;
mod locate;
mod servers;
mod support;
