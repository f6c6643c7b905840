//! Views over another view's rows: each row contributes to some keys, and a change of a row takes its
//! old contributions back and adds the new ones. So totals are right whatever order late news comes in.

use std::collections::HashMap;
use std::marker::PhantomData;

use deadpool_postgres::Transaction;
use futures_util::future::BoxFuture;

use super::row::Merge;
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
        let mut rows: HashMap<<V::Row as Row>::Key, V::Row> = HashMap::new();
        for (before, after) in changes {
            let taken_back = before.iter().flat_map(V::contributions).map(V::negate);
            for row in taken_back.chain(V::contributions(after)) {
                super::runner::add(&mut rows, row);
            }
        }
        Box::pin(async move {
            let table = Table::<V::Row>::new(&V::DEFINITION, generation);
            table.merge(transaction, rows).await?;
            Ok(())
        })
    }
}
