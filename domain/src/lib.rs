//! Pure decisions: what may happen, what then has happened, and how it is written down.
//!
//! One module per aggregate (state, commands, events, refusals), value objects that are right by
//! their type, derived ids and signed links. No clock, no randomness, no IO: time and ids arrive
//! in the commands.

pub mod access;
pub mod address;
pub mod aggregate;
pub mod api_key;
pub mod channel;
pub mod delivery;
pub mod engagement;
pub mod engagement_period;
pub mod erasure;
pub mod id;
pub mod log;
pub mod page;
pub mod personal;
pub mod preferences;
pub mod publication;
pub mod record;
pub mod schedule;
pub mod segment;
pub mod stream_id;
pub mod subscriber;
pub mod subscriber_import;
pub mod suppression;
pub mod token;
pub mod topic;
pub mod value;
mod wire;

#[cfg(test)]
mod golden;
#[cfg(test)]
mod testing;
