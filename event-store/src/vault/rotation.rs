//! Another master key takes the place of the one in use: every key is wrapped anew, page by page, while everybody
//! goes on. Events are not touched.
//!
//! The change itself is one row of `publishing_master_keys`, written while nobody writes keys. From then on the
//! table of keys refuses what an earlier master key has wrapped, so one pass over it finds all there is to wrap anew,
//! and whoever else writes a key learns of the change. Until the pass has ended, both master keys are needed.

use deadpool_postgres::Transaction;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

use super::master::{MasterId, MasterKey, Wrapped};
use super::{Vault, VaultError};
use crate::crash_point;
use crate::progress::Progress;

/// Keys wrapped anew in one transaction.
const PAGE: i64 = 500;
/// Whoever changes the master key waits for those who write keys, and they for it.
const LOCK: &str = "select pg_advisory_xact_lock(7310575178592774531)";

/// A change of master key under way. It can be dropped between two steps, or at any moment of one: begun again, it
/// goes on.
pub struct Rotation {
    vault: Vault,
    to: MasterKey,
    stage: Stage,
    /// The next page begins here.
    from: Uuid,
    progress: RotationProgress,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Wrap,
    Verify,
    Finished,
}

/// How far a rotation is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RotationProgress {
    /// Keys there were at its begin; each is looked at twice.
    pub live: u64,
    /// Keys looked at.
    pub looked_at: u64,
    /// Keys wrapped anew by this run.
    pub rewrapped: u64,
    /// Keys that the new master key was seen to open.
    pub verified: u64,
}

/// Why the master key could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// The keys could not be had.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Another change has not ended.
    #[error("the change to the master key {0} has not ended: finish it first, with that key")]
    Unfinished(MasterId),
    /// A master key that was replaced does not come back.
    #[error("the master key {0} was in use before and was replaced: take a fresh one")]
    UsedBefore(MasterId),
}

impl From<tokio_postgres::Error> for RotateError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Vault(error.into())
    }
}

impl From<deadpool_postgres::PoolError> for RotateError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        Self::Vault(error.into())
    }
}

impl Vault {
    /// Puts `to` in use, or goes on with that. Nothing is changed unless the master keys of all keys are at hand.
    ///
    /// # Errors
    /// When another change has not ended, `to` was replaced before, or a master key is missing.
    pub async fn rotate(
        &self,
        to: MasterKey,
        now: OffsetDateTime,
    ) -> Result<Rotation, RotateError> {
        let status = self.status().await?;
        for (id, _) in &status.wrapped_by {
            if *id != to.id() {
                self.inner.masters.get(*id).await?;
            }
        }
        self.put_in_use(to.id(), now).await?;
        Ok(Rotation {
            vault: self.clone(),
            to,
            stage: Stage::Wrap,
            from: Uuid::nil(),
            progress: RotationProgress {
                live: status.live,
                ..RotationProgress::default()
            },
        })
    }

    async fn put_in_use(&self, to: MasterId, now: OffsetDateTime) -> Result<(), RotateError> {
        let mut client = self.inner.pool.get().await?;
        let transaction = client.transaction().await?;
        transaction.execute(LOCK, &[]).await?;
        let rows = transaction
            .query(
                "select master_id, ordinal, finished_at is not null from publishing_master_keys \
                 order by ordinal desc",
                &[],
            )
            .await?;
        let is = |row: &Row| row.get::<_, &[u8]>(0) == to.bytes();
        let mut ordinal = 1;
        if let Some(last) = rows.first() {
            if is(last) {
                return Ok(());
            }
            if !last.get::<_, bool>(2) {
                return Err(RotateError::Unfinished(id_of(last)?));
            }
            if rows.iter().any(is) {
                return Err(RotateError::UsedBefore(to));
            }
            ordinal = last.get::<_, i32>(1) + 1;
        }
        transaction
            .execute(
                "insert into publishing_master_keys (master_id, ordinal, began_at) values ($1, $2, $3)",
                &[&to.bytes(), &ordinal, &now],
            )
            .await?;
        transaction.commit().await?;
        crash_point!("rotate.begun");
        Ok(())
    }

    /// The master key whose keys the table takes.
    pub(super) async fn master_in_use(&self) -> Result<MasterId, VaultError> {
        let client = self.inner.pool.get().await?;
        let sql = "select master_id from publishing_master_keys order by ordinal desc limit 1";
        let row = client.query_opt(sql, &[]).await?;
        id_of(&row.ok_or(VaultError::NoMasterKey)?)
    }
}

