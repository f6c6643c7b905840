//! Whom the servers run as: this user, or an unprivileged one when this user is root.

use std::env;
use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::{User, getegid, geteuid};

use crate::error::ServersError;
use crate::files::io_error;

/// The user the servers run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// This process is root, and children must become the account.
    demoted: bool,
}

impl Account {
    /// This user; as root `postgres`, else `nobody` (initdb wants a user with a name).
    pub(crate) fn for_servers() -> Result<Self, ServersError> {
        if !geteuid().is_root() {
            return Ok(Account {
                uid: geteuid().as_raw(),
                gid: getegid().as_raw(),
                demoted: false,
            });
        }
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| User::from_name(name).ok().flatten())
            .filter(|user| !user.uid.is_root())
            .map(|user| Account {
                uid: user.uid.as_raw(),
                gid: user.gid.as_raw(),
                demoted: true,
            })
            .ok_or(ServersError::NoAccount)
    }

    /// The owner of `path`, when this process is root and the owner is not.
    pub(crate) fn owning(path: &Path) -> Option<Self> {
        let metadata = path.metadata().ok()?;
        (geteuid().is_root() && metadata.uid() != 0).then(|| Account {
            uid: metadata.uid(),
            gid: metadata.gid(),
            demoted: true,
        })
    }

    /// Whether this process is root and the account is somebody else.
    pub(crate) fn is_demoted(&self) -> bool {
        self.demoted
    }

    /// A command that runs as the account: from a folder it can reach, outside the process group
    /// of the terminal (Ctrl-C is for us, who then stop the servers in order), and without the
    /// secrets and the `PG*` variables of our environment.
    pub(crate) fn command(&self, program: &OsStr) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir("/")
            .stdin(Stdio::null())
            .process_group(0)
            .env_clear()
            .env("LC_ALL", "C");
        for kept in ["PATH", "LD_LIBRARY_PATH"] {
            if let Some(value) = env::var_os(kept) {
                command.env(kept, value);
            }
        }
        if self.demoted {
            // The standard library also drops root's supplementary groups here.
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Hands a file or folder to the account.
    pub(crate) fn own(&self, path: &Path) -> Result<(), ServersError> {
        if self.demoted {
            chown(path, Some(self.uid), Some(self.gid)).map_err(io_error("hand over", path))?;
        }
        Ok(())
    }
}
