//! The table behind a view: one per generation, and a plain SQL view that names the one in service.

use std::collections::HashMap;
use std::marker::PhantomData;

use deadpool_postgres::{Pool, Transaction};
use sha2::{Digest as _, Sha256};
use tokio_postgres::Error;
use tokio_postgres::types::ToSql;

use super::ViewError;
use super::row::{Merge, Row};
use super::runner::Rows;
use crate::log::in_time;
use crate::stream::hex;

/// A view's name and its DDL, `{table}` standing for the table's name. What stands after a line
/// `-- indexes` is created after a rebuild has filled the table.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// The view's name.
    pub name: &'static str,
    /// The DDL, from the schema room.
    pub sql: &'static str,
}

const INDEXES: &str = "-- indexes";
const FOLD: &str = " fold ";

impl Definition {
    /// Changes when the DDL changes: the view is then rebuilt.
    pub fn fingerprint(&self) -> String {
        hex(&Sha256::digest(self.sql.as_bytes())[..8])
    }

    /// The number behind the word "fold" in the comment before the DDL; 0 without one. It is raised with
    /// every change, so that an older version knows that it is one.
    pub fn fold(&self) -> i32 {
        let comment = self.sql.split("create table").next().unwrap_or_default();
        let number = comment.rsplit_once(FOLD).map_or("", |(_, rest)| rest);
        let digits = number.split(|c: char| !c.is_ascii_digit()).next();
        digits.and_then(|it| it.parse().ok()).unwrap_or(0)
    }

    pub(super) fn table(&self, generation: i32) -> String {
        format!("publishing_{}_g{generation}", self.name)
    }

    fn parts(&self, generation: i32) -> (String, String) {
        let sql = self.sql.replace("{table}", &self.table(generation));
        match sql.split_once(INDEXES) {
            Some((table, indexes)) => (table.to_owned(), indexes.to_owned()),
            None => (sql, String::new()),
        }
    }

    /// Creates the table of a generation, without its secondary indexes. Tables a killed rebuild left
    /// behind are dropped first.
    pub(super) async fn create(
        &self,
        transaction: &Transaction<'_>,
        generation: i32,
    ) -> Result<(), Error> {
        let (table, _) = self.parts(generation);
        self.discard(transaction, generation).await?;
        transaction.batch_execute(&table).await
    }

    /// Drops the tables of a generation that is not in service, as far as there are any.
    pub(super) async fn discard(
        &self,
        transaction: &Transaction<'_>,
        generation: i32,
    ) -> Result<(), Error> {
        let name = self.table(generation);
        let (runs, again) = (self.runs(generation), self.again(generation));
        transaction
            .batch_execute(&format!(
                "drop table if exists {name} cascade; drop table if exists {runs}, {again}"
            ))
            .await
    }

    /// Where a rebuild stages the rows of a generation, run by run.
    pub(super) fn runs(&self, generation: i32) -> String {
        format!("{}_runs", self.table(generation))
    }

    /// Keys that stand in more than one run.
    pub(super) fn again(&self, generation: i32) -> String {
        format!("{}_again", self.table(generation))
    }

    pub(super) async fn create_indexes(
        &self,
        transaction: &Transaction<'_>,
        generation: i32,
    ) -> Result<(), Error> {
        let (_, indexes) = self.parts(generation);
        transaction.batch_execute(&indexes).await
    }

    /// Puts a generation into service; the others are dropped.
    pub(super) async fn serve(
        &self,
        transaction: &Transaction<'_>,
        generation: i32,
        before: Option<i32>,
    ) -> Result<(), Error> {
        let (name, table) = (self.name, self.table(generation));
        transaction
            .batch_execute(&format!(
                "drop view if exists publishing_{name}; create view publishing_{name} as select * from {table}"
            ))
            .await?;
        if let Some(before) = before {
            transaction
                .batch_execute(&format!("drop table if exists {}", self.table(before)))
                .await?;
        }
        Ok(())
    }
}

/// Reads and writes the rows of one generation.
pub(super) struct Table<R> {
    view: &'static str,
    select: String,
    upsert: String,
    delete: String,
    row: PhantomData<R>,
}

