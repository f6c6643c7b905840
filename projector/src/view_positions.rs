//! How far is each view?

pub mod list;
