//! Throw-away servers for a test process, started from a prepared copy instead of by initdb.

mod watcher;

pub use watcher::Watched;

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use crate::account::Account;
use crate::error::ServersError;
use crate::files::{blocking, ensure_dir, io_error, lock};
use crate::locate::{Needed, PostgresBin, locate};
use crate::options::{Needs, Options, Profile};
use crate::place::Place;
use crate::process;
use crate::servers::Servers;

/// Raised when initdb's arguments change, so that an older copy is not used.
const LAYOUT: u32 = 1;

/// A data folder of one version of PostgreSQL in the cache: initialised, with the platform's empty
/// database, cleanly stopped. Copying it is many times faster than initdb.
#[derive(Debug)]
pub struct Prepared {
    dir: PathBuf,
    account: Account,
}

impl Prepared {
    /// The prepared folder for the PostgreSQL that the options lead to; made at the first call,
    /// whoever makes it first, under a temporary name.
    pub async fn get(options: &Options) -> Result<Self, ServersError> {
        let (bin, account) = find_postgres(options.clone()).await?;
        let root = options.cache_dir.join("prepared");
        ensure_dir(&root, 0o755)?;
        let prepared = Prepared {
            dir: root.join(format!("postgres-{}-{}-{LAYOUT}", bin.version, account.uid)),
            account,
        };
        let _preparing = lock(options.cache_dir.join("prepared.lock")).await?;
        if !prepared.dir.is_dir() {
            prepared.make(options).await?;
        }
        Ok(prepared)
    }

    async fn make(&self, options: &Options) -> Result<(), ServersError> {
        let staging = Watched::new(self.dir.parent().unwrap_or(Path::new("/")))?;
        let place = Place::at(staging.dir().to_path_buf(), self.account.clone())?;
        let data = place.postgres.clone();
        let options = Options {
            needs: Needs::PostgresOnly,
            profile: Profile::Test,
            ..options.clone()
        };
        Servers::start_at(place, options).await?.stop().await?;
        fs::rename(&data, &self.dir).map_err(io_error("create", &self.dir))
    }

    /// Copies the folder to `target`, which must not exist.
    async fn copy_to(&self, place: &Place) -> Result<(), ServersError> {
        // A process of the account makes files of the account. It cannot write in the place
        // itself, so the folder is made for it and filled.
        crate::files::ensure_private_dir(&place.postgres, &self.account)?;
        let from = self.dir.join(".");
        let arguments = [
            OsStr::new("-R"),
            OsStr::new("-p"),
            from.as_os_str(),
            place.postgres.as_os_str(),
        ];
        let log = place.log("copy");
        process::run(
            &self.account,
            Path::new("cp"),
            &arguments,
            &log,
            "PostgreSQL",
        )
        .await
    }
}

async fn find_postgres(options: Options) -> Result<(PostgresBin, Account), ServersError> {
    blocking(move || {
        let needed = Needed {
            needs: Needs::PostgresOnly,
            data: None,
        };
        let found = locate(&options, needed)?;
        let bin = found
            .postgres
            .expect("locate finds what is needed, or fails");
        Ok((bin, Account::for_servers()?))
    })
    .await
}

/// A pair of servers for one test process. They end, and their folder is removed, when this is
/// dropped or the process ends, however it ends: it may live in a `static`.
///
/// Everything else is as with [`Servers`].
pub struct EphemeralServers {
    servers: Servers,
    database_url: String,
    nats_url: String,
    // Dropped last: it ends the servers.
    _watched: Watched,
}

impl EphemeralServers {
    /// Starts a pair with the options of the environment.
    pub async fn start() -> Result<Self, ServersError> {
        let root = Path::new("/tmp");
        Self::start_with(Options::from_env(root)).await
    }

    /// Starts a pair; the data folder of the options is not used.
    pub async fn start_with(options: Options) -> Result<Self, ServersError> {
        let prepared = Prepared::get(&options).await?;
        let watched = Watched::new(Path::new("/tmp"))?;
        let place = Place::at(watched.dir().to_path_buf(), prepared.account.clone())?;
        prepared.copy_to(&place).await?;
        let options = Options {
            needs: Needs::Both,
            profile: Profile::Test,
            ..options
        };
        let servers = Servers::start_at(place, options).await?;
        let database_url = servers.database_url().expect("both servers were asked for");
        let nats_url = servers
            .nats_url()
            .expect("both servers were asked for")
            .to_owned();
        Ok(EphemeralServers {
            servers,
            database_url,
            nats_url,
            _watched: watched,
        })
    }

    /// The URL of the empty database `tidings`; see [`Servers::database_url`].
    pub fn database_url(&self) -> &str {
        &self.database_url
    }

    /// The URL of nats-server with user and password; see [`Servers::nats_url`].
    pub fn nats_url(&self) -> &str {
        &self.nats_url
    }
}

impl Deref for EphemeralServers {
    type Target = Servers;

    fn deref(&self) -> &Servers {
        &self.servers
    }
}

impl fmt::Debug for EphemeralServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.servers.fmt(f)
    }
}
