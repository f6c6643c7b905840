//! What every command takes: the data folder, the configuration file, the form of the answer.

use std::path::PathBuf;

use clap::Args;
use tidings_event_store::Context;
use tidings_service::config::{Config, ConfigFile, MasterKeySource};
use tidings_service::telemetry::{self, Telemetry};
use tidings_service::{Clock, Ids};

use super::CliError;
use crate::home::{Home, TOKEN_SECRET};
use crate::platform::{Backing, Core, Ground, MasterKeys};

const NAME: &str = "tidings";
/// Who is said to have done it.
const ACTOR: &str = "cli";
/// Read from the folder the command is started in, if it is there.
const CONFIG_FILE: &str = "tidings.toml";
/// Commands that end by themselves only log what is wrong, unless the configuration says otherwise.
const QUIET: &str = "warn";

#[derive(Args, Debug)]
pub(crate) struct Global {
    /// The folder that names the platform [default: ./data, or TIDINGS_DATA]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The configuration file [default: tidings.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Answer with one JSON value, for programs
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// The parts of a command line that reaches the same platform.
pub(crate) struct Hints {
    /// This program, as it was called.
    pub(crate) program: String,
    /// The data option with a space before it; empty if none was given.
    pub(crate) data: String,
}

/// How much a command logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logs {
    /// As configured.
    AsConfigured,
    /// Only what is wrong.
    Quiet,
}

/// What a command works with: the settings, and time, ids and the data folder.
pub(crate) struct Session {
    pub(crate) config: Config,
    pub(crate) ground: Ground,
}

impl Global {
    /// The settings, with what the command line says on top.
    pub(crate) fn config(&self) -> Result<Config, CliError> {
        let file = match &self.config {
            Some(path) => ConfigFile::Required(path.clone()),
            None => ConfigFile::IfPresent(CONFIG_FILE.into()),
        };
        let mut config = Config::from_process(&file).map_err(CliError::Config)?;
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        #[cfg(debug_assertions)]
        if let Some(at) = &config.hooks.crash_at {
            let time = at.time.get();
            match at.stands_still {
                false => tidings_event_store::crash::arm(&at.point, time),
                true => tidings_event_store::crash::arm_to_stop(&at.point, time),
            }
        }
        Ok(config)
    }

    /// The settings and the data folder, which is made if absent; tokens are checked with the secret in it unless
    /// one is configured. Refused while a restore over the folder has not ended.
    pub(crate) fn session(&self) -> Result<Session, CliError> {
        let session = self.session_whatever_state()?;
        session.ground.home.is_whole()?;
        Ok(session)
    }

    /// The same for commands that know what to do about half a restore.
    pub(crate) fn session_whatever_state(&self) -> Result<Session, CliError> {
        let mut config = self.config()?;
        let home = Home::open(&config.data)?;
        let clock = match config.hooks.clock_ahead {
            Some(ahead) => Clock::ahead(ahead),
            None => Clock::system(),
        };
        let ids = Ids::system(clock.clone());
        if config.auth.hs256_secret.is_none() {
            config.auth.hs256_secret = Some(home.token_secret(&ids)?);
        }
        Ok(Session {
            config,
            ground: Ground { clock, ids, home },
        })
    }

    /// The same for commands that look at a platform, or change what there is: a mistyped folder is not taken
    /// for one, and nothing is made in it.
    pub(crate) fn existing(&self) -> Result<Session, CliError> {
        self.must_exist()?;
        self.session()
    }

    /// Whether there is a platform: one whose private servers have run over the data folder, or that is to be restored
    /// there; or one over a database of the operator's own, with its secrets in the data folder or elsewhere.
    pub(crate) fn must_exist(&self) -> Result<(), CliError> {
        let config = self.config()?;
        let dir = config.data.clone();
        let secrets_lie_elsewhere = config.auth.hs256_secret.is_some()
            && !matches!(config.master_key, MasterKeySource::DataFolder);
        let there = match config.database_url {
            Some(_) => secrets_lie_elsewhere || dir.exists(),
            None => dir.exists() && Home::open(&dir)?.is_a_platforms(),
        };
        there.then_some(()).ok_or(CliError::NothingHere { dir })
    }

    /// The settings, with the secret that signs tokens: a configured one, or that of a platform's data folder.
    pub(crate) fn signing(&self) -> Result<Config, CliError> {
        let config = self.config()?;
        if config.auth.hs256_secret.is_some() {
            return Ok(config);
        }
        if !config.data.join(TOKEN_SECRET).exists() {
            // Of a restored platform that has not been up since, or one that is; the first to need it makes it.
            self.must_exist()?;
        }
        Ok(self.session_whatever_state()?.config)
    }

    /// How other commands reach the same platform, for hints that can be copied.
    pub(crate) fn hints(&self) -> Hints {
        let called = std::env::args_os().next().unwrap_or_default();
        let called = called.to_string_lossy();
        Hints {
            // Called by its path, it may not be found by its name.
            program: if called.contains('/') {
                called.into_owned()
            } else {
                NAME.to_owned()
            },
            data: self
                .data
                .as_deref()
                .map_or_else(String::new, |path| format!(" --data {}", path.display())),
        }
    }
}

impl Session {
    /// Sets up logging.
    pub(crate) fn telemetry(&self, logs: Logs) -> Result<Telemetry, CliError> {
        let mut settings = self.config.telemetry.clone();
        if logs == Logs::Quiet {
            settings.log_filter.get_or_insert_with(|| QUIET.to_owned());
        }
        Ok(telemetry::init(&settings, "tidings")?)
    }

    /// Opens the log over its database alone, for a command that ends by itself, and closes it whatever came of that.
    pub(crate) async fn with_core<T>(
        &self,
        masters: &MasterKeys,
        act: impl AsyncFnOnce(&Core) -> Result<T, CliError>,
    ) -> Result<T, CliError> {
        let Self { config, ground } = self;
        let telemetry = self.telemetry(Logs::Quiet)?;
        let backing = Backing::start_database(config, &ground.home).await?;
        let done = match Core::open_with(config, ground, &backing, masters).await {
            Ok(core) => {
                let done = act(&core).await;
                core.close();
                done
            }
            Err(error) => Err(error.into()),
        };
        backing.stop().await?;
        telemetry.shutdown().await;
        done
    }

    /// The master keys as they are configured.
    pub(crate) fn masters(&self) -> MasterKeys {
        MasterKeys::of(&self.config, &self.ground)
    }

    /// Circumstances of what whoever calls the command does.
    pub(crate) fn context(&self) -> Context {
        let Ground { clock, ids, .. } = &self.ground;
        Context {
            actor: ACTOR.to_owned(),
            correlation_id: ids.next(),
            causation: None,
            occurred_at: clock.now(),
            traceparent: None,
            intent: ids.next(),
            request_digest: None,
        }
    }
}
