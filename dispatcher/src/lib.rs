//! Reactions: freezes and plans audiences, and delivers. `channels/` holds one folder per way out,
//! `content/` the rendering they share; the rest is the engine that never loses a delivery and never
//! sends one without having put that on record first.

mod attempt;
mod audience;
mod breaker;
mod causes;
pub mod channel;
pub mod channels;
pub mod content;
mod core;
pub mod desk;
mod dispatcher;
mod doubt;
pub mod erasure;
pub mod held;
mod instance;
mod judge;
pub mod notices;
mod outcome;
mod pick;
mod plan;
mod preferences;
mod publications;
pub mod queue;
mod reopen;
pub mod replay;
pub mod retention;
mod roster;
mod schedules;
pub mod senders;
mod stepping;
mod surroundings;
mod tracking;
mod worker;
pub mod working;

pub use crate::audience::Obstacle;
pub use crate::core::{DispatchError, Limits, Options};
pub use dispatcher::Dispatcher;
pub use publications::ASKED_OFTEN;
pub use tracking::{Tracking, TrackingKeys};
