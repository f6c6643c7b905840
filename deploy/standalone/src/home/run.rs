//! Who runs over a data folder: a lock that ends with its process, and `run.json` that says where it listens.

use std::fs::{File, TryLockError};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::{Home, HomeError, io_error};

/// A command that only looks holds the lock for an instant; a platform holds it for its life.
const LOOKS_MAX: u32 = 10;
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A platform at work: the content of `run.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Its process id.
    pub pid: u32,
    /// Where its HTTP listener is, such as `http://127.0.0.1:8080`.
    pub url: String,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub started_at: OffsetDateTime,
    /// Its version.
    pub version: String,
}

/// The right to run over a data folder, kept until dropped. The system frees it with the process.
#[derive(Debug)]
pub struct Claim {
    run_file: PathBuf,
    _lock: File,
}

impl Home {
    /// Takes the folder for this process.
    ///
    /// # Errors
    /// When another process has it.
    pub async fn claim(&self) -> Result<Claim, HomeError> {
        let lock = self.lock_file()?;
        for look in 1.. {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if look < LOOKS_MAX => {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(HomeError::Taken {
                        dir: self.dir.clone(),
                        running: self.announced(),
                    });
                }
                Err(TryLockError::Error(source)) => {
                    return Err(io_error("lock", &self.lock_path())(source));
                }
            }
        }
        Ok(Claim {
            run_file: self.run_file(),
            _lock: lock,
        })
    }

    /// The platform that runs over this folder; one that has not finished starting counts as none.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn running(&self) -> Result<Option<Running>, HomeError> {
        match self.lock_file()?.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(self.announced()),
            Err(TryLockError::Error(source)) => Err(io_error("lock", &self.lock_path())(source)),
        }
    }

    fn announced(&self) -> Option<Running> {
        let text = std::fs::read(self.run_file()).ok()?;
        serde_json::from_slice(&text).ok()
    }

    fn lock_path(&self) -> PathBuf {
        self.dir.join("run.lock")
    }

    fn lock_file(&self) -> Result<File, HomeError> {
        let path = self.lock_path();
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(io_error("open", &path))
    }
}

impl Claim {
    /// Writes `run.json`, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn announce(&self, running: &Running) -> Result<(), HomeError> {
        let text = serde_json::to_vec_pretty(running).expect("plain values make JSON");
        let draft = self.run_file.with_extension("json.new");
        std::fs::write(&draft, text).map_err(io_error("write", &draft))?;
        std::fs::rename(&draft, &self.run_file).map_err(io_error("write", &self.run_file))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // It may never have been announced.
        drop(std::fs::remove_file(&self.run_file));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn running() -> Running {
        Running {
            pid: 7,
            url: "http://127.0.0.1:8080".to_owned(),
            started_at: datetime!(2026-03-01 10:00 UTC),
            version: "0.1.0".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_claimed_folder_tells_who_has_it_and_forgets_afterwards() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::open(root.path()).unwrap();
        assert_eq!(home.running().unwrap(), None);
        let claim = home.claim().await.unwrap();
        assert_eq!(home.running().unwrap(), None);
        claim.announce(&running()).unwrap();
        assert_eq!(home.running().unwrap(), Some(running()));

        let refused = home.claim().await.unwrap_err().to_string();
        assert!(
            refused.contains("process 7, http://127.0.0.1:8080"),
            "{refused}"
        );
        drop(claim);
        assert_eq!(home.running().unwrap(), None);
        assert!(!home.run_file().exists());
        home.claim().await.unwrap();
    }

    #[test]
    fn what_a_killed_platform_left_is_not_believed() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::open(root.path()).unwrap();
        std::fs::write(home.run_file(), serde_json::to_vec(&running()).unwrap()).unwrap();
        assert_eq!(home.running().unwrap(), None);
    }
}
