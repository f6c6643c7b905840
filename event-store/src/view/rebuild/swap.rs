//! The end of a rebuild: the new tables get their indexes and catch up with the live view, which is then
//! stopped for the rest, and they are put into service, or compared.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Transaction};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::{RebuildMode, of_view};
use crate::crash_point;
use crate::feed::Item;
use crate::store::Store;
use crate::view::derived::Derivation;
use crate::view::opening::{fingerprint, folds};
use crate::view::row::Merge;
use crate::view::runner::{apply, fold};
use crate::view::skips::skipped;
use crate::view::{Definition, View, ViewError, position};

const PAGE: i64 = 5_000;
/// This close to the live view, the rest is folded in the transaction that swaps.
const CLOSE: i64 = 2_000;
/// Times the swap waits for its turn: waiting in line for a table's lock, it holds up every reader behind it.
const SWAPS_MAX: u32 = 5;
/// The swap stops the live view, and then all its readers: one whose process freezes meanwhile must not stop them for
/// longer.
const BRIEFLY: &str =
    "set local lock_timeout = '2s'; set local idle_in_transaction_session_timeout = '20s'";
const PAUSE_BETWEEN_SWAPS: Duration = Duration::from_millis(500);

/// The tables of the next generation.
pub(super) struct Next<'a, R> {
    pub(super) generation: i32,
    pub(super) derived: &'a [Arc<dyn Derivation<R>>],
}

/// A new generation, filled up to a position.
pub(super) struct Swap<'a, V: View> {
    pub(super) store: &'a Store,
    pub(super) writer: &'a mut ClientWrapper,
    pub(super) next: Next<'a, V::Row>,
    pub(super) skips: &'a BTreeSet<i64>,
    pub(super) position: i64,
    pub(super) mode: RebuildMode,
}

impl<V: View> Swap<'_, V>
where
    V::Row: Merge,
{
    /// Catches up, then swaps or compares once the lock for it is to be had. Gives the position both stood
    /// at, and the number of rows that differed.
    pub(super) async fn run(&mut self) -> Result<(i64, i64), ViewError> {
        if self.mode == RebuildMode::Replace {
            self.create_indexes().await?;
        }
        self.catch_up().await?;
        for attempt in 1..SWAPS_MAX {
            match self.swap().await {
                Err(ViewError::Write { source, .. })
                    if source.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {}
                swapped => return swapped,
            }
            tokio::time::sleep(PAUSE_BETWEEN_SWAPS * attempt).await;
        }
        self.swap().await
    }

    /// While the old tables serve: it may take long.
    async fn create_indexes(&mut self) -> Result<(), ViewError> {
        let view = V::DEFINITION.name;
        let transaction = of_view(view, self.writer.transaction()).await?;
        still_ours::<V>(&transaction, self.next.generation - 1).await?;
        for definition in definitions::<V>(self.next.derived) {
            let created = definition.create_indexes(&transaction, self.next.generation);
            of_view(view, created).await?;
        }
        crash_point!("rebuild.before_indexed");
        of_view(view, transaction.commit()).await
    }

    /// Folds what the live view has folded meanwhile, until little is left.
    async fn catch_up(&mut self) -> Result<(), ViewError> {
        let view = V::DEFINITION.name;
        loop {
            let live = position(self.store.log().pool(), view).await?.unwrap_or(0);
            if live - self.position < CLOSE {
                return Ok(());
            }
            let transaction = of_view(view, self.writer.transaction()).await?;
            still_ours::<V>(&transaction, self.next.generation - 1).await?;
            let through = live.min(self.position + PAGE);
            fold_up_to::<V>(
                self.store,
                (self.position, through),
                self.skips,
                (&transaction, &self.next),
            )
            .await?;
            of_view(view, transaction.commit()).await?;
            self.position = through;
        }
    }

    /// Stops the live view for a moment, folds the rest, and swaps or compares.
    async fn swap(&mut self) -> Result<(i64, i64), ViewError> {
        let view = V::DEFINITION.name;
        let before = self.next.generation - 1;
        let transaction = of_view(view, self.writer.transaction()).await?;
        of_view(view, transaction.batch_execute(BRIEFLY)).await?;
        let sql = "select position, generation from publishing_views where view = $1 for update";
        let row = of_view(view, transaction.query_one(sql, &[&view])).await?;
        let live: i64 = row.get(0);
        // Whoever skips an event holds that row too: from here on none can be added.
        if row.get::<_, i32>(1) != before || skipped::<V>(self.store).await? != *self.skips {
            return Err(ViewError::Superseded { view });
        }
        crash_point!("rebuild.live_view_stopped");
        // Not self's: the next attempt starts from what is committed.
        fold_up_to::<V>(
            self.store,
            (self.position, live),
            self.skips,
            (&transaction, &self.next),
        )
        .await?;
        let position = live.max(self.position);
        let differences = match self.mode {
            RebuildMode::Replace => {
                serve::<V>(&transaction, &self.next, position).await?;
                0
            }
            RebuildMode::Verify => compare_all::<V>(&transaction, &self.next).await?,
        };
        crash_point!("rebuild.before_swapped");
        of_view(view, transaction.commit()).await?;
        crash_point!("rebuild.swapped");
        Ok((position, differences))
    }
}

