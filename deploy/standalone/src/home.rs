//! The data folder that names a platform: its secrets, and who runs over it at the moment.

mod master_key;
mod restoring;
mod run;
mod secrets;

use std::io;
use std::path::{Path, PathBuf};

use crate::files::{Refused, refused};

pub use restoring::{Restored, Restoring};
pub use run::{Claim, Running};
pub use secrets::{SecretError, TOKEN_SECRET};

/// Left by the private servers in root's data folder: where the data really lie.
const POINTER: &str = "where";
/// What a data folder of PostgreSQL always holds.
const POSTGRES_MARK: &str = "postgres/PG_VERSION";

/// A data folder that exists.
#[derive(Clone, Debug)]
pub struct Home {
    dir: PathBuf,
}

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// The system refused.
    #[error(
        "cannot {} {}: check that this user may read and write the data folder, or choose another with --data",
        .0.action,
        .0.path.display()
    )]
    Io(#[from] Refused),
    /// Two platforms over one folder would fight over it.
    #[error(
        "a platform runs over {} already{}: stop it, or choose another folder with --data",
        dir.display(),
        running.as_ref().map_or_else(String::new, |it| format!(" (process {}, {})", it.pid, it.url))
    )]
    Taken {
        /// The data folder.
        dir: PathBuf,
        /// Who; unknown while it starts.
        running: Option<Running>,
    },
    /// A restore over the folder was killed or failed.
    #[error(
        "a restore over {} has not ended: run it again, as it was; until then nothing else may run over the folder",
        .0.display()
    )]
    HalfRestored(PathBuf),
}

impl HomeError {
    /// Whether another data folder, or the right to use this one, is the remedy.
    pub(crate) fn is_a_wrong_place(&self) -> bool {
        matches!(self, Self::Io(refused) if refused.is_a_wrong_place())
    }
}

pub(crate) fn io_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> HomeError {
    let refused = refused(action, path);
    move |answer| HomeError::Io(refused(answer))
}

impl Home {
    /// The folder at `dir`, made if absent.
    ///
    /// # Errors
    /// When it cannot be made or entered.
    pub fn open(dir: &Path) -> Result<Self, HomeError> {
        std::fs::create_dir_all(dir).map_err(io_error("make", dir))?;
        let dir = dir.canonicalize().map_err(io_error("enter", dir))?;
        std::fs::read_dir(&dir).map_err(io_error("read", &dir))?;
        Ok(Self { dir })
    }

    /// Its absolute path.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the private servers keep their data: here, or, as root, where an unprivileged user reaches them.
    #[must_use]
    pub fn location(&self) -> PathBuf {
        std::fs::read_to_string(self.dir.join(POINTER))
            .map_or_else(|_| self.dir.clone(), |text| PathBuf::from(text.trim()))
    }

    /// Whether private servers have ever run over it.
    #[must_use]
    pub fn was_used(&self) -> bool {
        self.location().join(POSTGRES_MARK).exists()
    }

    /// Whether it is a platform's: private servers have run over it, or a restore has begun.
    #[must_use]
    pub fn is_a_platforms(&self) -> bool {
        self.was_used() || !matches!(self.restoring(), Ok(None))
    }

    /// The secret that signs tokens.
    #[must_use]
    pub fn token_secret_file(&self) -> PathBuf {
        self.dir.join(TOKEN_SECRET)
    }

    /// Who runs over this folder, and where it listens.
    #[must_use]
    pub fn run_file(&self) -> PathBuf {
        self.dir.join("run.json")
    }

    /// The root of `file` channels.
    #[must_use]
    pub fn files_dir(&self) -> PathBuf {
        self.dir.join("files")
    }

    /// Where the log is witnessed unless another folder is configured.
    #[must_use]
    pub fn witness_dir(&self) -> PathBuf {
        self.dir.join("witness")
    }

    /// The public key of the witness: pinned here, where an owner of the database cannot replace it.
    #[must_use]
    pub fn witness_key_file(&self) -> PathBuf {
        self.dir.join("witness.pub")
    }

    /// The mails the demo's SMTP sink accepted.
    #[must_use]
    pub fn outbox_dir(&self) -> PathBuf {
        self.dir.join("outbox")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_and_named_by_its_real_path() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::open(&root.path().join("a/../b")).unwrap();
        assert_eq!(home.dir(), root.path().canonicalize().unwrap().join("b"));
        assert_eq!(home.location(), home.dir());
    }

    #[test]
    fn the_pointer_that_root_needs_is_followed() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join(POINTER), "/var/lib/tidings/x\n").unwrap();
        let home = Home::open(root.path()).unwrap();
        assert_eq!(home.location(), Path::new("/var/lib/tidings/x"));
    }

    #[test]
    fn a_file_in_the_way_is_named_with_a_remedy() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("data");
        std::fs::write(&path, "").unwrap();
        let message = Home::open(&path).unwrap_err().to_string();
        assert!(message.starts_with("cannot make /"), "{message}");
        assert!(message.ends_with("--data"), "{message}");
    }
}
