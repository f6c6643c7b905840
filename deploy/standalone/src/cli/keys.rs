//! `tidings keys`: what seals the log, and changing the key that wraps it all.

mod rotate;
mod status;

use clap::Subcommand;

use super::global::Global;
use super::{CliError, Out};
use crate::platform::Core;

/// Look at the keys that seal personal data, or change the master key that wraps them
#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    Status(status::Status),
    Rotate(rotate::Rotate),
}

impl Keys {
    pub(super) async fn run(self, global: &Global, out: &Out) -> Result<(), CliError> {
        let session = global.existing()?;
        let mut masters = session.masters();
        if let Self::Rotate(rotate) = &self
            && let Some(key) = rotate.new_key()?
        {
            masters = masters.with(key);
        }
        let act = async |core: &Core| match self {
            Self::Status(status) => status.run(core, *out).await,
            Self::Rotate(rotate) => rotate.run(&session, core, &masters, *out).await,
        };
        session.with_core(&masters, act).await
    }
}
