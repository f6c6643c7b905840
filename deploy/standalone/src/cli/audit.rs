//! `tidings audit`: whether the log is what was recorded, and proofs of single events.

mod check;
mod prove;
mod verify;

use std::process::ExitCode;

use clap::Subcommand;
use deadpool_postgres::Pool;
use tidings_event_store::Log;
use tidings_event_store::witness::Folder;
use tidings_service::postgres::{self, Connector, Settings};

use super::global::Global;
use super::{CliError, Out, Session};
use crate::platform::{Backing, StartError, dialler, witness_folder};

/// Verify the log, and prove single events
#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    Verify(verify::Verify),
    Prove(prove::Prove),
    Check(check::Check),
}

impl Audit {
    pub(super) async fn run(self, global: &Global, out: &Out) -> Result<ExitCode, CliError> {
        match self {
            Self::Verify(verify) => verify.run(global, *out).await,
            Self::Prove(prove) => prove.run(global, *out).await,
            Self::Check(check) => check.run(*out),
        }
    }
}

/// The log alone. Nothing is migrated and no key is opened: an auditor reads, and needs no secret to do so.
pub(super) struct Opened {
    pub(super) pool: Pool,
    pub(super) log: Log,
}

impl Opened {
    pub(super) async fn open(session: &Session, backing: &Backing) -> Result<Self, StartError> {
        let settings = Settings {
            // Reading a large range may take longer than an answer to a request may.
            statement_timeout: None,
            ..Settings::new("tidings audit", &session.config.database)
        };
        let pool = postgres::connect(backing.database_url(), &settings).await?;
        let connector = Connector::new(backing.database_url(), "tidings audit")?;
        // A log has a committer, which connects at its first commit: here, never.
        let log = Log::open(dialler(connector), pool.clone());
        Ok(Self { pool, log })
    }
}

/// The folder that was named, or the platform's own.
fn folder(session: &Session, named: Option<std::path::PathBuf>) -> Folder {
    named.map_or_else(
        || witness_folder(&session.config, &session.ground.home),
        Folder::new,
    )
}
