//! Configuration: read once at the start, checked, and handed on as typed values.

mod error;
mod hooks;
mod layers;
mod master_key;
mod read;
mod secret;
mod sections;
#[cfg(test)]
mod tests;
mod topic;

use std::net::{IpAddr, SocketAddr};

use reqwest::Url;

pub use error::{ConfigError, Origin};
pub use hooks::{CrashAt, Hooks};
use layers::Layers;
pub use layers::{ConfigFile, DEFAULTS};
pub use master_key::{MasterKey, MasterKeyCommand, MasterKeySource, MasterKeyTextError};
pub use secret::Secret;
pub use sections::*;
pub use topic::TopicArn;

use crate::outbound;

/// Shortest HMAC secret in bytes: as long as the hash, so that guessing it is no easier than forging the tag.
pub const HS256_SECRET_BYTES_MIN: usize = 32;

/// Base of the links that go out: no user, query or fragment, no slash at the end. It is https, as
/// one-click unsubscription asks for (RFC 8058); plain http leads no further than a private network.
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
        let may_be_read = || match url.scheme() {
            "https" => true,
            "http" => url.host_str().is_some_and(is_internal),
            _ => false,
        };
        (plain && url.has_host() && may_be_read()).then_some(Self(url))
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

/// Endings of names that mean nothing in the public DNS (RFC 6761, RFC 8375, RFC 9476 and use).
const INTERNAL_ENDINGS: [&str; 6] = [
    ".localhost",
    ".local",
    ".internal",
    ".home.arpa",
    ".test",
    ".lan",
];

/// Whether a host of a URL is this machine or in a private network, as far as its name tells.
fn is_internal(host: &str) -> bool {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    match literal.parse::<IpAddr>() {
        Ok(ip) => !outbound::is_public(ip) && !ip.is_unspecified(),
        Err(_) => {
            !host.contains('.') || INTERNAL_ENDINGS.iter().any(|ending| host.ends_with(ending))
        }
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
        let variables: Vec<_> = variables.into_iter().collect();
        let hooks = Hooks::of(&variables)?;
        read::config(&Layers::load(file, variables)?, hooks)
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
    ///
    /// # Errors
    /// Nobody could follow such a link, or only over a public network in the clear.
    pub fn public_url_or(&self, listener: SocketAddr) -> Result<PublicUrl, ConfigError> {
        self.public_url
            .clone()
            .or_else(|| PublicUrl::parse(&format!("http://{listener}")))
            .ok_or(ConfigError::NoPublicUrl { listener })
    }
}
