//! Rebuilding a view from the log while it goes on serving: the whole log is folded in memory into the
//! tables of the next generation, caught up, and put into service in one short transaction.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Object, Transaction};
use tokio_postgres::error::SqlState;

use super::derived::Derivation;
use super::row::Merge;
use super::runner::{add, apply, fingerprint, fold};
use super::{Row, View, ViewError};
use crate::feed::Item;
use crate::store::Store;

const PAGE: i64 = 5_000;
/// Rows held in memory before they are merged into the new table.
const ROWS_MAX: usize = 200_000;
/// This close to the live view, the rest is folded in the transaction that swaps.
const CLOSE: i64 = 2_000;
/// Times the swap waits for its turn: waiting in line for a table's lock, it holds up every reader behind it.
const SWAPS_MAX: u32 = 5;
const PAUSE_BETWEEN_SWAPS: Duration = Duration::from_millis(500);

/// What to do with the rebuilt rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RebuildMode {
    /// They take the place of the old ones.
    Replace,
    /// They are compared with the old ones and dropped.
    Verify,
}

/// How far a rebuild is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RebuildProgress {
    /// Events folded.
    pub position: i64,
    /// Events there are.
    pub head: i64,
}

/// How a rebuild ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// The position both old and new stood at.
    pub position: i64,
    /// Rows of the new tables that differ from the old ones', and the other way round. Always 0 unless
    /// the mode was to verify.
    pub differences: i64,
}

/// Rebuilds a view. `progress` is told after each page.
pub async fn rebuild<V: View>(
    store: &Store,
    mode: RebuildMode,
    progress: &mut (dyn FnMut(RebuildProgress) + Send),
) -> Result<Rebuilt, ViewError>
where
    V::Row: Merge,
{
    let mut rebuild = Rebuild::<V>::begin(store).await?;
    loop {
        let target = rebuild.target().await?;
        while rebuild.position < target {
            rebuild.page(target).await?;
            progress(RebuildProgress {
                position: rebuild.position,
                head: target,
            });
        }
        rebuild.flush().await?;
        if rebuild.target().await? - rebuild.position < CLOSE {
            break;
        }
    }
    rebuild.finish(mode).await
}

struct Rebuild<'a, V: View> {
    store: &'a Store,
    /// Holds the advisory lock, one rebuild of a view at a time. It is not the pool's: however the
    /// rebuild ends, the session ends with it, and the lock with the session.
    client: ClientWrapper,
    derived: Vec<Arc<dyn Derivation<V::Row>>>,
    before: i32,
    generation: i32,
    position: i64,
    rows: HashMap<<V::Row as Row>::Key, V::Row>,
    view: PhantomData<V>,
}

