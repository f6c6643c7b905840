//! Configuration: read once at the start, checked, and handed on as typed values.

mod error;
mod layers;
mod read;
mod secret;
mod sections;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use reqwest::Url;

pub use error::{ConfigError, Origin};
use layers::Layers;
pub use layers::{ConfigFile, DEFAULTS};
pub use secret::{MasterKey, Secret};
pub use sections::*;

/// Shortest HMAC secret in bytes: as long as the hash, so that guessing it is no easier than forging the tag.
pub const HS256_SECRET_BYTES_MIN: usize = 32;

/// Base of the links that go out: http or https, no user, query or fragment, no slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(Url);

impl PublicUrl {
    /// Reads an absolute URL; `None` when it is not of that form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        (plain && url.has_host() && matches!(url.scheme(), "http" | "https")).then_some(Self(url))
    }

    /// The base followed by `path`, which starts with a slash.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0.as_str().trim_end_matches('/'))
    }

    /// Host name or address in the URL, without port.
    #[must_use]
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }
}

impl Config {
    /// The built-in defaults alone.
    ///
    /// # Errors
    /// None in practice: a test reads them.
    pub fn defaults() -> Result<Self, ConfigError> {
        Self::load(&ConfigFile::Skip, [])
    }

    /// Defaults < `file` < the `TIDINGS_*` among `variables` (others are ignored).
    ///
    /// # Errors
    /// The first setting that is unknown or wrong.
    pub fn load(
        file: &ConfigFile,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        read::config(&Layers::load(file, variables)?)
    }

    /// As [`Config::load`], with this process's environment: the one place that reads it.
    ///
    /// # Errors
    /// The first setting that is unknown or wrong.
    #[allow(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    pub fn from_process(file: &ConfigFile) -> Result<Self, ConfigError> {
        let mut variables = Vec::new();
        for (name, value) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            match value.into_string() {
                Ok(value) => variables.push((name, value)),
                Err(_) if name.starts_with("TIDINGS_") => return Err(ConfigError::NotUtf8(name)),
                Err(_) => {}
            }
        }
        Self::load(file, variables)
    }

    /// The configured public URL, else plain http to where the listener turned out to be.
    #[must_use]
    pub fn public_url_or(&self, listener: SocketAddr) -> PublicUrl {
        self.public_url.clone().unwrap_or_else(|| {
            PublicUrl::parse(&format!("http://{listener}")).expect("a socket address makes a URL")
        })
    }
}
