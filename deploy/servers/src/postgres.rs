//! The private PostgreSQL: a data folder, one Unix socket in a private folder, no TCP.
//!
//! Who can open the socket is trusted: the folder around it is 0700, of the servers' user.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::Mutex;
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;

use crate::error::ServersError;
use crate::files::{ensure_private_dir, io_error};
use crate::locate::PostgresBin;
use crate::options::{Options, Profile};
use crate::place::Place;
use crate::process::{self, Log, Mark, POLL, Process};

const SERVER: &str = "PostgreSQL";
/// The role and the database of the platform.
const USER: &str = "tidings";
const DATABASE: &str = "tidings";
/// Beside the socket: whose it is.
const SOCKET_LOCK: &str = ".s.PGSQL.5432.lock";
/// How long children of a killed postmaster may take to notice.
const ORPHANS_LEAVE_WITHIN: Duration = Duration::from_secs(10);

/// The private PostgreSQL of one place.
pub(crate) struct Postgres {
    bin: PostgresBin,
    place: Place,
    profile: Profile,
    log: Log,
    start_timeout: Duration,
    stop_timeout: Duration,
    process: Mutex<Option<Process>>,
}

/// What a look at the socket says.
enum Probe {
    Ready,
    NotYet,
    NoDatabase,
}

impl Postgres {
    pub(crate) fn new(bin: PostgresBin, place: &Place, options: &Options) -> Self {
        Postgres {
            bin,
            log: place.log("postgres"),
            place: place.clone(),
            profile: options.profile,
            start_timeout: options.start_timeout,
            stop_timeout: options.stop_timeout,
            process: Mutex::new(None),
        }
    }

