//! Every test that needs the servers, in one program: they start once, and linking costs once.
#![allow(
    clippy::unwrap_used,
    reason = "all of this is test code: a panic is a failed test"
)]

mod log;
mod story;