impl Rotation {
    /// How far it is.
    pub fn progress(&self) -> RotationProgress {
        self.progress
    }

    /// Wraps one page of keys anew; then, from the first again, looks at one page whether the new master key opens
    /// it; then puts the end on record. Idle once that is done: then the other master keys are not needed any more.
    ///
    /// # Errors
    /// When the database cannot be asked, or a key cannot be opened; what is done stays done.
    pub async fn step(&mut self, now: OffsetDateTime) -> Result<Progress, RotateError> {
        let next = match self.stage {
            Stage::Wrap => self.wrap_page().await?,
            Stage::Verify => self.verify_page().await?,
            Stage::Finished => return Ok(Progress::Idle),
        };
        if let Some(from) = next {
            self.from = from;
            return Ok(Progress::Advanced);
        }
        self.from = Uuid::nil();
        self.stage = match self.stage {
            Stage::Wrap => Stage::Verify,
            Stage::Verify | Stage::Finished => {
                self.finish(now).await?;
                Stage::Finished
            }
        };
        Ok(Progress::Advanced)
    }

    /// Where the next page begins; `None`: this was the last.
    async fn wrap_page(&mut self) -> Result<Option<Uuid>, RotateError> {
        let mut client = self.vault.inner.pool.get().await?;
        let transaction = client.transaction().await?;
        // Locked in the order in which everybody locks them: a key that is shredded meanwhile stays shredded.
        let rows = page(&transaction, self.from, "for update").await?;
        let (mut owners, mut wrapped) = (Vec::new(), Vec::new());
        for row in &rows {
            let (owner, bytes): (Uuid, &[u8]) = (row.get(0), row.get(1));
            if Wrapped::read(bytes).is_some_and(|it| it.by == self.to.id()) {
                continue;
            }
            let key = self.vault.unwrap(owner, bytes).await?;
            owners.push(owner);
            wrapped.push(self.to.wrap(owner, &key));
        }
        if !owners.is_empty() {
            transaction
                .execute(
                    "update publishing_keys k set wrapped = n.wrapped \
                     from unnest($1::uuid[], $2::bytea[]) as n(id, wrapped) where k.key_id = n.id",
                    &[&owners, &wrapped],
                )
                .await?;
        }
        transaction.commit().await?;
        crash_point!("rotate.wrapped");
        self.progress.looked_at += rows.len() as u64;
        self.progress.rewrapped += owners.len() as u64;
        Ok(after(&rows))
    }

    async fn verify_page(&mut self) -> Result<Option<Uuid>, RotateError> {
        let mut client = self.vault.inner.pool.get().await?;
        let transaction = client.transaction().await?;
        let rows = page(&transaction, self.from, "").await?;
        for row in &rows {
            let (owner, bytes): (Uuid, &[u8]) = (row.get(0), row.get(1));
            let wrapped = Wrapped::read(bytes).ok_or(VaultError::Damaged(owner))?;
            self.to.unwrap(owner, &wrapped)?;
        }
        self.progress.looked_at += rows.len() as u64;
        self.progress.verified += rows.len() as u64;
        Ok(after(&rows))
    }

    async fn finish(&self, now: OffsetDateTime) -> Result<(), RotateError> {
        let client = self.vault.inner.pool.get().await?;
        client
            .execute(
                "update publishing_master_keys set finished_at = $2 \
                 where master_id = $1 and finished_at is null",
                &[&self.to.id().bytes(), &now],
            )
            .await?;
        crash_point!("rotate.finished");
        Ok(())
    }
}

async fn page(
    transaction: &Transaction<'_>,
    from: Uuid,
    lock: &str,
) -> Result<Vec<Row>, tokio_postgres::Error> {
    let sql = format!(
        "select key_id, wrapped from publishing_keys \
         where key_id >= $1 and wrapped is not null order by key_id limit $2 {lock}"
    );
    let statement = transaction.prepare_cached(&sql).await?;
    transaction.query(&statement, &[&from, &PAGE]).await
}

/// Where the page after this one begins.
fn after(rows: &[Row]) -> Option<Uuid> {
    let last: Uuid = rows.last()?.get(0);
    last.as_u128().checked_add(1).map(Uuid::from_u128)
}

fn id_of(row: &Row) -> Result<MasterId, VaultError> {
    // The table holds 8 bytes.
    MasterId::from_slice(row.get(0)).ok_or(VaultError::NoMasterKey)
}
