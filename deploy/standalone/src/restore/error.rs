//! Why a restore did not come to its end.

use std::path::PathBuf;

use tidings_dispatcher::DispatchError;
use tidings_event_store::ReadError;
use tidings_event_store::restore::RestoreError;
use tidings_event_store::vault::VaultError;
use tidings_event_store::view::ViewError;
use tidings_event_store::witness::{LostError, WitnessError};
use tidings_servers::ServersError;
use uuid::Uuid;

use crate::backup::BackupError;
use crate::home::HomeError;
use crate::platform::{MasterKeyError, StartError};

/// What hinders a restore: what, where, and what to do. It may be run again.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what is wrong")]
pub enum RestoringError {
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    #[error(transparent)]
    Servers(#[from] ServersError),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    #[error(transparent)]
    Restore(#[from] RestoreError),
    #[error(transparent)]
    Lost(#[from] LostError),
    #[error(transparent)]
    Witness(WitnessError),
    #[error("the keys in the database cannot be read")]
    Vault(#[source] VaultError),
    #[error("the views cannot be brought up to date")]
    View(#[from] ViewError),
    #[error("open attempts cannot be put in doubt")]
    Dispatch(#[from] DispatchError),
    #[error(
        "there is no witness in {}: name its folder with --witness, or say --without-witness; then those who left \
         after the backup are written to again",
        .0.display()
    )]
    NoWitness(PathBuf),
    #[error(
        "there is a witness in {}: leave out --without-witness; if that witness can not be used, move its files and {} \
         away, for it can not go on with a log that was restored without it",
        folder.display(), pinned.display()
    )]
    Witnessed { folder: PathBuf, pinned: PathBuf },
    #[error(
        "the master key that opens what is restored is missing: put it in first ({0}); nothing was restored"
    )]
    NoMasterKey(String),
    #[error(
        "another restore over {} has not ended: run that one again, or name another folder with --data",
        .0.display()
    )]
    Another(PathBuf),
    #[error(
        "the restore was complete already: the log goes on as incarnation {0}, of which NATS has heard nothing yet; \
         run `tidings up`, or, if NATS was emptied since, restore with --without-stream"
    )]
    Complete(Uuid),
    #[error(
        "the stream {stream} in NATS is not that of what was backed up: from position {position} on it has other events; say \
         --without-stream if it is not to be asked"
    )]
    OtherStream { stream: String, position: i64 },
    #[error(
        "the data in {} are not those of the backup: position {position} has another hash than its page says",
        folder.display()
    )]
    OtherData { folder: PathBuf, position: i64 },
}

impl RestoringError {
    /// Whether the command line or the configuration is what has to be changed.
    pub(crate) fn is_a_wrong_setting(&self) -> bool {
        match self {
            Self::Backup(error) => error.is_a_wrong_folder(),
            Self::Home(error) => error.is_a_wrong_place(),
            Self::MasterKey(error) => error.is_a_wrong_setting(),
            Self::Start(error) => error.is_a_wrong_setting(),
            _ => false,
        }
    }
}