impl<R: Merge> Table<R> {
    pub(super) fn new(definition: &Definition, generation: i32) -> Self {
        let table = definition.table(generation);
        let names = |columns: &[super::Column]| {
            columns.iter().map(|column| column.name).collect::<Vec<_>>()
        };
        let (keys, values) = R::COLUMNS.split_at(R::KEY_COLUMNS);
        let all = names(R::COLUMNS).join(", ");
        let all_of_t = format!("t.{}", names(R::COLUMNS).join(", t."));
        let key_names = names(keys).join(", ");
        let arrays = |columns: &[super::Column]| {
            let typed = columns
                .iter()
                .enumerate()
                .map(|(n, column)| format!("${}::{}[]", n + 1, column.sql_type));
            typed.collect::<Vec<_>>().join(", ")
        };
        let update = names(values)
            .iter()
            .map(|name| format!("{name} = excluded.{name}"))
            .collect::<Vec<_>>();
        let on_conflict = if update.is_empty() {
            "nothing".to_owned()
        } else {
            format!("update set {}", update.join(", "))
        };
        Self {
            view: definition.name,
            // A plain join on the key would let the planner read the whole table while statistics are young.
            select: format!(
                "select {all_of_t} from unnest({}) as k({key_names}) \
                 cross join lateral (select * from {table} t where ({}) offset 0) t",
                arrays(keys),
                names(keys)
                    .iter()
                    .map(|name| format!("t.{name} = k.{name}"))
                    .collect::<Vec<_>>()
                    .join(" and "),
            ),
            upsert: format!(
                "insert into {table} ({all}) select * from unnest({}) on conflict ({key_names}) do {on_conflict}",
                arrays(R::COLUMNS),
            ),
            delete: format!(
                "delete from {table} t using unnest({}) as k({key_names}) where {}",
                arrays(keys),
                names(keys)
                    .iter()
                    .map(|name| format!("t.{name} = k.{name}"))
                    .collect::<Vec<_>>()
                    .join(" and "),
            ),
            row: PhantomData,
        }
    }

    /// Merges rows (one for each key) into the table; gives each row before and after.
    pub(super) async fn merge(
        &self,
        transaction: &Transaction<'_>,
        rows: Rows<R>,
    ) -> Result<Vec<(Option<R>, R)>, ViewError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        // In key order, so that two owners lock rows in the same order.
        let mut keys: Vec<R::Key> = rows.keys().cloned().collect();
        keys.sort_unstable();
        let mut before = self
            .select(transaction, &keys)
            .await
            .map_err(ViewError::write(self.view))?;
        let mut rows = rows;
        let mut changes = Vec::with_capacity(keys.len());
        for key in &keys {
            let later = rows.remove(key).flatten();
            let later = later.expect("the keys are the map's, and no row is absent");
            let earlier = before.remove(key);
            let after = match earlier.clone() {
                Some(earlier) => earlier.merge(later),
                None => later,
            };
            changes.push((earlier, after));
        }
        self.write(transaction, &changes)
            .await
            .map_err(ViewError::write(self.view))?;
        Ok(changes)
    }

    async fn select(
        &self,
        transaction: &Transaction<'_>,
        keys: &[R::Key],
    ) -> Result<HashMap<R::Key, R>, Error> {
        let statement = transaction.prepare_cached(&self.select).await?;
        let rows = transaction
            .query(&statement, &params(&R::key_arrays(keys)))
            .await?;
        Ok(rows
            .iter()
            .map(R::read)
            .map(|row| (row.key(), row))
            .collect())
    }

    async fn write(
        &self,
        transaction: &Transaction<'_>,
        changes: &[(Option<R>, R)],
    ) -> Result<(), Error> {
        let (gone, kept): (Vec<&R>, Vec<&R>) = changes
            .iter()
            .map(|(_, after)| after)
            .partition(|row| row.is_gone());
        if !kept.is_empty() {
            let kept: Vec<R> = kept.into_iter().cloned().collect();
            let statement = transaction.prepare_cached(&self.upsert).await?;
            transaction
                .execute(&statement, &params(&R::arrays(&kept)))
                .await?;
        }
        if !gone.is_empty() {
            let keys: Vec<R::Key> = gone.into_iter().map(Row::key).collect();
            let statement = transaction.prepare_cached(&self.delete).await?;
            transaction
                .execute(&statement, &params(&R::key_arrays(&keys)))
                .await?;
        }
        Ok(())
    }
}

/// The names of columns, separated.
pub(super) fn names(columns: &[super::Column], separator: &str) -> String {
    let names: Vec<&str> = columns.iter().map(|column| column.name).collect();
    names.join(separator)
}

fn params(arrays: &[Box<dyn ToSql + Sync + Send>]) -> Vec<&(dyn ToSql + Sync)> {
    arrays
        .iter()
        .map(|array| array.as_ref() as &(dyn ToSql + Sync))
        .collect()
}

/// How far a view has folded the log; `None` when there is no such view yet.
pub async fn position(pool: &Pool, view: &str) -> Result<Option<i64>, crate::ReadError> {
    let sql = "select position from publishing_views where view = $1";
    in_time(async {
        let client = pool.get().await?;
        let statement = client.prepare_cached(sql).await?;
        let row = client.query_opt(&statement, &[&view]).await?;
        Ok(row.map(|row| row.get(0)))
    })
    .await
}
