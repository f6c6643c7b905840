//! Why a command failed, and the exit code that says so.

use std::path::PathBuf;

use tidings_event_store::ReadError;
use tidings_event_store::audit::{ProofError, ProveError};
use tidings_event_store::receipt::ReceiptError;
use tidings_event_store::vault::{RotateError, VaultError};
use tidings_event_store::view::{SkipError, ViewError};
use tidings_event_store::witness::WitnessError;
use tidings_projector::UnknownView;
use tidings_projector::subscriber_export::check::Fault;
use tidings_servers::ServersError;
use tidings_service::auth::MintError;
use tidings_service::config::ConfigError;
use tidings_service::telemetry::TelemetryError;

use uuid::Uuid;

use super::ApiError;
use crate::backup::BackupError;
use crate::demo::DemoError;
use crate::files::is_a_wrong_place;
use crate::home::{HomeError, SecretError};
use crate::platform::{MasterKeyError, StartError};
use crate::restore::RestoringError;

/// Exit code for a failure.
const FAILED: u8 = 1;
/// Exit code for bad usage or configuration, as in sysexits.h.
pub(super) const USAGE: u8 = 64;

/// A failure in one sentence: what, where, what to do.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what is wrong")]
pub enum CliError {
    #[error("the configuration cannot be used: {0}")]
    Config(#[source] ConfigError),
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    #[error(transparent)]
    Rotate(#[from] RotateError),
    #[error("the keys can not be read")]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Servers(#[from] ServersError),
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    #[error(
        "nothing is sent to {id} any more, but the erasure is not done ({}): see with `tidings doctor` and `tidings \
         views` what stands still, and run it again for the receipt",
        match (key_destroyed, waits_for) {
            (false, _) => "their key is not destroyed yet".to_owned(),
            (true, Some(waits_for)) => format!("their key is destroyed; {waits_for}"),
            (true, None) => "their key is destroyed; an import, an attempt or a rebuild that may name them has not ended".to_owned(),
        }
    )]
    Erasing {
        id: Uuid,
        key_destroyed: bool,
        waits_for: Option<String>,
    },
    #[error(transparent)]
    Token(#[from] MintError),
    #[error(transparent)]
    View(#[from] UnknownView),
    #[error(
        "the rebuild ended half way: the views in use serve on, and what is staged is kept for the next time"
    )]
    Rebuild(#[source] ViewError),
    #[error(transparent)]
    Incomplete(ViewError),
    #[error(
        "no platform has run over {} yet: name its data folder with --data, and its database as it does if that is one of yours \
         (`TIDINGS_DATABASE_URL`), or start one there with `tidings up`",
        dir.display()
    )]
    NothingHere { dir: PathBuf },
    #[error("the views cannot be looked at")]
    Views(#[source] ReadError),
    #[error(transparent)]
    Skip(#[from] SkipError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error(transparent)]
    Restore(#[from] RestoringError),
    #[error("it cannot be found out what waits: check that the database runs")]
    Waiting(#[source] ReadError),
    #[error("the log cannot be read or written: check that the database runs")]
    Surroundings(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(
        "the log cannot be verified: check that the database runs and holds a log of this version"
    )]
    Log(#[source] ReadError),
    #[error(transparent)]
    Witness(#[from] WitnessError),
    #[error(transparent)]
    Prove(#[from] ProveError),
    #[error("nothing is proven: {0}")]
    Proof(#[from] ProofError),
    #[error(
        "{} is neither a proof, nor the receipt of an erasure, nor an export that Tidings has written: give the file as it was \
         written",
        path.display()
    )]
    NothingToCheck { path: PathBuf },
    #[error("the export does not hold: {0}")]
    Export(#[from] Fault),
    #[error("cannot write {}: {}", path.display(), unwritable(source))]
    Unwritable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Demo(#[from] DemoError),
    #[error("cannot read {}: {}", path.display(), unreadable(source))]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the system refuses to tell about signals")]
    Signals(#[source] std::io::Error),
}

impl From<ViewError> for CliError {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Incomplete { .. } => Self::Incomplete(error),
            error => Self::Rebuild(error),
        }
    }
}

impl CliError {
    pub(super) fn exit_code(&self) -> u8 {
        let misunderstood = match self {
            Self::Config(_)
            | Self::Usage(_)
            | Self::NothingHere { .. }
            | Self::Telemetry(TelemetryError::Filter(_))
            | Self::View(_) => true,
            Self::File { source, .. } => is_a_wrong_place(source.kind()),
            Self::Home(error) => error.is_a_wrong_place(),
            Self::Secret(error) => error.is_a_wrong_place(),
            Self::Start(error) => error.is_a_wrong_setting(),
            Self::MasterKey(error) => error.is_a_wrong_setting(),
            Self::Backup(error) => error.is_a_wrong_folder(),
            Self::Restore(error) => error.is_a_wrong_setting(),
            Self::Api(error) => error.is_a_wrong_argument(),
            _ => false,
        };
        if misunderstood { USAGE } else { FAILED }
    }
}

/// What to do about a file that can not be read.
fn unreadable(source: &std::io::Error) -> &'static str {
    match source.kind() {
        std::io::ErrorKind::NotFound => "there is no such file",
        std::io::ErrorKind::IsADirectory => "it is a folder, name a file",
        _ => "check the path and its permissions",
    }
}

/// What to do about a file that can not be written.
fn unwritable(source: &std::io::Error) -> &'static str {
    match source.kind() {
        std::io::ErrorKind::AlreadyExists => "there is a file of that name already: name another",
        _ => "check the path and its permissions",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misunderstandings_and_failures_have_codes_of_their_own() {
        let unknown = tidings_projector::named(&[], "x").err().unwrap();
        assert_eq!(CliError::from(unknown).exit_code(), 64);
        assert_eq!(CliError::Usage("no".to_owned()).exit_code(), 64);
        let refused = |status: u16| {
            CliError::from(ApiError::Refused {
                method: reqwest::Method::POST,
                path: "/api/v1/subscribers/find".to_owned(),
                status: reqwest::StatusCode::from_u16(status).unwrap(),
                detail: "it is no address".to_owned(),
            })
        };
        for (status, code) in [
            (400, 64),
            (422, 64),
            (401, 1),
            (404, 1),
            (409, 1),
            (429, 1),
            (503, 1),
        ] {
            assert_eq!(refused(status).exit_code(), code, "{status}");
        }
        let unread = |kind: std::io::ErrorKind| CliError::File {
            path: "people.csv".into(),
            source: kind.into(),
        };
        let missing = unread(std::io::ErrorKind::NotFound);
        assert_eq!(missing.exit_code(), 64);
        insta::assert_snapshot!(missing, @"cannot read people.csv: there is no such file");
        let damaged = unread(std::io::ErrorKind::InvalidData);
        assert_eq!(damaged.exit_code(), 1);
        let busy = StartError::listen(
            ([127, 0, 0, 1], 80).into(),
            std::io::ErrorKind::AddrInUse.into(),
        );
        let busy = CliError::from(busy);
        assert_eq!(busy.exit_code(), 1);
        insta::assert_snapshot!(busy, @"127.0.0.1:80 is taken by another program: stop it, or choose another address with --listen");
    }
}
