//! The list of channel kinds: one line each.

use crate::channel::{Kind, Reach};

mod account;
mod cap;
mod common;
mod compose;
pub mod discord;
pub mod email;
pub mod file;
mod http;
mod letterhead;
mod pace;
mod permits;
pub mod ses;
mod settings;
mod sharing;
pub mod slack;
mod tempo;
pub mod webhook;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod support;

pub use account::{Accounts, Opened};
pub(crate) use cap::Cap;
pub(crate) use common::build;
pub use common::check;
pub(crate) use http::RETRY_AFTER_MAX;
pub use pace::Paces;

/// Every kind of channel there is.
pub static KINDS: &[Kind] = &[
    discord::KIND,
    email::KIND,
    file::KIND,
    ses::KIND,
    slack::KIND,
    webhook::KIND,
];

/// The names of the kinds that write to each reader.
pub fn addressed_kinds() -> Vec<&'static str> {
    let addressed = KINDS.iter().filter(|kind| kind.reach == Reach::Addressed);
    addressed.map(|kind| kind.name).collect()
}

/// Finds a kind by the name in `Configured.kind`.
pub fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}
