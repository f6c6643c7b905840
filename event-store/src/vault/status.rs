//! What there is in the vault, in numbers.

use super::master::MasterId;
use super::{Vault, VaultError};

/// The keys of an installation, counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    /// Keys that open something.
    pub live: u64,
    /// Tombstones.
    pub shredded: u64,
    /// Live keys by the master key that wraps them, the one with most first.
    pub wrapped_by: Vec<(MasterId, u64)>,
    /// The master key that wraps new keys; none before the first key.
    pub in_use: Option<MasterId>,
    /// Those that were in use before, the last one first.
    pub replaced: Vec<MasterId>,
    /// Whether the change to the one in use has not ended.
    pub rotating: bool,
    /// The master keys this process has.
    pub at_hand: Vec<MasterId>,
}

impl Vault {
    /// Counts the keys. It reads the whole table.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn status(&self) -> Result<KeyStatus, VaultError> {
        let client = self.inner.pool.get().await?;
        let counts = "select substring(wrapped from 2 for 8), count(*) from publishing_keys \
                      group by 1 order by 2 desc, 1";
        let (mut shredded, mut wrapped_by) = (0, Vec::new());
        for row in client.query(counts, &[]).await? {
            let count = row.get::<_, i64>(1).unsigned_abs();
            match row.get::<_, Option<&[u8]>>(0) {
                None => shredded = count,
                Some(id) => {
                    let id = MasterId::from_slice(id).ok_or(VaultError::NoMasterKey)?;
                    wrapped_by.push((id, count));
                }
            }
        }
        let masters = "select master_id, finished_at is null from publishing_master_keys \
                       order by ordinal desc";
        let masters = client.query(masters, &[]).await?;
        let mut ids = masters
            .iter()
            .filter_map(|row| MasterId::from_slice(row.get(0)));
        Ok(KeyStatus {
            live: wrapped_by.iter().map(|(_, count)| count).sum(),
            shredded,
            wrapped_by,
            in_use: ids.next(),
            replaced: ids.collect(),
            rotating: masters.first().is_some_and(|row| row.get(1)),
            at_hand: self.inner.masters.ids(),
        })
    }
}
