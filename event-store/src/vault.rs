//! The vault: personal data and secrets inside events are sealed under a key of their owner's, and the
//! keys lie in the database wrapped by a master key that never enters it. Shredding a key erases
//! whatever it sealed, in every copy of the log.

mod cipher;
mod ring;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use deadpool_postgres::Pool;
use tidings_domain::id::IdKey;
use tidings_domain::token::{LinkKey, LinkKeys};
use time::OffsetDateTime;
use tokio::time::{Duration, Instant};
use uuid::Uuid;

pub use cipher::{DataKey, MasterKey, MasterKeyError};
pub use ring::{EventOpener, EventSealer, KeyRing};

/// Opened keys kept in memory; past it the cache starts over.
const CACHE_KEYS_MAX: usize = 65_536;
/// How long another process's shredding may go unnoticed by a key in memory.
const CACHE_FOR: Duration = Duration::from_secs(60);

/// Key rows that belong to the installation, not to a subject.
const ID_KEY: Uuid = Uuid::from_bytes(*b"tidings\x80\x80 id key");
const LINK_KEY: Uuid = Uuid::from_bytes(*b"tidings\x80\x80linkkey");

/// Why keys could not be had.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// No connection to the database.
    #[error("no connection to the database")]
    Pool(#[from] deadpool_postgres::PoolError),
    /// The database answered with an error.
    #[error("the database could not answer")]
    Database(#[from] tokio_postgres::Error),
    /// The master key is not the one the keys were wrapped with.
    #[error("key {0} can not be unwrapped: this is not the master key it was wrapped with")]
    WrongMasterKey(Uuid),
    /// The installation's own keys were shredded, which nothing in the product does.
    #[error("the installation's key {0} is gone")]
    InstallationKeyGone(Uuid),
}

/// Makes, keeps and destroys keys. A cheap handle.
#[derive(Clone)]
pub struct Vault {
    inner: Arc<Inner>,
}

struct Inner {
    pool: Pool,
    master: MasterKey,
    cache: Mutex<HashMap<Uuid, (DataKey, Instant)>>,
}

impl Vault {
    /// A vault over the key table of this database.
    pub fn new(pool: Pool, master: MasterKey) -> Self {
        Self {
            inner: Arc::new(Inner {
                pool,
                master,
                cache: Mutex::default(),
            }),
        }
    }

    /// The keys of these owners, made where they do not exist yet. A shredded key stays shredded.
    pub async fn ensure(
        &self,
        owners: &[Uuid],
        now: OffsetDateTime,
    ) -> Result<KeyRing, VaultError> {
        let mut ring = self.keys(owners).await?;
        let missing: Vec<Uuid> = owners
            .iter()
            .copied()
            .filter(|owner| !ring.knows(*owner))
            .collect();
        if missing.is_empty() {
            return Ok(ring);
        }
        let wrapped: Vec<Vec<u8>> = missing
            .iter()
            .map(|owner| self.inner.master.wrap(*owner, &DataKey::random()))
            .collect();
        self.insert(&missing, &wrapped, now).await?;
        // Another process may have been first: what the table holds now counts.
        ring.extend(self.fetch(&missing).await?);
        Ok(ring)
    }

    async fn insert(
        &self,
        owners: &[Uuid],
        wrapped: &[Vec<u8>],
        now: OffsetDateTime,
    ) -> Result<(), VaultError> {
        let client = self.inner.pool.get().await?;
        let statement = client
            .prepare_cached(
                "insert into publishing_keys (key_id, wrapped, created_at) \
                 select k.id, k.wrapped, $3 from unnest($1::uuid[], $2::bytea[]) as k(id, wrapped) \
                 on conflict (key_id) do nothing",
            )
            .await?;
        client
            .execute(&statement, &[&owners, &wrapped, &now])
            .await?;
        Ok(())
    }

    /// The keys of these owners, as far as they exist.
    pub async fn keys(&self, owners: &[Uuid]) -> Result<KeyRing, VaultError> {
        let mut ring = KeyRing::default();
        let mut missing = Vec::new();
        {
            let cache = self
                .inner
                .cache
                .lock()
                .expect("no panic while the cache is held");
            for owner in owners {
                match cache.get(owner) {
                    Some((key, since)) if since.elapsed() < CACHE_FOR => {
                        ring.insert(*owner, Some(key.clone()));
                    }
                    _ => missing.push(*owner),
                }
            }
        }
        if !missing.is_empty() {
            ring.extend(self.fetch(&missing).await?);
        }
        Ok(ring)
    }

    async fn fetch(&self, owners: &[Uuid]) -> Result<KeyRing, VaultError> {
        let client = self.inner.pool.get().await?;
        let statement = client
            .prepare_cached("select key_id, wrapped from publishing_keys where key_id = any($1)")
            .await?;
        let mut ring = KeyRing::default();
        for row in client.query(&statement, &[&owners]).await? {
            let owner: Uuid = row.get(0);
            let key = match row.get::<_, Option<&[u8]>>(1) {
                None => None,
                Some(wrapped) => Some(
                    self.inner
                        .master
                        .unwrap(owner, wrapped)
                        .ok_or(VaultError::WrongMasterKey(owner))?,
                ),
            };
            ring.insert(owner, key);
        }
        let mut cache = self
            .inner
            .cache
            .lock()
            .expect("no panic while the cache is held");
        if cache.len() + owners.len() > CACHE_KEYS_MAX {
            cache.clear();
        }
        let now = Instant::now();
        cache.extend(ring.live().map(|(owner, key)| (owner, (key.clone(), now))));
        Ok(ring)
    }

    /// Destroys the keys for good. Whatever they sealed can not be opened any more, here or in a copy.
    pub async fn shred(&self, owners: &[Uuid], now: OffsetDateTime) -> Result<(), VaultError> {
        let client = self.inner.pool.get().await?;
        client
            .execute(
                "insert into publishing_keys (key_id, wrapped, created_at, shredded_at) \
                 select id, null, $2, $2 from unnest($1::uuid[]) as k(id) \
                 on conflict (key_id) do update set wrapped = null, shredded_at = $2 \
                 where publishing_keys.wrapped is not null",
                &[&owners, &now],
            )
            .await?;
        let mut cache = self
            .inner
            .cache
            .lock()
            .expect("no panic while the cache is held");
        for owner in owners {
            cache.remove(owner);
        }
        Ok(())
    }

    /// The installation's key for ids that must not be guessable, made at first use.
    pub async fn id_key(&self, now: OffsetDateTime) -> Result<IdKey, VaultError> {
        self.installation_key(ID_KEY, now)
            .await
            .map(|key| IdKey::new(key.secret()))
    }

    /// The installation's keys for links in mails, made at first use.
    pub async fn link_keys(&self, now: OffsetDateTime) -> Result<LinkKeys, VaultError> {
        self.installation_key(LINK_KEY, now)
            .await
            .map(|key| LinkKeys::new(LinkKey::new(1, key.secret()), Vec::new()))
    }

    async fn installation_key(
        &self,
        key_id: Uuid,
        now: OffsetDateTime,
    ) -> Result<DataKey, VaultError> {
        let ring = self.ensure(&[key_id], now).await?;
        ring.get(key_id)
            .cloned()
            .ok_or(VaultError::InstallationKeyGone(key_id))
    }
}
