//! The master key in the data folder, and the one that is to take its place.
//!
//! A change writes the new key beside the old one, so that every process over the folder finds both, and ends by
//! renaming: the old key keeps a name of its own, the new one takes its place in one step. At each moment the folder
//! holds every key that may be needed.

use std::io;
use std::path::{Path, PathBuf};

use tidings_service::Ids;
use tidings_service::config::MasterKey;

use super::secrets::{create, read};
use super::{Home, HomeError, SecretError, io_error};
use crate::files::sync_folder;

impl Home {
    /// The key that wraps all others.
    #[must_use]
    pub fn master_key_file(&self) -> PathBuf {
        self.dir().join("master.key")
    }

    /// The key that is to take its place; there while that is under way.
    #[must_use]
    pub fn next_master_key_file(&self) -> PathBuf {
        self.dir().join("master.key.next")
    }

    /// Where a key that was replaced is kept, named by its id.
    #[must_use]
    pub fn old_master_key_file(&self, id: &str) -> PathBuf {
        self.dir().join(format!("master.key.{id}.old"))
    }

    /// The master keys in the folder: none, one, or two while one takes the other's place.
    ///
    /// # Errors
    /// When a file cannot be read, or holds no key.
    pub fn master_keys(&self) -> Result<Vec<MasterKey>, SecretError> {
        // In this order: a key that moves from the second name to the first meanwhile is seen at one of them.
        let next = key_in(&self.next_master_key_file())?;
        let mut keys = Vec::from_iter(key_in(&self.master_key_file())?);
        keys.extend(next.filter(|next| !keys.contains(next)));
        Ok(keys)
    }

    /// Makes a master key, or takes the one that somebody else was faster to make.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn make_master_key(&self, ids: &Ids) -> Result<MasterKey, SecretError> {
        offer(&self.master_key_file(), MasterKey::new(ids.bytes()))
    }

    /// Puts a key beside the one in use: `given`, or a fresh one. If there is one already it stays, and is what
    /// counts.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn make_next_master_key(
        &self,
        given: Option<MasterKey>,
        ids: &Ids,
    ) -> Result<MasterKey, SecretError> {
        let made = given.unwrap_or_else(|| MasterKey::new(ids.bytes()));
        offer(&self.next_master_key_file(), made)
    }

    /// Takes the next key away, which wraps nothing.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn discard_next_master_key(&self) -> Result<(), HomeError> {
        let next = self.next_master_key_file();
        std::fs::remove_file(&next).map_err(io_error("remove", &next))
    }

    /// The next key takes the place of the one in use, which is kept under its id; gives where. `None`: that was
    /// done already.
    ///
    /// # Errors
    /// When the files cannot be renamed.
    pub fn replace_master_key(&self, old_id: &str) -> Result<Option<PathBuf>, HomeError> {
        let (current, next) = (self.master_key_file(), self.next_master_key_file());
        if !next.exists() {
            return Ok(None);
        }
        let old = self.old_master_key_file(old_id);
        match std::fs::hard_link(&current, &old) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(io_error("write", &old)(error));
            }
            _ => {}
        }
        std::fs::rename(&next, &current).map_err(io_error("write", &current))?;
        sync_folder(self.dir())?;
        Ok(Some(old))
    }
}

fn key_in(path: &Path) -> Result<Option<MasterKey>, SecretError> {
    let Some(text) = read(path)? else {
        return Ok(None);
    };
    let not_a_key = || SecretError::NotAKey(path.to_owned());
    match MasterKey::read_all(&text) {
        Ok(keys) if keys.len() == 1 => Ok(keys.into_iter().next()),
        _ => Err(not_a_key()),
    }
}

/// Writes a key where none is yet; gives the one that is there then.
fn offer(path: &Path, key: MasterKey) -> Result<MasterKey, SecretError> {
    create(path, key.to_base64().expose())?;
    Ok(key_in(path)?.unwrap_or(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn home() -> (tempfile::TempDir, Home) {
        let root = tempfile::tempdir().unwrap();
        let home = Home::open(root.path()).unwrap();
        (root, home)
    }

    #[test]
    fn a_key_is_made_once_and_only_its_owner_reads_it() {
        let (_root, home) = home();
        assert!(home.master_keys().unwrap().is_empty());
        let key = home.make_master_key(&Ids::seeded(1)).unwrap();
        assert_eq!(home.master_keys().unwrap(), std::slice::from_ref(&key));
        assert_eq!(home.make_master_key(&Ids::seeded(2)).unwrap(), key);
        let mode = home.master_key_file().metadata().unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_key_is_refused_not_replaced() {
        let (_root, home) = home();
        std::fs::write(home.master_key_file(), "half a k").unwrap();
        let error = home.master_keys().unwrap_err().to_string();
        assert!(error.contains("put the right key back"), "{error}");
    }

    #[test]
    fn a_key_takes_anothers_place_and_both_are_there_until_then() {
        let (_root, home) = home();
        let old = home.make_master_key(&Ids::seeded(1)).unwrap();
        let new = home.make_next_master_key(None, &Ids::seeded(2)).unwrap();
        assert_eq!(home.master_keys().unwrap(), [old.clone(), new.clone()]);
        // A run that was killed is followed by one that finds its key.
        let given = Some(MasterKey::new([9; 32]));
        assert_eq!(
            home.make_next_master_key(given, &Ids::seeded(3)).unwrap(),
            new
        );
        let kept = home.replace_master_key("0a0b").unwrap().unwrap();
        assert_eq!(home.master_keys().unwrap(), std::slice::from_ref(&new));
        assert_eq!(key_in(&kept).unwrap(), Some(old));
        assert_eq!(home.replace_master_key("0a0b").unwrap(), None);
        assert_eq!(home.master_keys().unwrap(), [new]);
    }

    #[test]
    fn a_replacement_that_was_killed_half_way_is_finished() {
        let (_root, home) = home();
        home.make_master_key(&Ids::seeded(1)).unwrap();
        let new = home.make_next_master_key(None, &Ids::seeded(2)).unwrap();
        std::fs::hard_link(home.master_key_file(), home.old_master_key_file("0a0b")).unwrap();
        home.replace_master_key("0a0b").unwrap();
        assert_eq!(home.master_keys().unwrap(), [new]);
    }
}
