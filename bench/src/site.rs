//! Where the benchmarks run: a private PostgreSQL and nats-server as a platform has them, in a folder
//! that goes afterwards.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use tempfile::TempDir;
use tidings_event_store::Log;
use tidings_event_store::migrate::migrate;
use tidings_event_store::session::{Connect, connect_plain};
use tidings_servers::{Options, Profile, Servers};
use tidings_service::config::Secret;
use tidings_service::postgres::Settings;
use tidings_service::{Clock, Ids};
use tokio_postgres::{Client, NoTls};

use crate::Error;
use crate::sample::Sample;
use crate::stats::percentile_ms;

const PROBES: usize = 200;
/// What Postgres writes at the least.
const PROBE_BYTES: usize = 8_192;

/// The servers and the sources of time and ids.
pub(crate) struct Site {
    servers: Servers,
    folder: TempDir,
    /// The machine's clock.
    pub(crate) clock: Clock,
    /// Random ids.
    pub(crate) ids: Ids,
}

/// A migrated database with nothing in it.
pub(crate) struct Database {
    /// As tokio-postgres reads it.
    pub(crate) url: String,
    /// Connections, as many as a platform has.
    pub(crate) pool: Pool,
    /// Sessions of their own.
    pub(crate) connect: Connect,
    /// A session for whatever else is to be done.
    pub(crate) client: Client,
}

impl Site {
    /// Starts both servers.
    pub(crate) async fn start() -> Result<Self, Error> {
        // Not in a memory file system, where /tmp may be: an fsync must be one. As root the servers are
        // another user, who must be able to pass.
        let folder = tempfile::Builder::new()
            .prefix("tidings-bench-")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir_in("/var/tmp")?;
        let options = Options {
            profile: Profile::Platform,
            state_dir: folder.path().join("state"),
            ..Options::from_env(folder.path().join("data"))
        };
        let clock = Clock::system();
        Ok(Self {
            servers: Servers::start(options).await?,
            folder,
            ids: Ids::system(clock.clone()),
            clock,
        })
    }

    /// Stops the servers and removes the folder.
    pub(crate) async fn stop(self) -> Result<(), Error> {
        self.servers.stop().await?;
        self.folder.close()?;
        Ok(())
    }

    /// Makes events.
    pub(crate) fn sample(&self) -> Sample {
        Sample::new(self.clock.clone(), self.ids.clone())
    }

    /// The folder of this run, for files.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// A file of the servers, by its place among what is theirs.
    pub(crate) fn file_of_servers(&self, name: &str) -> std::path::PathBuf {
        self.servers.location().join(name)
    }

    /// Creates a database.
    pub(crate) async fn database(&self, name: &str) -> Result<Database, Error> {
        let url = |name: &str| self.servers.database_url_of(name).ok_or("no PostgreSQL");
        let admin = session(&url("postgres")?).await?;
        admin
            .batch_execute(&format!("create database {name}"))
            .await?;
        let url = url(name)?;
        let mut client = session(&url).await?;
        migrate(&mut client).await?;
        Ok(Database {
            pool: pool(&url, 16)?,
            connect: connect_plain(url.parse()?),
            url,
            client,
        })
    }

    /// A connected client of the nats-server.
    pub(crate) async fn nats(&self) -> Result<async_nats::Client, Error> {
        let url = self.servers.nats_url().ok_or("no nats-server")?;
        let client = tidings_service::nats::connect(&Secret::new(url), "tidings bench").await?;
        client.flush().await?;
        Ok(client)
    }

    /// What it takes to make one page durable where the servers keep their data: the median, in
    /// microseconds.
    pub(crate) fn fsync_us(&self) -> Result<f64, Error> {
        let path = self.servers.location().join("fsync-probe");
        let mut file = File::create(&path)?;
        let page = [0x5a; PROBE_BYTES];
        let mut took: Vec<Duration> = Vec::with_capacity(PROBES);
        for _ in 0..PROBES {
            file.seek(SeekFrom::Start(0))?;
            let started = Instant::now();
            file.write_all(&page)?;
            file.sync_data()?;
            took.push(started.elapsed());
        }
        fs::remove_file(&path)?;
        Ok((percentile_ms(&mut took, 50) * 1e3).round())
    }
}

impl Database {
    /// Opens the log, with a committer of its own.
    pub(crate) fn log(&self) -> Log {
        Log::open(self.connect.clone(), self.pool.clone())
    }

    /// Gets checkpoints out of the way of what is measured next.
    pub(crate) async fn calm(&self) -> Result<(), Error> {
        Ok(self.client.batch_execute("checkpoint").await?)
    }
}

/// So many connections.
pub(crate) fn pool(url: &str, size: usize) -> Result<Pool, Error> {
    let settings = Settings {
        application_name: "tidings bench".to_owned(),
        pool_size_max: size,
        statement_timeout: None,
    };
    Ok(tidings_service::postgres::pool(
        &Secret::new(url),
        &settings,
    )?)
}

async fn session(url: &str) -> Result<Client, Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    // It ends with the client.
    tokio::spawn(connection);
    Ok(client)
}
