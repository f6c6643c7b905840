//! Views over another view's rows: each row contributes to some keys, and a change of a row takes its
//! old contributions back and adds the new ones. So totals are right whatever order late news comes in.

use std::marker::PhantomData;

use deadpool_postgres::{ClientWrapper, Transaction};
use futures_util::future::BoxFuture;

use super::rebuild::Stage;
use super::row::Merge;
use super::runner::Rows;
use super::table::{Definition, Table};
use super::{Row, ViewError};

/// Totals over the rows of another view.
pub trait DerivedView<Source>: Send + Sync + 'static {
    /// What the table holds; its merge adds up.
    type Row: Merge;
    /// Its name and DDL.
    const DEFINITION: Definition;

    /// What a source row counts towards.
    fn contributions(source: &Source) -> Vec<Self::Row>;

    /// The row that takes another one back: merged with it, nothing counts.
    fn negate(row: Self::Row) -> Self::Row;
}

/// A derived view, whatever its rows are.
pub trait Derivation<Source>: Send + Sync {
    /// Its name and DDL.
    fn definition(&self) -> Definition;

    /// Folds changes of source rows into the table of a generation.
    fn apply<'a>(
        &'a self,
        transaction: &'a Transaction<'_>,
        generation: i32,
        changes: &'a [(Option<Source>, Source)],
    ) -> BoxFuture<'a, Result<(), ViewError>>;

    /// For a rebuild from nothing: the totals of a generation in the making. `spilled`: some are staged.
    fn totals(&self, generation: i32, spilled: bool) -> Box<dyn Totals<Source>>;
}

/// The totals of a generation in the making. What rows contribute while they are folded is taken back when
/// they turn out to be parts of others, so that in the end the final rows alone have contributed.
pub trait Totals<Source>: Send + Sync {
    /// A source row has become another; none: there was, or is, no such row.
    fn change(&mut self, before: Option<&Source>, after: Option<&Source>);

    /// What they take in memory, bytes, at the least.
    fn bytes(&self) -> usize;

    /// Makes the tables.
    fn create<'a>(
        &'a self,
        transaction: &'a Transaction<'_>,
    ) -> BoxFuture<'a, Result<(), ViewError>>;

    /// Moves what is in memory into the staging table, as one run.
    fn spill<'a>(
        &'a mut self,
        transaction: &'a Transaction<'_>,
        run: i64,
    ) -> BoxFuture<'a, Result<(), ViewError>>;

    /// Stages the rest if anything is staged, and finds what stands in more than one run: in a transaction
    /// before [`Self::write`].
    fn settle<'a>(
        &'a mut self,
        transaction: &'a Transaction<'_>,
    ) -> BoxFuture<'a, Result<(), ViewError>>;

    /// Fills the new table.
    fn write<'a>(
        &'a mut self,
        transaction: &'a Transaction<'_>,
        reader: &'a ClientWrapper,
    ) -> BoxFuture<'a, Result<(), ViewError>>;
}

/// Makes a [`Derivation`] of a [`DerivedView`].
pub struct Derived<V>(PhantomData<V>);

impl<V> Default for Derived<V> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<V: DerivedView<Source>, Source: Row + Merge> Derivation<Source> for Derived<V> {
    fn definition(&self) -> Definition {
        V::DEFINITION
    }

    fn apply<'a>(
        &'a self,
        transaction: &'a Transaction<'_>,
        generation: i32,
        changes: &'a [(Option<Source>, Source)],
    ) -> BoxFuture<'a, Result<(), ViewError>> {
        let mut rows = Rows::<V::Row>::new();
        for (before, after) in changes {
            for row in difference::<V, Source>(before.as_ref(), Some(after)) {
                super::runner::add(&mut rows, row);
            }
        }
        Box::pin(async move {
            let table = Table::<V::Row>::new(&V::DEFINITION, generation);
            table.merge(transaction, rows).await?;
            Ok(())
        })
    }

    fn totals(&self, generation: i32, spilled: bool) -> Box<dyn Totals<Source>> {
        Box::new(Staged::<V, V::Row> {
            stage: Stage::new(V::DEFINITION, generation, spilled),
            view: PhantomData,
        })
    }
}

/// What a change of a source row does to the totals.
fn difference<'a, V: DerivedView<Source>, Source>(
    before: Option<&'a Source>,
    after: Option<&'a Source>,
) -> impl Iterator<Item = V::Row> {
    let taken_back = before.into_iter().flat_map(V::contributions).map(V::negate);
    taken_back.chain(after.into_iter().flat_map(V::contributions))
}

/// The run of what comes to light when all others are put together.
const LAST_RUN: i64 = i64::MAX;

/// Totals on their way.
struct Staged<V, Row: Merge> {
    stage: Stage<Row>,
    view: PhantomData<V>,
}

impl<V: DerivedView<Source>, Source> Totals<Source> for Staged<V, V::Row> {
    fn change(&mut self, before: Option<&Source>, after: Option<&Source>) {
        for row in difference::<V, Source>(before, after) {
            self.stage.add(row);
        }
    }

    fn bytes(&self) -> usize {
        self.stage.bytes()
    }

    fn create<'a>(
        &'a self,
        transaction: &'a Transaction<'_>,
    ) -> BoxFuture<'a, Result<(), ViewError>> {
        Box::pin(async move {
            self.stage
                .create(transaction)
                .await
                .map_err(write::<V, Source>())
        })
    }

    fn spill<'a>(
        &'a mut self,
        transaction: &'a Transaction<'_>,
        run: i64,
    ) -> BoxFuture<'a, Result<(), ViewError>> {
        Box::pin(async move {
            let spilled = self.stage.spill(transaction, run, &mut |_, _| ()).await;
            spilled.map_err(write::<V, Source>())
        })
    }

    fn settle<'a>(
        &'a mut self,
        transaction: &'a Transaction<'_>,
    ) -> BoxFuture<'a, Result<(), ViewError>> {
        Box::pin(async move {
            if self.stage.is_spilled() {
                self.spill(transaction, LAST_RUN).await?;
            }
            let compared = self.stage.compare_runs(transaction).await;
            compared.map_err(write::<V, Source>())
        })
    }

    fn write<'a>(
        &'a mut self,
        transaction: &'a Transaction<'_>,
        reader: &'a ClientWrapper,
    ) -> BoxFuture<'a, Result<(), ViewError>> {
        Box::pin(async move {
            let written = self.stage.write(transaction, reader, &mut |_, _| ()).await;
            written.map_err(write::<V, Source>())
        })
    }
}

fn write<V: DerivedView<Source>, Source>() -> impl FnOnce(tokio_postgres::Error) -> ViewError {
    ViewError::write(V::DEFINITION.name)
}
