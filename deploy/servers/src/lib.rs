//! Finds or fetches PostgreSQL and nats-server, and runs a private pair of them.
//!
//! [`Servers::start`] gives a durable pair over a data folder; [`template::EphemeralServers`] gives
//! a throw-away pair to a test process. Linux only: processes are recognised through `/proc`.

mod account;
mod backup;
mod error;
mod fetch;
mod files;
mod locate;
mod nats;
mod options;
mod place;
mod postgres;
mod process;
mod servers;
pub mod template;

pub use backup::{lay, verify};
pub use error::{FetchError, ServersError};
pub use locate::{Found, NatsServer, Needed, PostgresBin, locate};
pub use options::{Needs, Options, Profile};
pub use servers::{Servers, Stopped};
