//! The vault: personal data and secrets inside events are sealed under a key of their owner's, and the
//! keys lie in the database wrapped by a master key that never enters it. Shredding a key erases
//! whatever it sealed, in every copy of the log.

mod cache;
mod cipher;
mod error;
mod master;
mod masters;
mod ring;
mod rotation;
mod status;
mod watch;

use std::sync::Arc;

use deadpool_postgres::Pool;
use tidings_domain::id::IdKey;
use tidings_domain::token::{LinkKey, LinkKeys};
use time::OffsetDateTime;
use tokio::time::{Duration, Instant, timeout};
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use crate::crash_point;
use crate::log::ANSWER_WITHIN;
use crate::witness::SigningKey;

use cache::{Bounds, Cache};
pub use cipher::DataKey;
pub(crate) use cipher::random;
use cipher::{Material, random_key};
pub use error::VaultError;
use master::Wrapped;
pub use master::{MasterId, MasterKey, MasterKeyError};
use masters::Masters;
pub use masters::{MasterSource, SourceError};
pub(crate) use ring::keys_of_value;
pub use ring::{EventOpener, EventSealer, KeyRing, Under};
pub use rotation::{RotateError, Rotation, RotationProgress};
pub use status::KeyStatus;

/// Opened keys in memory. The age is how long another process's shredding may go unnoticed when this one cannot
/// hear of it.
const BOUNDS: Bounds = Bounds {
    keys_max: 65_536,
    keep_for: Duration::from_secs(60),
};

/// What the table `publishing_keys` answers to keys that are not wrapped by the master key in use.
const NOT_IN_USE: &str = "TD001";
/// Times a master key is found to have been replaced before the database's answer is handed on.
const REPLACED_MAX: u32 = 3;

/// Key rows that belong to the installation, not to a subject.
const ID_KEY: Uuid = Uuid::from_bytes(*b"tidings\x80\x80 id key");
const LINK_KEY: Uuid = Uuid::from_bytes(*b"tidings\x80\x80linkkey");
const TRACKING_KEY: Uuid = Uuid::from_bytes(*b"tidings\x80\x80tracked");
const WITNESS_KEY: Uuid = Uuid::from_bytes(*b"tidings\x80\x80witness");

/// Makes, keeps and destroys keys. A cheap handle.
#[derive(Clone)]
pub struct Vault {
    inner: Arc<Inner>,
}

struct Inner {
    pool: Pool,
    masters: Masters,
    cache: Cache,
}

impl Vault {
    /// A vault over the key table of this database, with the only master key there will be.
    pub fn new(pool: Pool, master: MasterKey) -> Self {
        Self::over(pool, Masters::new(vec![master], None))
    }

    /// The same with the master keys at hand; `source` is asked when a key is wrapped by another.
    pub fn with_source(pool: Pool, masters: Vec<MasterKey>, source: MasterSource) -> Self {
        Self::over(pool, Masters::new(masters, Some(source)))
    }

