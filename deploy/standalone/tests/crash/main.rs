//! The real program, killed at every step, frozen, starved and cut off: nothing that was acknowledged is
//! lost, nobody is skipped, and nobody is mailed twice without that being on record.
#![allow(
    clippy::unwrap_used,
    reason = "all of this is test code: a panic is a failed test"
)]
#![cfg_attr(
    not(debug_assertions),
    allow(dead_code, reason = "a release build has no crash points to die at")
)]

mod api;
#[cfg(debug_assertions)]
mod death;
mod faults;
mod mid_send;
#[cfg(debug_assertions)]
mod points;
mod restored;
mod rounds;
mod settle;
#[cfg(debug_assertions)]
mod soak;
mod tidings;
mod world;
