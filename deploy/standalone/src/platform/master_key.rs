//! Where the master key of a platform comes from, asked at the start and again when a key needs another.

use std::path::{Path, PathBuf};

use tidings_event_store::vault::{self, MasterSource};
use tidings_service::config::{Config, MasterKey, MasterKeySource, MasterKeyTextError};
use tidings_service::key_command::{self, KeyCommandError};

use super::Ground;
use crate::home::{Home, SecretError};

/// The source of the master key. Cheap to clone.
#[derive(Clone)]
pub(crate) struct MasterKeys {
    source: MasterKeySource,
    home: Home,
    /// One more that somebody named, whatever the source has.
    extra: Option<MasterKey>,
}

/// Why the master key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The data folder's own.
    #[error(transparent)]
    DataFolder(#[from] SecretError),
    /// The program's.
    #[error(transparent)]
    Command(#[from] KeyCommandError),
    /// A file that cannot be read.
    #[error("the master key can not be read from {}: check the path and its permissions", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A file that holds something else.
    #[error(
        "{} {problem}: it must hold 32 bytes in base64; put the right key back, nothing in the log can be opened with \
         another",
        path.display()
    )]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: MasterKeyTextError,
    },
}

impl MasterKeyError {
    /// Whether a setting is the remedy: it names what cannot be read or started, or holds no key.
    pub(crate) fn is_a_wrong_setting(&self) -> bool {
        match self {
            Self::DataFolder(error) => error.is_a_wrong_place(),
            Self::Unreadable { .. } | Self::NotAKey { .. } => true,
            Self::Command(error) => matches!(
                error,
                KeyCommandError::NotStarted { .. } | KeyCommandError::Input { .. }
            ),
        }
    }
}

impl MasterKeys {
    /// As configured.
    pub(crate) fn of(config: &Config, ground: &Ground) -> Self {
        Self {
            source: config.master_key.clone(),
            home: ground.home.clone(),
            extra: None,
        }
    }

    /// The same and this key, which the source need not have.
    pub(crate) fn with(mut self, extra: MasterKey) -> Self {
        self.extra = Some(extra);
        self
    }

    /// Whether Tidings keeps the key itself.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.source, MasterKeySource::DataFolder)
    }

    /// Where it is looked for, for messages.
    pub(crate) fn place(&self) -> String {
        match &self.source {
            MasterKeySource::DataFolder => self.home.master_key_file().display().to_string(),
            MasterKeySource::Setting(_) => "the setting master_key".to_owned(),
            MasterKeySource::File(path) => path.display().to_string(),
            MasterKeySource::Command(command) => {
                let program = command.words.first().map_or("", String::as_str);
                format!("the program {program} of master_key_command")
            }
        }
    }

    /// All there are at the moment. None at all only when they are ours and none has been made yet.
    ///
    /// # Errors
    /// What is wrong with the source.
    pub(crate) async fn read(&self) -> Result<Vec<MasterKey>, MasterKeyError> {
        let mut keys = match &self.source {
            MasterKeySource::DataFolder => self.home.master_keys()?,
            MasterKeySource::Setting(keys) => keys.clone(),
            MasterKeySource::File(path) => read_file(path)?,
            MasterKeySource::Command(command) => key_command::run(command).await?,
        };
        keys.extend(self.extra.clone());
        Ok(keys)
    }

    /// For the vault, which asks when a key was wrapped by a master key that is not at hand.
    pub(crate) fn for_vault(&self) -> MasterSource {
        let keys = self.clone();
        std::sync::Arc::new(move || {
            let keys = keys.clone();
            Box::pin(async move {
                let read = keys.read().await?;
                Ok(read.iter().map(for_vault).collect())
            })
        })
    }
}

/// A key as the vault takes it.
pub(crate) fn for_vault(key: &MasterKey) -> vault::MasterKey {
    vault::MasterKey::new(key.expose()).expect("it has 32 bytes by its type")
}

/// The keys in a file.
///
/// # Errors
/// When it cannot be read or holds something else.
pub(crate) fn read_file(path: &Path) -> Result<Vec<MasterKey>, MasterKeyError> {
    let text = std::fs::read_to_string(path).map_err(|source| MasterKeyError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    MasterKey::read_all(&text).map_err(|problem| MasterKeyError::NotAKey {
        path: path.to_owned(),
        problem,
    })
}
