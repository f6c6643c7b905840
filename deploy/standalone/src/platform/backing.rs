//! The two servers below a platform: the configured ones, or private ones started for it.

use std::path::Path;

use tidings_servers::{Needs, Options, Servers, ServersError, Stopped};
use tidings_service::config::{Config, Secret};

use crate::home::Home;

/// Where Postgres and NATS are, and the private servers if they are ours.
#[derive(Debug)]
pub struct Backing {
    database_url: Secret,
    nats_url: Secret,
    servers: Option<Servers>,
}

/// Stands where no server was asked for; connecting to it fails at once.
const NOWHERE: &str = "nats://127.0.0.1:1";

impl Backing {
    /// Both servers: the configured ones, and private ones over the data folder for those that are not configured.
    ///
    /// # Errors
    /// One sentence that names what is missing and what to do.
    pub async fn start(config: &Config, home: &Home) -> Result<Self, ServersError> {
        let needs = match (&config.database_url, &config.nats_url) {
            (None, None) => Some(Needs::Both),
            (None, Some(_)) => Some(Needs::PostgresOnly),
            (Some(_), None) => Some(Needs::NatsOnly),
            (Some(_), Some(_)) => None,
        };
        Self::with(config, home, needs).await
    }

    /// The database alone: for commands that do not need NATS.
    ///
    /// # Errors
    /// One sentence that names what is missing and what to do.
    pub async fn start_database(config: &Config, home: &Home) -> Result<Self, ServersError> {
        let needs = config.database_url.is_none().then_some(Needs::PostgresOnly);
        Self::with(config, home, needs).await
    }

    async fn with(
        config: &Config,
        home: &Home,
        needs: Option<Needs>,
    ) -> Result<Self, ServersError> {
        let servers = match needs {
            None => None,
            Some(needs) => Some(
                Servers::start(Options {
                    needs,
                    ..Options::from_env(home.dir())
                })
                .await?,
            ),
        };
        let of_servers = |url: fn(&Servers) -> Option<String>| servers.as_ref().and_then(url);
        let database_url = config
            .database_url
            .clone()
            .or_else(|| of_servers(Servers::database_url).map(Secret::new));
        let nats_url = config
            .nats_url
            .clone()
            .or_else(|| of_servers(|it| it.nats_url().map(str::to_owned)).map(Secret::new));
        Ok(Self {
            database_url: database_url.expect("a database that is not configured was started"),
            nats_url: nats_url.unwrap_or_else(|| Secret::new(NOWHERE)),
            servers,
        })
    }

    /// Where Postgres is.
    #[must_use]
    pub fn database_url(&self) -> &Secret {
        &self.database_url
    }

    /// Where NATS is.
    #[must_use]
    pub fn nats_url(&self) -> &Secret {
        &self.nats_url
    }

    /// Where the private servers' data lie; `None` without private servers.
    #[must_use]
    pub fn location(&self) -> Option<&Path> {
        self.servers.as_ref().map(Servers::location)
    }

    /// The private servers.
    #[must_use]
    pub fn servers(&self) -> Option<&Servers> {
        self.servers.as_ref()
    }

    /// Stops the private servers, unless another process uses them.
    ///
    /// # Errors
    /// When one does not stop in time.
    pub async fn stop(self) -> Result<(), ServersError> {
        if let Some(servers) = self.servers
            && servers.stop().await? == Stopped::StillUsed
        {
            tracing::debug!("another process uses the private servers; they go on");
        }
        Ok(())
    }
}