impl<'a, V: View> Rebuild<'a, V>
where
    V::Row: Merge,
{
    async fn begin(store: &'a Store) -> Result<Self, ViewError> {
        // The view must exist to be replaced; a runner's first step creates it.
        let feed = crate::feed::Feed::open(store.log().clone()).await?;
        super::Runner::<V>::new(store.clone(), feed).step().await?;
        let view = V::DEFINITION.name;
        let write = || ViewError::write(view);
        let mut client = Object::take(store.log().pool().get().await?);
        client
            .execute("select pg_advisory_lock(hashtext($1))", &[&view])
            .await
            .map_err(write())?;
        let row = client
            .query_one(
                "select generation from publishing_views where view = $1",
                &[&view],
            )
            .await
            .map_err(write())?;
        let before: i32 = row.get(0);
        let generation = before + 1;
        let derived = V::derived();
        let transaction = client.transaction().await.map_err(write())?;
        for definition in definitions::<V>(&derived) {
            definition
                .create(&transaction, generation)
                .await
                .map_err(write())?;
        }
        transaction.commit().await.map_err(write())?;
        Ok(Self {
            store,
            client,
            derived,
            before,
            generation,
            position: 0,
            rows: HashMap::new(),
            view: PhantomData,
        })
    }

    async fn target(&self) -> Result<i64, ViewError> {
        Ok(super::position(self.store.log().pool(), V::DEFINITION.name)
            .await?
            .unwrap_or(0))
    }

    /// Folds one page in memory.
    async fn page(&mut self, target: i64) -> Result<(), ViewError> {
        let page = page_after(self.store, self.position, target).await?;
        for (_, row) in fold::<V>(self.store, &page).await? {
            add(&mut self.rows, row);
        }
        self.position = page.last().map_or(target, |item| item.position());
        if self.rows.len() > ROWS_MAX {
            self.flush().await?;
        }
        Ok(())
    }

    /// Merges what is in memory into the new table.
    async fn flush(&mut self) -> Result<(), ViewError> {
        let write = || ViewError::write(V::DEFINITION.name);
        let transaction = self.client.transaction().await.map_err(write())?;
        still_ours::<V>(&transaction, self.before).await?;
        apply::<V>(
            &transaction,
            self.generation,
            std::mem::take(&mut self.rows),
            &self.derived,
        )
        .await?;
        transaction.commit().await.map_err(write())
    }

    /// Swaps or compares, once the lock for it is to be had.
    async fn finish(mut self, mode: RebuildMode) -> Result<Rebuilt, ViewError> {
        if mode == RebuildMode::Replace {
            self.create_indexes().await?;
        }
        for attempt in 1..SWAPS_MAX {
            match self.swap(mode).await {
                Err(ViewError::Write { source, .. })
                    if source.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {}
                swapped => return swapped,
            }
            tokio::time::sleep(PAUSE_BETWEEN_SWAPS * attempt).await;
        }
        self.swap(mode).await
    }

    /// While the old tables serve: it may take long.
    async fn create_indexes(&mut self) -> Result<(), ViewError> {
        let write = || ViewError::write(V::DEFINITION.name);
        let transaction = self.client.transaction().await.map_err(write())?;
        still_ours::<V>(&transaction, self.before).await?;
        for definition in definitions::<V>(&self.derived) {
            definition
                .create_indexes(&transaction, self.generation)
                .await
                .map_err(write())?;
        }
        transaction.commit().await.map_err(write())
    }

    /// Stops the live view for a moment, folds the rest, and swaps or compares.
    async fn swap(&mut self, mode: RebuildMode) -> Result<Rebuilt, ViewError> {
        let view = V::DEFINITION.name;
        let write = || ViewError::write(view);
        let transaction = self.client.transaction().await.map_err(write())?;
        transaction
            .batch_execute("set local lock_timeout = '2s'")
            .await
            .map_err(write())?;
        let row = transaction
            .query_one(
                "select position, generation from publishing_views where view = $1 for update",
                &[&view],
            )
            .await
            .map_err(write())?;
        let live: i64 = row.get(0);
        if row.get::<_, i32>(1) != self.before {
            return Err(ViewError::Superseded { view });
        }
        // Not self's: the next attempt starts from what is committed.
        let mut position = self.position;
        while position < live {
            let page = page_after(self.store, position, live).await?;
            let rows = fold::<V>(self.store, &page).await?;
            apply::<V>(&transaction, self.generation, rows, &self.derived).await?;
            position = page.last().map_or(live, |item| item.position());
        }
        let mut differences = 0;
        for definition in definitions::<V>(&self.derived) {
            match mode {
                RebuildMode::Replace => {
                    definition
                        .serve(&transaction, self.generation, Some(self.before))
                        .await
                        .map_err(write())?;
                }
                RebuildMode::Verify => {
                    let (old, new) = (
                        definition.table(self.before),
                        definition.table(self.generation),
                    );
                    differences += compare(&transaction, &old, &new).await.map_err(write())?;
                    transaction
                        .batch_execute(&format!("drop table {new}"))
                        .await
                        .map_err(write())?;
                }
            }
        }
        if mode == RebuildMode::Replace {
            let definition = fingerprint(V::DEFINITION, &self.derived);
            transaction
                .execute(
                    "update publishing_views set generation = $2, definition = $3, rebuilt_at = clock_timestamp() \
                     where view = $1",
                    &[&view, &self.generation, &definition],
                )
                .await
                .map_err(write())?;
        }
        transaction.commit().await.map_err(write())?;
        Ok(Rebuilt {
            position: live,
            differences,
        })
    }
}

/// Fails if the view was started over since the rebuild began: its next table is then the live one. The
/// lock comes first, so that nobody can take the table away between this look and the commit.
async fn still_ours<V: View>(transaction: &Transaction<'_>, before: i32) -> Result<(), ViewError> {
    let view = V::DEFINITION.name;
    let table = V::DEFINITION.table(before + 1);
    transaction
        .batch_execute(&format!("lock table {table} in row exclusive mode"))
        .await
        .map_err(ViewError::write(view))?;
    let row = transaction
        .query_one(
            "select generation from publishing_views where view = $1",
            &[&view],
        )
        .await
        .map_err(ViewError::write(view))?;
    if row.get::<_, i32>(0) == before {
        Ok(())
    } else {
        Err(ViewError::Superseded { view })
    }
}

fn definitions<V: View>(derived: &[Arc<dyn Derivation<V::Row>>]) -> Vec<super::Definition> {
    [V::DEFINITION]
        .into_iter()
        .chain(derived.iter().map(|derivation| derivation.definition()))
        .collect()
}

async fn page_after(store: &Store, position: i64, up_to: i64) -> Result<Vec<Arc<Item>>, ViewError> {
    let limit = PAGE.min(up_to - position);
    let page = store.log().page_after(position, limit).await?;
    Ok(page
        .into_iter()
        .map(|recorded| Arc::new(Item::new(recorded, None)))
        .collect())
}

async fn compare(
    transaction: &Transaction<'_>,
    old: &str,
    new: &str,
) -> Result<i64, tokio_postgres::Error> {
    let sql = format!(
        "select (select count(*) from (table {old} except all table {new}) a) \
              + (select count(*) from (table {new} except all table {old}) b)"
    );
    Ok(transaction.query_one(&sql, &[]).await?.get(0))
}
