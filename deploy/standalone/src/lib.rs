//! The whole platform in one process, and the command line that starts, feeds, rebuilds and examines it.

pub mod backup;
pub mod cli;
pub mod demo;
pub mod files;
pub mod home;
pub mod platform;
pub mod restore;
