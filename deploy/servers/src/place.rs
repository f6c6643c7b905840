//! Where the private data of a platform lie, and what lies where in there.
//!
//! As a plain user: in the data folder. As root: in `/var/lib/tidings/NAME`, because an
//! unprivileged user must reach them; the data folder then holds the pointer file `where`.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::unistd::geteuid;
use sha2::{Digest, Sha256};

use crate::account::Account;
use crate::error::ServersError;
use crate::files::{ensure_dir, ensure_private_dir, hex, io_error};
use crate::options::Options;
use crate::process::Log;

/// A Unix socket's path has 107 bytes; Postgres adds `/.s.PGSQL.5432`.
const SOCKET_DIR_BYTES_MAX: usize = 90;
const POINTER: &str = "where";

/// The folders of one platform's private servers.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Holds everything below.
    pub(crate) location: PathBuf,
    /// The Postgres data, of the account.
    pub(crate) postgres: PathBuf,
    /// The JetStream files, of the account.
    pub(crate) nats: PathBuf,
    /// The folder of the Postgres socket, of the account.
    pub(crate) sockets: PathBuf,
    /// Configuration and secrets that we write and a server reads.
    pub(crate) conf: PathBuf,
    logs: PathBuf,
    pub(crate) account: Account,
}

impl Place {
    /// The place that the options' data folder names; its folders exist afterwards.
    pub(crate) fn of(options: &Options) -> Result<Self, ServersError> {
        ensure_dir(&options.data_dir, 0o755)?;
        let data_dir = options
            .data_dir
            .canonicalize()
            .map_err(io_error("resolve", &options.data_dir))?;
        let pointer = data_dir.join(POINTER);
        let target = match fs::read_to_string(&pointer) {
            Ok(text) => Some(PathBuf::from(text.trim())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(io_error("read", &pointer)(error)),
        };
        let refuse = |target: &Path, problem| ServersError::Pointer {
            pointer: pointer.clone(),
            target: target.to_path_buf(),
            problem,
        };
        if !geteuid().is_root() {
            return match target {
                None => Self::at(data_dir, Account::for_servers()?),
                Some(target) => Err(refuse(
                    &target,
                    "which root made: run this as root, or choose another data folder",
                )),
            };
        }
        // Data that a plain user made here stay here, and theirs.
        if let Some(owner) = Account::owning(&data_dir.join("postgres")) {
            return Self::at(data_dir, owner);
        }
        let location = match target {
            // Root follows a pointer only to where root itself would have put the data.
            Some(target) if target.parent() == Some(&options.state_dir) => target,
            Some(target) => {
                let problem = "which is not below the folder of private data: remove that file";
                return Err(refuse(&target, problem));
            }
            None => {
                let location = options.state_dir.join(name_of(&data_dir));
                point(&pointer, &location)?;
                location
            }
        };
        ensure_dir(&options.state_dir, 0o755)?;
        Self::at(location, Account::for_servers()?)
    }

    /// The place at `location`, whose folders exist afterwards.
    pub(crate) fn at(location: PathBuf, account: Account) -> Result<Self, ServersError> {
        // Root keeps the folders it writes in; the account may only pass through them.
        let passage = if account.is_demoted() { 0o711 } else { 0o700 };
        let place = Place {
            postgres: location.join("postgres"),
            nats: location.join("nats"),
            sockets: socket_dir(&location, &account),
            conf: location.join("conf"),
            logs: location.join("log"),
            location,
            account,
        };
        ensure_dir(&place.location, passage)?;
        ensure_dir(&place.conf, passage)?;
        ensure_dir(&place.logs, 0o700)?;
        ensure_private_dir(&place.nats, &place.account)?;
        ensure_private_dir(&place.sockets, &place.account)?;
        // The socket folder may lie in /tmp, where anybody can make a folder of that name first.
        let metadata =
            fs::symlink_metadata(&place.sockets).map_err(io_error("look at", &place.sockets))?;
        if !metadata.is_dir() || metadata.uid() != place.account.uid || metadata.mode() & 0o077 != 0
        {
            return Err(ServersError::NotPrivate {
                path: place.sockets,
            });
        }
        Ok(place)
    }

    /// The log of one server.
    pub(crate) fn log(&self, server: &str) -> Log {
        Log {
            path: self.logs.join(format!("{server}.log")),
        }
    }

    /// Held exclusively while servers are started or stopped.
    pub(crate) fn start_lock(&self) -> PathBuf {
        self.location.join("start.lock")
    }

    /// Held shared for as long as a process uses the servers.
    pub(crate) fn use_lock(&self) -> PathBuf {
        self.location.join("use.lock")
    }
}

/// The last part of the path, so that a person knows it, and a hash, so that it is unique.
pub(crate) fn name_of(data_dir: &Path) -> String {
    let last = data_dir.file_name().unwrap_or_default().to_string_lossy();
    let readable: String = last
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(32)
        .collect();
    format!("{readable}-{}", short_hash(data_dir))
}

fn short_hash(path: &Path) -> String {
    hex(&Sha256::digest(path.as_os_str().as_bytes())[..4])
}

/// Writes the pointer whole or not at all: another start may read it at the same moment. Two that write
/// it write the same.
fn point(pointer: &Path, location: &Path) -> Result<(), ServersError> {
    static WRITERS: AtomicU32 = AtomicU32::new(0);
    let writer = WRITERS.fetch_add(1, Ordering::Relaxed);
    let staged = pointer.with_extension(format!("{}-{writer}", std::process::id()));
    fs::write(&staged, format!("{}\n", location.display()))
        .and_then(|()| fs::rename(&staged, pointer))
        .map_err(io_error("write", pointer))
}

/// `location/run`, or a private folder in /tmp when that path is too long for a socket, or holds
/// characters that mean something in a list of socket folders.
fn socket_dir(location: &Path, account: &Account) -> PathBuf {
    let inside = location.join("run");
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
    let bytes = inside.as_os_str().as_bytes();
    if bytes.len() <= SOCKET_DIR_BYTES_MAX && bytes.iter().all(plain) {
        return inside;
    }
    let name = format!("tidings-{}-{}", account.uid, short_hash(location));
    Path::new("/tmp").join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_readable_stable_and_unique() {
        let name = name_of(Path::new("/srv/my data"));
        assert!(name.starts_with("my-data-"));
        assert_eq!(name, name_of(Path::new("/srv/my data")));
        assert_ne!(name, name_of(Path::new("/home/my data")));
    }

    #[test]
    fn a_socket_path_is_short_and_plain() {
        let account = Account::for_servers().unwrap();
        let inside = socket_dir(Path::new("/srv/tidings/data"), &account);
        assert_eq!(inside, Path::new("/srv/tidings/data/run"));
        let long = format!("/srv/{}", "x".repeat(100));
        for location in [long.as_str(), "/srv/with space", "/srv/a,b", "/srv/Größe"] {
            let dir = socket_dir(Path::new(location), &account);
            assert!(dir.starts_with("/tmp"), "{location}");
            assert!(dir.as_os_str().len() <= SOCKET_DIR_BYTES_MAX);
        }
    }
}
