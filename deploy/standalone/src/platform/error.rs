//! Why a platform, or a command over its data, could not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use tidings_command_api::inbound::maildir::MaildirError;
use tidings_domain::value::Invalid;
use tidings_event_store::migrate::MigrateError;
use tidings_event_store::vault::{MasterId, VaultError};
use tidings_event_store::{ReadError, tokio_postgres};
use tidings_servers::ServersError;
use tidings_service::auth::AuthError;
use tidings_service::config::ConfigError;
use tidings_service::metrics::MetricsError;
use tidings_service::nats::NatsError;
use tidings_service::outbound::OutboundError;
use tidings_service::postgres::PostgresError;

use super::MasterKeyError;
use crate::home::{HomeError, SecretError};

/// What hinders a start: what, where, and what to do.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what is wrong")]
pub enum StartError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("{key} can not be used: {source}")]
    SignUp { key: &'static str, source: Invalid },
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Servers(#[from] ServersError),
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    #[error(transparent)]
    Nats(#[from] NatsError),
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    #[error("the views cannot be made")]
    View(#[from] tidings_event_store::view::ViewError),
    #[error("the log cannot be read")]
    Read(#[from] ReadError),
    #[error("the database does not answer as it should")]
    Database(#[from] tokio_postgres::Error),
    #[error("the keys in the database cannot be read")]
    Vault(#[source] VaultError),
    #[error(
        "the master key does not fit this database, whose keys are wrapped by the master key {wrapped_by}: put the \
         right one back ({place})"
    )]
    WrongMasterKey { wrapped_by: MasterId, place: String },
    #[error(
        "the database holds keys, and the master key that opens them is missing: put it back ({place}); a new one \
         could not open anything; to begin anew without the old data, remove them first (deploy/clean-data.sh {})",
        dir.display()
    )]
    NoMasterKey { place: String, dir: PathBuf },
    #[error(
        "{address} is taken by another program: stop it, or choose another address with --listen"
    )]
    Taken {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("cannot listen on {address}: choose an address of this machine with --listen")]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("the listener cannot be used")]
    Listener(#[source] io::Error),
    #[error("mail.inbound_maildir")]
    Maildir(#[from] MaildirError),
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    #[error("the certificates this machine trusts cannot be read")]
    Trust(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StartError {
    /// Whether the configuration is what has to be changed.
    pub(crate) fn is_a_wrong_setting(&self) -> bool {
        match self {
            Self::Config(_) | Self::Maildir(_) => true,
            Self::Home(error) => error.is_a_wrong_place(),
            Self::Secret(error) => error.is_a_wrong_place(),
            Self::MasterKey(error) => error.is_a_wrong_setting(),
            _ => false,
        }
    }

    /// Why `address` could not be listened on.
    pub(crate) fn listen(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::Taken { address, source },
            _ => Self::Listen { address, source },
        }
    }
}
