//! `tidings keys`: what seals the log, and changing the key that wraps it all.

mod rotate;
mod status;

use clap::Subcommand;

use super::global::{Global, Logs};
use super::{CliError, Out, Session};
use crate::platform::{Backing, Core, MasterKeys};

/// Look at the keys that seal personal data, or change the master key that wraps them
#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    Status(status::Status),
    Rotate(rotate::Rotate),
}

impl Keys {
    pub(super) async fn run(self, global: &Global, out: &Out) -> Result<(), CliError> {
        let session = global.existing()?;
        let telemetry = session.telemetry(Logs::Quiet)?;
        let Session { config, ground } = &session;
        let mut masters = MasterKeys::of(config, ground);
        if let Self::Rotate(rotate) = &self
            && let Some(key) = rotate.new_key()?
        {
            masters = masters.with(key);
        }
        let backing = Backing::start_database(config, &ground.home).await?;
        let done = match Core::open_with(config, ground, &backing, &masters).await {
            Ok(core) => {
                let done = match self {
                    Self::Status(status) => status.run(&core, *out).await,
                    Self::Rotate(rotate) => rotate.run(&session, &core, &masters, *out).await,
                };
                core.close();
                done
            }
            Err(error) => Err(error.into()),
        };
        backing.stop().await?;
        telemetry.shutdown().await;
        done
    }
}
