//! Why keys could not be had.

use uuid::Uuid;

use super::master::MasterId;
use super::masters::SourceError;

/// Why keys could not be had.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// No connection to the database.
    #[error("no connection to the database")]
    Pool(#[from] deadpool_postgres::PoolError),
    /// The database answered with an error.
    #[error("the database could not answer")]
    Database(#[from] tokio_postgres::Error),
    /// The database hangs.
    #[error("the database does not answer")]
    NoAnswer,
    /// Keys are wrapped by a master key that this process does not have, and its source does not either.
    #[error("keys are wrapped by the master key {0}, which is not at hand")]
    WrongMasterKey(MasterId),
    /// There is no master key at all.
    #[error("there is no master key")]
    NoMasterKey,
    /// The source of the master key failed.
    #[error("the master key can not be had")]
    Source(#[source] SourceError),
    /// A wrapped key was changed, moved to another owner, or is of a form that this version does not know.
    #[error("the wrapped key {0} is damaged, or of a form that this version does not know")]
    Damaged(Uuid),
    /// The installation's own keys were shredded, which nothing in the product does.
    #[error("the installation's key {0} is gone")]
    InstallationKeyGone(Uuid),
}

impl VaultError {
    /// Worth another try: the database or the source of the master key was away, or the source has not been given a
    /// new master key yet.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Pool(_)
            | Self::Database(_)
            | Self::NoAnswer
            | Self::Source(_)
            | Self::WrongMasterKey(_) => true,
            Self::NoMasterKey | Self::Damaged(_) | Self::InstallationKeyGone(_) => false,
        }
    }
}