/// Puts the new tables into service.
async fn serve<V: View>(
    transaction: &Transaction<'_>,
    &Next {
        generation,
        derived,
    }: &Next<'_, V::Row>,
    position: i64,
) -> Result<(), ViewError> {
    let view = V::DEFINITION.name;
    for definition in definitions::<V>(derived) {
        let served = definition.serve(transaction, generation, Some(generation - 1));
        of_view(view, served).await?;
    }
    let sql = "update publishing_views set generation = $2, definition = $3, position = $4, fold = $5, \
               rebuilt_at = clock_timestamp() where view = $1";
    let definition = fingerprint(V::DEFINITION, derived);
    let fold = folds(V::DEFINITION, derived);
    let values: [&(dyn ToSql + Sync); 5] = [&view, &generation, &definition, &position, &fold];
    let updated = transaction.execute(sql, &values);
    of_view(view, updated).await.map(drop)
}

/// Compares the new tables with those in service.
async fn compare_all<V: View>(
    transaction: &Transaction<'_>,
    &Next {
        generation,
        derived,
    }: &Next<'_, V::Row>,
) -> Result<i64, ViewError> {
    let mut differences = 0;
    for definition in definitions::<V>(derived) {
        let (old, new) = (
            definition.table(generation - 1),
            definition.table(generation),
        );
        let compared = compare(transaction, &old, &new);
        differences += of_view(V::DEFINITION.name, compared).await?;
    }
    Ok(differences)
}

/// Folds positions after one up to and with another into a generation, page by page as the live view does.
async fn fold_up_to<V: View>(
    store: &Store,
    (mut after, through): (i64, i64),
    skips: &BTreeSet<i64>,
    (transaction, next): (&Transaction<'_>, &Next<'_, V::Row>),
) -> Result<(), ViewError>
where
    V::Row: Merge,
{
    while after < through {
        let limit = PAGE.min(through - after);
        let page = store.log().page_after(after, limit).await?;
        let items: Vec<Item> = page
            .into_iter()
            .map(|recorded| Item::new(recorded, None))
            .collect();
        let rows = fold::<V>(store, &items, skips).await?;
        apply::<V>(transaction, next.generation, rows, next.derived).await?;
        after = items.last().map_or(through, Item::position);
    }
    Ok(())
}

/// Fails if the view was started over since the rebuild began: its next table is then the live one. The
/// lock comes first, so that nobody can take the table away between this look and the commit.
pub(super) async fn still_ours<V: View>(
    transaction: &Transaction<'_>,
    before: i32,
) -> Result<(), ViewError> {
    let view = V::DEFINITION.name;
    let table = V::DEFINITION.table(before + 1);
    let lock = format!("lock table {table} in row exclusive mode");
    of_view(view, transaction.batch_execute(&lock)).await?;
    let sql = "select generation from publishing_views where view = $1";
    let row = of_view(view, transaction.query_one(sql, &[&view])).await?;
    if row.get::<_, i32>(0) == before {
        Ok(())
    } else {
        Err(ViewError::Superseded { view })
    }
}

/// The view's definition, and those of the views derived from it.
pub(super) fn definitions<V: View>(derived: &[Arc<dyn Derivation<V::Row>>]) -> Vec<Definition> {
    [V::DEFINITION]
        .into_iter()
        .chain(derived.iter().map(|derivation| derivation.definition()))
        .collect()
}

/// Rows that stand in one of two tables alone; the new one goes.
async fn compare(
    transaction: &Transaction<'_>,
    old: &str,
    new: &str,
) -> Result<i64, tokio_postgres::Error> {
    let sql = format!(
        "select (select count(*) from (table {old} except all table {new}) a) \
              + (select count(*) from (table {new} except all table {old}) b)"
    );
    let differences = transaction.query_one(&sql, &[]).await?.get(0);
    let drop_new = format!("drop table {new}");
    transaction.batch_execute(&drop_new).await?;
    Ok(differences)
}
