//! Connections to Postgres: a pool for short work, single ones for locks and notifications.

#[cfg(test)]
mod tests;
mod tls;

use std::future::poll_fn;
use std::str::FromStr as _;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, PoolError, RecyclingMethod, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Notification, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::{DatabaseConfig, Secret};
use tls::TlsMode;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const WAIT_TIMEOUT: Duration = Duration::from_secs(5);
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// A server that vanished without a word is noticed after this.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);
/// A transaction in which nothing happens ends after this, and gives back what it has locked: its process
/// may be frozen, and the system goes on answering for it.
const IDLE_IN_TRANSACTION_MAX: Duration = Duration::from_secs(20);
/// Notifications nobody has taken; more are dropped, since one wake-up is as good as many.
const NOTIFICATIONS_MAX: usize = 1_024;

/// How a process connects.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Shown in `pg_stat_activity`.
    pub application_name: String,
    /// Connections in the pool.
    pub pool_size_max: usize,
    /// A statement that runs longer is cancelled; a transaction left idle ends by itself. `None`: neither.
    pub statement_timeout: Option<Duration>,
}

impl Settings {
    /// The configured ones, under this name.
    #[must_use]
    pub fn new(application_name: impl Into<String>, config: &DatabaseConfig) -> Self {
        Self {
            application_name: application_name.into(),
            pool_size_max: config.pool_size_max,
            statement_timeout: config.statement_timeout,
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The URL is malformed. It may hold a password, so it is not repeated here.
    #[error(
        "the database URL cannot be read: it must look like postgres://user:password@host/database"
    )]
    Url(#[source] tokio_postgres::Error),
    /// `sslmode` is none we know.
    #[error(
        "sslmode in the database URL must be disable, prefer, require, verify-ca or verify-full"
    )]
    SslMode,
    /// The root certificates cannot be used.
    #[error("the certificate file of sslrootcert cannot be used: it must hold PEM certificates")]
    RootCertificate(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// The pool cannot be built.
    #[error("the connection pool cannot be built")]
    Pool(#[source] deadpool_postgres::BuildError),
    /// The server does not answer or refuses us.
    #[error("no connection to PostgreSQL: check that it runs and that the database URL is right")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A pool, after one connection has been made to see that it works.
///
/// # Errors
/// When the URL is wrong or the server does not take us.
pub async fn connect(url: &Secret, settings: &Settings) -> Result<Pool, PostgresError> {
    let pool = pool(url, settings)?;
    let first = pool.get().await;
    match first {
        Ok(_) => Ok(pool),
        Err(error) => Err(PostgresError::Connect(Box::new(error))),
    }
}

/// A pool that connects when first used.
///
/// # Errors
/// When the URL is wrong.
pub fn pool(url: &Secret, settings: &Settings) -> Result<Pool, PostgresError> {
    let target = Target::parse(url, &settings.application_name, settings.statement_timeout)?;
    let recycle = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let manager = match target.tls {
        None => Manager::from_config(target.config, NoTls, recycle),
        Some(tls) => Manager::from_config(target.config, tls, recycle),
    };
    Pool::builder(manager)
        .max_size(settings.pool_size_max)
        .wait_timeout(Some(WAIT_TIMEOUT))
        .create_timeout(Some(CONNECT_TIMEOUT))
        .recycle_timeout(Some(CONNECT_TIMEOUT))
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(PostgresError::Pool)
}

/// Ready if the pool answers; for [`crate::health::Health::check`].
///
/// # Errors
/// Says what is wrong, without the cause's details.
pub async fn ready(pool: &Pool) -> Result<(), String> {
    let connection = pool.get().await.map_err(|error| match error {
        PoolError::Timeout(_) => "no free connection in time".to_owned(),
        _ => "no connection".to_owned(),
    })?;
    let answer = connection.simple_query("SELECT 1").await;
    answer
        .map(drop)
        .map_err(|_| "it does not answer".to_owned())
}

/// One connection outside the pool: for `LISTEN` and session locks, which live as long as the connection.
pub struct Single {
    /// Sends statements.
    pub client: Client,
    /// What `LISTEN` hears, as a doorbell: when nobody takes them, some are dropped. Closed when the connection is.
    pub notifications: mpsc::Receiver<Notification>,
    /// Ends when the connection does, with the reason if it broke. Abort it to cut the connection.
    pub connection: JoinHandle<Result<(), tokio_postgres::Error>>,
}

/// Opens one connection, without statement timeout.
///
/// # Errors
/// When the URL is wrong or the server does not take us.
pub async fn single(url: &Secret, application_name: &str) -> Result<Single, PostgresError> {
    let connection = Connector::new(url, application_name)?.connect().await;
    connection.map_err(|error| PostgresError::Connect(Box::new(error)))
}

/// Opens single connections again and again: the URL and its certificates are read once, so that
/// nothing but the server can be wrong later.
#[derive(Clone)]
pub struct Connector(Target);

impl Connector {
    /// Reads the URL.
    ///
    /// # Errors
    /// When it is wrong.
    pub fn new(url: &Secret, application_name: &str) -> Result<Self, PostgresError> {
        Target::parse(url, application_name, None).map(Self)
    }

    /// Opens one connection, without statement timeout.
    ///
    /// # Errors
    /// When the server does not take us.
    pub async fn connect(&self) -> Result<Single, tokio_postgres::Error> {
        match self.0.tls.clone() {
            None => open(&self.0.config, NoTls).await,
            Some(tls) => open(&self.0.config, tls).await,
        }
    }
}

async fn open<T>(config: &Config, tls: T) -> Result<Single, tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    let (client, mut connection) = config.connect(tls).await?;
    let (heard, notifications) = mpsc::channel(NOTIFICATIONS_MAX);
    let connection = tokio::spawn(async move {
        while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
            match message? {
                // Full or unheard: the listener has wake-ups enough.
                AsyncMessage::Notification(it) => drop(heard.try_send(it)),
                AsyncMessage::Notice(notice) => tracing::debug!(%notice, "PostgreSQL"),
                _ => {}
            }
        }
        Ok(())
    });
    Ok(Single {
        client,
        notifications,
        connection,
    })
}

