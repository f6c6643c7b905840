//! What can be wrong with the configuration: what, where, and what to do.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `defaults.toml`, built in.
    Defaults,
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Defaults => f.write_str("the built-in defaults"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "the environment variable {name}"),
        }
    }
}

/// A configuration that cannot be used. Each message names the setting, its place and the remedy.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "each message says what is wrong")]
pub enum ConfigError {
    #[error("unknown setting `{key}` in {origin}; did you mean `{nearest}`?")]
    UnknownKey {
        key: String,
        origin: Origin,
        nearest: String,
    },
    #[error("`{key}` in {origin} {problem}")]
    Invalid {
        key: String,
        origin: Origin,
        problem: String,
    },
    #[error("{} is not valid TOML (line {line}): correct it or move it away", path.display())]
    Syntax {
        path: PathBuf,
        line: usize,
        #[source]
        source: Box<toml::de::Error>,
    },
    #[error("cannot read {}: check the path and its permissions", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{0} and {0}_FILE are both set: unset one of them")]
    SetTwice(String),
    #[error(
        "`public_url` must be set to listen on {listener}, since the links in mails could not lead there: give the \
         https:// URL of the proxy in front of it, such as https://news.example.org"
    )]
    NoPublicUrl { listener: SocketAddr },
    #[error("the environment variable {0} is not valid UTF-8: set it again or unset it")]
    NotUtf8(String),
}
