//! Starts, adopts and stops the private pair of servers of one platform.

use std::fmt;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;

use crate::error::ServersError;
use crate::files::{blocking, io_error, lock, lock_file};
use crate::locate::{Needed, PostgresBin, locate};
use crate::nats::Nats;
use crate::options::Options;
use crate::place::Place;
use crate::postgres::Postgres;

/// The running private servers of one platform.
///
/// They outlive this process when it is killed, or when this is dropped without
/// [`Servers::stop`]; the next start over the same data adopts them.
pub struct Servers {
    place: Place,
    pub(crate) postgres: Option<Postgres>,
    nats: Option<Nats>,
    nats_url: Option<String>,
    adopted: bool,
    /// Holds the shared lock of those who use the servers; the system frees it with the process.
    user: File,
}

/// What [`Servers::stop`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The servers have ended.
    Ended,
    /// Another process uses them; the last one to stop ends them.
    StillUsed,
}

impl Servers {
    /// Starts the servers over the data folder, or adopts those that run, and waits until both are
    /// ready. Makes the data folder, and fetches the servers, where absent. Of two concurrent
    /// starters one starts and the other adopts.
    pub async fn start(options: Options) -> Result<Self, ServersError> {
        let (place, options) =
            blocking(move || Place::of(&options).map(|place| (place, options))).await?;
        Self::start_at(place, options).await
    }

    pub(crate) async fn start_at(place: Place, options: Options) -> Result<Self, ServersError> {
        let starting = lock(place.start_lock()).await?;
        let user = lock_file(&place.use_lock())?;
        let (data, needs) = (place.postgres.clone(), options.needs);
        let (found, options) = blocking(move || {
            let needed = Needed {
                needs,
                data: Some(&data),
            };
            locate(&options, needed).map(|found| (found, options))
        })
        .await?;
        user.lock_shared()
            .map_err(io_error("lock", &place.use_lock()))?;
        let postgres = found
            .postgres
            .map(|bin| Postgres::new(bin, &place, &options));
        let nats = found.nats.map(|server| Nats::new(server, &place, &options));
        let (postgres_start, nats_start) = tokio::join!(
            async {
                match &postgres {
                    Some(postgres) => postgres.start().await,
                    None => Ok(false),
                }
            },
            async {
                match &nats {
                    Some(nats) => nats.start().await,
                    None => Ok(false),
                }
            },
        );
        let mut servers = Servers {
            place,
            postgres,
            nats,
            nats_url: None,
            adopted: matches!(postgres_start, Ok(true)) || matches!(nats_start, Ok(true)),
            user,
        };
        if let Err(error) = postgres_start.and(nats_start) {
            drop(starting);
            // The error at hand tells more than whatever hinders the clean-up.
            let _ = servers.stop().await;
            return Err(error);
        }
        if let Some(nats) = &servers.nats {
            servers.nats_url = nats.url().await;
        }
        tracing::debug!(location = %servers.place.location.display(), adopted = servers.adopted, "private servers are ready");
        Ok(servers)
    }

    /// The URL of the platform's database, for tokio-postgres and libpq alike: a Unix socket, no
    /// password. None when no private PostgreSQL was asked for.
    pub fn database_url(&self) -> Option<String> {
        self.postgres.as_ref().map(Postgres::platform_url)
    }

    /// The URL of another database of the same PostgreSQL, which need not exist.
    pub fn database_url_of(&self, database: &str) -> Option<String> {
        self.postgres
            .as_ref()
            .map(|postgres| postgres.url(database))
    }

    /// `nats://USER:PASSWORD@127.0.0.1:PORT`. async-nats ignores the user and the password of a
    /// URL: hand them to it as connect options. None when no private nats-server was asked for.
    pub fn nats_url(&self) -> Option<&str> {
        self.nats_url.as_deref()
    }

    /// Where the data, the configuration and the logs lie: the data folder itself, or, as root, a
    /// folder that an unprivileged user can reach.
    pub fn location(&self) -> &Path {
        &self.place.location
    }

    /// Whether a server ran already when this started: left by a killed process, or in use by
    /// another one.
    pub fn adopted(&self) -> bool {
        self.adopted
    }

    /// The installation of PostgreSQL in use (its `pg_dump`, `pg_basebackup` and so on).
    pub fn postgres_bin(&self) -> Option<&PostgresBin> {
        self.postgres.as_ref().map(Postgres::bin)
    }

    /// The log files, to name in messages: that of PostgreSQL, that of nats-server.
    pub fn logs(&self) -> (Option<PathBuf>, Option<PathBuf>) {
        let postgres = self.postgres.as_ref().map(|it| it.log().path.clone());
        let nats = self.nats.as_ref().map(|it| it.log().path.clone());
        (postgres, nats)
    }

    /// Stops both servers and waits for their end, unless another process uses them.
    pub async fn stop(self) -> Result<Stopped, ServersError> {
        let _stopping = lock(self.place.start_lock()).await?;
        let path = self.place.use_lock();
        self.user.unlock().map_err(io_error("unlock", &path))?;
        match self.user.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(Stopped::StillUsed),
            Err(TryLockError::Error(error)) => return Err(io_error("lock", &path)(error)),
            Ok(()) => {}
        }
        let (postgres, nats) = tokio::join!(
            self.end_postgres(Signal::SIGINT),
            self.end_nats(Signal::SIGTERM)
        );
        postgres.and(nats).map(|()| Stopped::Ended)
    }

    /// Drops PostgreSQL as a crash would (`pg_ctl stop -m immediate`), and waits for its end.
    pub async fn kill_postgres_immediate(&self) -> Result<(), ServersError> {
        self.end_postgres(Signal::SIGQUIT).await
    }

    /// Kills nats-server, and waits for its end.
    pub async fn kill_nats(&self) -> Result<(), ServersError> {
        self.end_nats(Signal::SIGKILL).await
    }

    /// Starts PostgreSQL again, after a fast stop if it runs. The URL stays.
    pub async fn restart_postgres(&self) -> Result<(), ServersError> {
        self.end_postgres(Signal::SIGINT).await?;
        match &self.postgres {
            Some(postgres) => postgres.start().await.map(drop),
            None => Ok(()),
        }
    }

    /// Starts nats-server again, after a stop if it runs. Port and URL stay.
    pub async fn restart_nats(&self) -> Result<(), ServersError> {
        self.end_nats(Signal::SIGTERM).await?;
        match &self.nats {
            Some(nats) => nats.start().await.map(drop),
            None => Ok(()),
        }
    }

    async fn end_postgres(&self, signal: Signal) -> Result<(), ServersError> {
        match &self.postgres {
            Some(postgres) => postgres.end(signal).await,
            None => Ok(()),
        }
    }

    async fn end_nats(&self, signal: Signal) -> Result<(), ServersError> {
        match &self.nats {
            Some(nats) => nats.end(signal).await,
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Servers")
            .field("location", &self.place.location)
            .field("adopted", &self.adopted)
            .finish_non_exhaustive()
    }
}
