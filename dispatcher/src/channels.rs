//! The list of channel kinds: one line each.

use crate::channel::Kind;

pub mod email;
pub mod file;
mod settings;
pub mod slack;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod support;

/// Every kind of channel there is.
pub static KINDS: &[Kind] = &[email::KIND, file::KIND, slack::KIND];

/// Finds a kind by the name in `Configured.kind`.
pub fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}
