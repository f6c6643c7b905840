//! How far is each view?

pub mod list;
mod standing;

pub use standing::{RebuildUnderWay, ViewPosition, ViewPositions, standings};