/// A database URL, read: where to connect and how.
#[derive(Clone)]
struct Target {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

impl Target {
    fn parse(
        url: &Secret,
        application_name: &str,
        statement_timeout: Option<Duration>,
    ) -> Result<Self, PostgresError> {
        let (url, mode) = tls::split(url.expose())?;
        let mut config = Config::from_str(&url).map_err(PostgresError::Url)?;
        config
            .application_name(application_name)
            .connect_timeout(CONNECT_TIMEOUT)
            .keepalives_idle(KEEPALIVE_IDLE)
            .tcp_user_timeout(UNACKNOWLEDGED_MAX)
            // A standby that has yet to apply the last commits looks like a log that has gone back.
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        if let Some(timeout) = statement_timeout {
            let given = config.get_options().unwrap_or_default();
            let options = format!(
                "{given} -c statement_timeout={} -c idle_in_transaction_session_timeout={}",
                timeout.as_millis(),
                IDLE_IN_TRANSACTION_MAX.as_millis()
            );
            config.options(options.trim());
        }
        let by_socket = !config
            .get_hosts()
            .iter()
            .any(|host| matches!(host, Host::Tcp(_)));
        // A Unix socket never leaves the machine, and tokio-postgres fails a TLS handshake on one.
        if by_socket || mode == TlsMode::Disable {
            config.ssl_mode(SslMode::Disable);
            return Ok(Self { config, tls: None });
        }
        config.ssl_mode(if mode == TlsMode::Prefer {
            SslMode::Prefer
        } else {
            SslMode::Require
        });
        let tls = Some(tls::connector(&mode)?);
        Ok(Self { config, tls })
    }
}