    fn over(pool: Pool, masters: Masters) -> Self {
        Self {
            inner: Arc::new(Inner {
                pool,
                masters,
                cache: Cache::new(BOUNDS),
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
        self.make(&missing, now).await?;
        // Another process may have been first: what the table holds now counts.
        ring.extend(self.keys(&missing).await?);
        Ok(ring)
    }

    /// Makes keys, wrapped by the master key in use. If that is another by now, the table says so, or the source, which has the
    /// former one no more.
    async fn make(&self, owners: &[Uuid], now: OffsetDateTime) -> Result<(), VaultError> {
        let mut replaced = 0;
        loop {
            match self.make_as_known(owners, now).await {
                Err(error) if replaced < REPLACED_MAX && is_not_in_use(&error) => {
                    replaced += 1;
                    let in_use = self.master_in_use().await?;
                    self.inner.masters.use_from_now(in_use).await?;
                }
                made => return made,
            }
        }
    }

    /// The same by the master key that is in use as far as this process knows.
    async fn make_as_known(&self, owners: &[Uuid], now: OffsetDateTime) -> Result<(), VaultError> {
        let master = self.inner.masters.in_use().await?;
        let wrapped: Vec<Vec<u8>> = owners
            .iter()
            .map(|owner| master.wrap(*owner, &random_key()))
            .collect();
        self.insert(owners, &wrapped, now).await
    }

    async fn insert(
        &self,
        owners: &[Uuid],
        wrapped: &[Vec<u8>],
        now: OffsetDateTime,
    ) -> Result<(), VaultError> {
        // In one order for everybody, so that two who make the same keys wait for each other and not in a circle.
        let sql = "insert into publishing_keys (key_id, wrapped, created_at) \
             select k.id, k.wrapped, $3 from unnest($1::uuid[], $2::bytea[]) as k(id, wrapped) \
             order by k.id on conflict (key_id) do nothing";
        in_time(async {
            let client = self.inner.pool.get().await?;
            let statement = client.prepare_cached(sql).await?;
            client
                .execute(&statement, &[&owners, &wrapped, &now])
                .await?;
            Ok(())
        })
        .await
    }

    /// The keys of these owners, as far as they exist. However many are asked for, those that are not in memory are
    /// read in one statement.
    pub async fn keys(&self, owners: &[Uuid]) -> Result<KeyRing, VaultError> {
        loop {
            let looked = self.inner.cache.look(owners, Instant::now());
            let mut ring = looked.ring;
            if looked.missing.is_empty() {
                return Ok(ring);
            }
            let read = self.read(&looked.missing).await?;
            // Else a key was shredded while these were read, perhaps one of them: they are read again.
            if let Some(read) = self.inner.cache.keep(read, looked.shreds, Instant::now()) {
                ring.extend(read);
                return Ok(ring);
            }
        }
    }

    async fn read(&self, owners: &[Uuid]) -> Result<Vec<(Uuid, Option<DataKey>)>, VaultError> {
        let sql = "select key_id, wrapped from publishing_keys where key_id = any($1)";
        // A source may take its time; others need the connection meanwhile.
        let rows = in_time(async {
            let client = self.inner.pool.get().await?;
            let statement = client.prepare_cached(sql).await?;
            Ok(client.query(&statement, &[&owners]).await?)
        })
        .await?;
        let mut keys = Vec::with_capacity(rows.len());
        for row in rows {
            let owner: Uuid = row.get(0);
            let key = match row.get::<_, Option<&[u8]>>(1) {
                None => None,
                Some(wrapped) => Some(DataKey::new(self.unwrap(owner, wrapped).await?)),
            };
            keys.push((owner, key));
        }
        Ok(keys)
    }

    async fn unwrap(&self, owner: Uuid, wrapped: &[u8]) -> Result<Material, VaultError> {
        let wrapped = Wrapped::read(wrapped).ok_or(VaultError::Damaged(owner))?;
        let master = self.inner.masters.get(wrapped.by).await?;
        master.unwrap(owner, &wrapped)
    }

    /// Destroys the keys for good. Whatever they sealed can not be opened any more, here or in a copy: in this process
    /// not even with a ring that was read before, in others as soon as they hear of it.
    ///
    /// # Errors
    /// When the database does not answer: then they may be destroyed and may not be, and it is to be asked again
    /// ([`Self::shredded`]). Doing it twice changes nothing.
    pub async fn shred(&self, owners: &[Uuid], now: OffsetDateTime) -> Result<(), VaultError> {
        // Whatever becomes of the statement, memory is no witness of these keys any more.
        let _distrusted = Distrusted {
            cache: &self.inner.cache,
            owners,
        };
        let sql = "insert into publishing_keys (key_id, wrapped, created_at, shredded_at) \
             select distinct id, null::bytea, $2::timestamptz, $2::timestamptz \
                 from unnest($1::uuid[]) as k(id) order by id \
             on conflict (key_id) do update set wrapped = null, shredded_at = $2 \
             where publishing_keys.wrapped is not null";
        in_time(async {
            let client = self.inner.pool.get().await?;
            crash_point!("shred.before_call");
            Ok(client.execute(sql, &[&owners, &now]).await?)
        })
        .await?;
        crash_point!("shred.recorded");
        self.inner.cache.destroy(owners);
        Ok(())
    }

    /// Which of these keys are destroyed, and since when by the clock of whoever destroyed them.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn shredded(
        &self,
        owners: &[Uuid],
    ) -> Result<Vec<(Uuid, OffsetDateTime)>, VaultError> {
        let sql = "select key_id, shredded_at from publishing_keys \
                   where key_id = any($1) and wrapped is null order by key_id";
        let rows = in_time(async {
            let client = self.inner.pool.get().await?;
            let statement = client.prepare_cached(sql).await?;
            Ok(client.query(&statement, &[&owners]).await?)
        })
        .await?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// The installation's key for ids that must not be guessable, made at first use.
    pub async fn id_key(&self, now: OffsetDateTime) -> Result<IdKey, VaultError> {
        self.installation_key(ID_KEY, now)
            .await
            .map(|key| IdKey::new(*key))
    }

    /// The installation's keys for links in mails, made at first use.
    pub async fn link_keys(&self, now: OffsetDateTime) -> Result<LinkKeys, VaultError> {
        self.installation_key(LINK_KEY, now)
            .await
            .map(|key| LinkKeys::new(LinkKey::new(1, *key), Vec::new()))
    }

    /// The installation's keys for what mails tell about themselves, made at first use: others than those by which readers leave.
    pub async fn tracking_keys(&self, now: OffsetDateTime) -> Result<LinkKeys, VaultError> {
        self.installation_key(TRACKING_KEY, now)
            .await
            .map(|key| LinkKeys::new(LinkKey::new(1, *key), Vec::new()))
    }

    /// The installation's key that signs the witness, made at first use.
    pub async fn witness_key(&self, now: OffsetDateTime) -> Result<SigningKey, VaultError> {
        self.installation_key(WITNESS_KEY, now)
            .await
            .map(|key| SigningKey::from_seed(&key))
    }

    async fn installation_key(
        &self,
        key_id: Uuid,
        now: OffsetDateTime,
    ) -> Result<Material, VaultError> {
        let ring = self.ensure(&[key_id], now).await?;
        ring.get(key_id)
            .and_then(DataKey::secret)
            .ok_or(VaultError::InstallationKeyGone(key_id))
    }
}

/// The answer, or word that there is none in time.
async fn in_time<T>(answer: impl Future<Output = Result<T, VaultError>>) -> Result<T, VaultError> {
    let answer = timeout(ANSWER_WITHIN, answer).await;
    answer.unwrap_or(Err(VaultError::NoAnswer))
}

fn is_not_in_use(error: &VaultError) -> bool {
    match error {
        VaultError::Database(error) => error.code().map(SqlState::code) == Some(NOT_IN_USE),
        VaultError::WrongMasterKey(_) => true,
        _ => false,
    }
}

/// Makes the cache ask again for keys whose shredding was begun, also when nobody waits for its end any more.
struct Distrusted<'a> {
    cache: &'a Cache,
    owners: &'a [Uuid],
}

impl Drop for Distrusted<'_> {
    fn drop(&mut self) {
        self.cache.distrust(self.owners);
    }
}
