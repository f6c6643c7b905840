//! The file that gives a run's programs their master key: one key, or the new one beside the old.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use deadpool_postgres::Pool;
use tidings_event_store::Store;
use tidings_event_store::vault::{MasterKey, MasterSource, Vault};
use tidings_tests::MASTER_KEY;

use crate::world::World;

/// The file.
#[derive(Clone, Debug)]
pub(crate) struct MasterKeys(PathBuf);

impl MasterKeys {
    /// That every test's platform begins with, in a new file.
    pub(crate) fn new(file: PathBuf) -> Self {
        let keys = Self(file);
        keys.write(&[MASTER_KEY]);
        keys
    }

    /// Those of a file that is there.
    pub(crate) fn in_file(file: PathBuf) -> Self {
        Self(file)
    }

    pub(crate) fn file(&self) -> &Path {
        &self.0
    }

    fn write(&self, keys: &[[u8; 32]]) {
        let lines = keys.iter().map(|key| STANDARD.encode(key) + "\n");
        fs::write(&self.0, lines.collect::<String>()).unwrap();
    }

    fn read(&self) -> Vec<[u8; 32]> {
        let text = fs::read_to_string(&self.0).unwrap();
        let keys = text.split_whitespace();
        keys.map(|key| STANDARD.decode(key).unwrap().try_into().unwrap())
            .collect()
    }

    /// A vault as a process has it that starts now.
    pub(crate) fn vault(&self, pool: Pool) -> Vault {
        let (first, keys) = (self.for_vault(), self.clone());
        let source: MasterSource = std::sync::Arc::new(move || {
            let read = keys.for_vault();
            Box::pin(async move { Ok(read) })
        });
        Vault::with_source(pool, first, source)
    }

    fn for_vault(&self) -> Vec<MasterKey> {
        let keys = self.read();
        keys.iter()
            .map(|key| MasterKey::new(key).unwrap())
            .collect()
    }
}

impl World {
    /// Puts a fresh one beside the one in use.
    pub(crate) fn add_master_key(&self) {
        let mut known = self.known();
        known.rotations += 1;
        let mut dice = self.dice(&format!("master key {}", known.rotations));
        let fresh = [(); 32].map(|()| dice.below(256) as u8);
        let mut keys = self.master_keys.read();
        keys.push(fresh);
        self.master_keys.write(&keys);
    }

    /// The keys, as a process has them that starts now.
    pub(crate) fn fresh_vault(&self) -> Vault {
        self.master_keys.vault(self.store.log().pool().clone())
    }

    /// Takes the one away that is in use no more. Whoever goes on has to start again, the checker too.
    pub(crate) fn drop_old_master_key(&mut self) {
        let keys = self.master_keys.read();
        self.master_keys.write(&keys[1..]);
        let log = self.store.log().clone();
        let vault = self.master_keys.vault(log.pool().clone());
        self.store = Store::new(log, vault);
    }
}