    pub(crate) fn bin(&self) -> &PostgresBin {
        &self.bin
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// The URL of a database, as libpq and tokio-postgres read it.
    pub(crate) fn url(&self, database: &str) -> String {
        let host = percent_encoded(&self.place.sockets.to_string_lossy());
        let database = percent_encoded(database);
        format!("postgresql://{USER}@/{database}?host={host}")
    }

    /// The URL of the platform's database.
    pub(crate) fn platform_url(&self) -> String {
        self.url(DATABASE)
    }

    /// Starts the server, or adopts the one that runs: true when it was adopted. Ready afterwards,
    /// with its data folder and database made where absent.
    pub(crate) async fn start(&self) -> Result<bool, ServersError> {
        let mut slot = self.process.lock().await;
        if self.adopt(&mut slot).await? {
            return Ok(true);
        }
        self.initialise().await?;
        if !process::left(&self.place.postgres, ORPHANS_LEAVE_WITHIN).await {
            // Perhaps one that was so young at the first look that it had no pid file yet.
            if self.adopt(&mut slot).await? {
                return Ok(true);
            }
            let problem = "cannot start while other processes work in its data folder";
            return Err(self.not_started(problem.to_owned(), self.log.len()));
        }
        self.remove_misleading_pid_file()?;
        let offset = self.log.len();
        let mut command = self
            .place
            .account
            .command(self.bin.bin_dir.join("postgres").as_os_str());
        command.args(self.arguments());
        let mut process = Process::spawn(command, self.mark(), &self.log)?;
        let ready = self.ready(&mut process, offset).await;
        *slot = Some(process);
        if ready? {
            return Ok(false);
        }
        Err(self.not_started("ended at its start".to_owned(), offset))
    }

    /// Ends the server: `SIGINT` lets running transactions fail and writes a checkpoint, `SIGQUIT`
    /// drops everything as a crash would.
    pub(crate) async fn end(&self, signal: Signal) -> Result<(), ServersError> {
        let mut slot = self.process.lock().await;
        if let Some(process) = slot.as_mut() {
            process.signal(signal);
            if !process.ended_within(self.stop_timeout).await {
                return Err(ServersError::NotStopped {
                    server: SERVER,
                    pid: process.pid(),
                    limit_s: self.stop_timeout.as_secs(),
                    log: self.log.path.clone(),
                });
            }
        }
        *slot = None;
        Ok(())
    }

    fn mark(&self) -> Mark {
        Mark {
            flag: "-D",
            path: self.place.postgres.clone(),
        }
    }

    fn pid_file(&self) -> PathBuf {
        self.place.postgres.join("postmaster.pid")
    }

    fn pid_on_file(&self) -> Option<i32> {
        let text = fs::read_to_string(self.pid_file()).ok()?;
        text.lines().next()?.trim().parse().ok()
    }

    /// Takes over the server that runs already, if one does and stays until it is ready.
    async fn adopt(&self, slot: &mut Option<Process>) -> Result<bool, ServersError> {
        let running = self
            .pid_on_file()
            .and_then(|pid| Process::adopt(pid, &self.mark()));
        if let Some(mut running) = running
            && self.ready(&mut running, self.log.len()).await?
        {
            *slot = Some(running);
            return Ok(true);
        }
        Ok(false)
    }

    /// Makes the data folder, beside its place and renamed, so that a killed initdb leaves none.
    async fn initialise(&self) -> Result<(), ServersError> {
        let data = &self.place.postgres;
        if data.join("PG_VERSION").is_file() {
            return Ok(());
        }
        let staged = self.place.location.join("postgres.new");
        match fs::remove_dir_all(&staged) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(io_error("remove", &staged)(error));
            }
            _ => {}
        }
        ensure_private_dir(&staged, &self.place.account)?;
        let mut arguments: Vec<&OsStr> = vec![OsStr::new("-D"), staged.as_os_str()];
        arguments.extend(
            [
                "-U",
                USER,
                "--auth-local=trust",
                "--auth-host=reject",
                "--encoding=UTF8",
                // Byte order: the same on every machine, and no library upgrade can change it.
                "--locale=C",
                "--data-checksums",
                "--no-instructions",
            ]
            .map(OsStr::new),
        );
        let initdb = self.bin.bin_dir.join("initdb");
        process::run(&self.place.account, &initdb, &arguments, &self.log, SERVER).await?;
        fs::rename(&staged, data).map_err(io_error("create", data))
    }

    /// Postgres sees by itself that its pid file and its socket's lock are stale when their process is
    /// gone, but takes any other program that was given the same id, and a dead process that nobody has
    /// reaped, for itself.
    fn remove_misleading_pid_file(&self) -> Result<(), ServersError> {
        let reused = self
            .pid_on_file()
            .is_some_and(|pid| kill(Pid::from_raw(pid), None).is_ok());
        if !reused {
            return Ok(());
        }
        for path in [self.pid_file(), self.place.sockets.join(SOCKET_LOCK)] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(io_error("remove", &path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Settings are arguments, so that no file of an older version decides.
    fn arguments(&self) -> Vec<OsString> {
        let mut arguments = vec![OsString::from("-D"), self.place.postgres.clone().into()];
        let mut set = |name: &str, value: &str| {
            arguments.push("-c".into());
            arguments.push(format!("{name}={value}").into());
        };
        set("listen_addresses", "");
        set("port", "5432");
        set(
            "unix_socket_directories",
            &self.place.sockets.to_string_lossy(),
        );
        set("unix_socket_permissions", "0700");
        set("max_connections", "200");
        set("fsync", "on");
        set("full_page_writes", "on");
        set("synchronous_commit", "on");
        set("wal_level", "replica");
        set("checkpoint_timeout", "15min");
        set("checkpoint_completion_target", "0.9");
        set("jit", "off");
        set("timezone", "UTC");
        set("log_timezone", "UTC");
        set("log_destination", "stderr");
        set("logging_collector", "off");
        match self.profile {
            Profile::Platform => {
                set("shared_buffers", "256MB");
                set("max_wal_size", "2GB");
                set("min_wal_size", "256MB");
            }
            Profile::Test => {
                set("shared_buffers", "128MB");
                set("max_wal_size", "512MB");
                set("log_checkpoints", "off");
            }
        }
        arguments
    }

    /// Waits until the platform's database takes connections: false when the server ended.
    async fn ready(&self, process: &mut Process, offset: u64) -> Result<bool, ServersError> {
        let wait = async {
            loop {
                match self.probe(DATABASE).await? {
                    Probe::Ready => return Ok(true),
                    Probe::NoDatabase => self.create_database().await?,
                    Probe::NotYet if !process.is_alive() => return Ok(false),
                    Probe::NotYet => tokio::time::sleep(POLL).await,
                }
            }
        };
        match tokio::time::timeout(self.start_timeout, wait).await {
            Ok(outcome) => outcome,
            Err(_) => {
                let limit_s = self.start_timeout.as_secs();
                Err(self.not_started(format!("was not ready after {limit_s} s"), offset))
            }
        }
    }

    fn config(&self, database: &str) -> tokio_postgres::Config {
        let mut config = tokio_postgres::Config::new();
        config
            .host_path(&self.place.sockets)
            .user(USER)
            .dbname(database)
            .connect_timeout(Duration::from_secs(5));
        config
    }

    async fn probe(&self, database: &str) -> Result<Probe, ServersError> {
        let Err(error) = self.config(database).connect(NoTls).await else {
            return Ok(Probe::Ready);
        };
        match error.code() {
            // No socket yet, or the server went away: the process tells which.
            None => Ok(Probe::NotYet),
            Some(code) if *code == SqlState::CANNOT_CONNECT_NOW => Ok(Probe::NotYet),
            Some(code) if *code == SqlState::INVALID_CATALOG_NAME => Ok(Probe::NoDatabase),
            // Full of clients, so it serves.
            Some(code) if *code == SqlState::TOO_MANY_CONNECTIONS => Ok(Probe::Ready),
            Some(_) => Err(ServersError::Refused(error)),
        }
    }

    /// Makes the platform's database; when the server does not answer, nothing, for the next look.
    async fn create_database(&self) -> Result<(), ServersError> {
        let (client, connection) = match self.config("postgres").connect(NoTls).await {
            Ok(both) => both,
            Err(error) if error.code().is_none() => return Ok(()),
            Err(error) => return Err(ServersError::Refused(error)),
        };
        let driver = tokio::spawn(connection);
        let created = client
            .batch_execute(&format!("CREATE DATABASE {DATABASE}"))
            .await;
        drop(client);
        // It ends with the client; what it could report, the statement has reported.
        let _ = driver.await;
        created.map_err(ServersError::Refused)
    }

    fn not_started(&self, problem: String, offset: u64) -> ServersError {
        ServersError::NotStarted {
            server: SERVER,
            problem,
            log: self.log.path.clone(),
            tail: self.log.tail(offset),
        }
    }
}

/// Encodes everything but what a URL's query and path both take as it is.
fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Account;

    #[test]
    fn the_url_leads_tokio_postgres_to_the_socket() {
        let dir = tempfile::Builder::new()
            .prefix("t-")
            .tempdir_in("/tmp")
            .unwrap();
        let place = Place::at(dir.path().join("p"), Account::for_servers().unwrap()).unwrap();
        let bin = PostgresBin {
            bin_dir: PathBuf::new(),
            version: "18.6".to_owned(),
            major: 18,
        };
        let postgres = Postgres::new(bin, &place, &Options::from_env(dir.path()));
        let config: tokio_postgres::Config = postgres.url("a b%/c").parse().unwrap();
        assert_eq!(config.get_user(), Some("tidings"));
        assert_eq!(config.get_dbname(), Some("a b%/c"));
        let socket = tokio_postgres::config::Host::Unix(dir.path().join("p/run"));
        assert_eq!(config.get_hosts(), [socket]);
    }
}
