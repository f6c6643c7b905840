//! The harness of the end-to-end tests: real servers that it starts itself, a platform on them for
//! each test, and what several tests look for in a log.
#![allow(
    clippy::unwrap_used,
    reason = "all of this is test code: a panic is a failed test"
)]

pub mod api;
pub mod audit;
pub mod checker;
pub mod cluster;
pub mod dice;
mod events;
pub mod forger;
pub mod house;
mod janitor;
pub mod link;
pub mod messages;
pub mod needles;
mod overdue;
mod platform;
pub mod program;
mod proxy;
mod replica;
mod servers;
mod worker;

pub use events::{COUNTED, amount, guard};
pub use platform::{MASTER_KEY, Platform};
pub use proxy::{Cut, Proxy};
pub use replica::Replica;
pub use worker::{BoxError, Worker};
