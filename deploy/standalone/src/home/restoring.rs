//! A restore under way: `restore.json` in the data folder, from the first step to the last. While it is there nothing
//! else runs over the folder, and the same restore goes on where it was killed.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tidings_event_store::crash_point;
use tidings_event_store::hex::Hash;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Home, HomeError, io_error};

/// A restore that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restoring {
    /// The incarnation that begins.
    pub incarnation: Uuid,
    /// The backup; none when the database was put back by other means.
    pub backup: Option<Restored>,
}

/// Which backup is restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// When it was taken.
    #[serde(with = "time::serde::rfc3339")]
    pub taken_at: OffsetDateTime,
    /// The position it holds at least.
    pub position: i64,
    /// The hash of the batch there.
    pub batch_hash: Hash,
}

impl Home {
    fn restore_file(&self) -> PathBuf {
        self.dir().join("restore.json")
    }

    /// The restore that has not ended.
    ///
    /// # Errors
    /// When the file cannot be read or understood.
    pub fn restoring(&self) -> Result<Option<Restoring>, HomeError> {
        let path = self.restore_file();
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map(Some)
                .map_err(|_| io_error("understand", &path)(io::ErrorKind::InvalidData.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error("read", &path)(error)),
        }
    }

    /// Puts down that a restore has begun, whole or not at all, and durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin_restoring(&self, restoring: &Restoring) -> Result<(), HomeError> {
        let path = self.restore_file();
        let draft = path.with_extension("json.new");
        let text = serde_json::to_vec_pretty(restoring).expect("plain values make JSON");
        let written = File::create(&draft).and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&draft, &path)?;
            File::open(self.dir())?.sync_all()
        });
        written.map_err(io_error("write", &path))?;
        crash_point!("restore.begun");
        Ok(())
    }

    /// The restore has ended, durably: come back after a power cut, the file would ask for it once more.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn end_restoring(&self) -> Result<(), HomeError> {
        let path = self.restore_file();
        let removed = fs::remove_file(&path).and_then(|()| File::open(self.dir())?.sync_all());
        removed.map_err(io_error("remove", &path))?;
        crash_point!("restore.ended");
        Ok(())
    }

    /// Whether the folder is whole. Whoever runs over it asks after claiming it too, for a restore may have begun
    /// before.
    ///
    /// # Errors
    /// [`HomeError::HalfRestored`] when a restore has not ended.
    pub fn is_whole(&self) -> Result<(), HomeError> {
        match self.restoring()? {
            None => Ok(()),
            Some(_) => Err(HomeError::HalfRestored(self.dir().to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_event_store::hex::Hex;
    use time::macros::datetime;

    #[test]
    fn a_restore_is_under_way_until_it_has_ended() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::open(root.path()).unwrap();
        assert_eq!(home.restoring().unwrap(), None);
        let restoring = Restoring {
            incarnation: Uuid::from_u128(7),
            backup: Some(Restored {
                taken_at: datetime!(2026-03-01 02:00 UTC),
                position: 40,
                batch_hash: Hex([7; 32]),
            }),
        };
        home.begin_restoring(&restoring).unwrap();
        assert_eq!(home.restoring().unwrap(), Some(restoring));
        let refused = home.is_whole().unwrap_err().to_string();
        assert!(refused.contains("run it again"), "{refused}");
        home.end_restoring().unwrap();
        assert_eq!(home.restoring().unwrap(), None);
        home.is_whole().unwrap();
        fs::write(root.path().join("restore.json"), "{").unwrap();
        assert!(home.restoring().is_err());
    }
}
