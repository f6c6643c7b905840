//! Reactions: freezes and plans audiences, and delivers. `channels/` holds one folder per way out,
//! `content/` the rendering they share; the rest is the engine that never loses a delivery and never
//! sends one without having put that on record first.

mod attempt;
mod audience;
mod causes;
pub mod channel;
pub mod channels;
pub mod content;
mod core;
mod dispatcher;
mod doubt;
mod instance;
mod judge;
mod outcome;
mod pick;
mod plan;
mod publications;
pub mod queue;
mod roster;
mod worker;

pub use crate::core::{DispatchError, Limits, Options};
pub use dispatcher::Dispatcher;
