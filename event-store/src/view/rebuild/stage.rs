//! The rows of a table that is being rebuilt: in memory while they fit, spilled in runs to a staging table
//! when they do not, and written to the new table at the end. A run holds what a stretch of the log says;
//! later runs are merged onto earlier ones.

use deadpool_postgres::{ClientWrapper, GenericClient as _, Transaction};
use futures_util::{StreamExt as _, pin_mut};
use tokio_postgres::Error;

use super::super::bulk::Writer;
use super::super::row::Merge;
use super::super::runner::{Rows, add};
use super::super::table::{Definition, names};

/// What a row was and has become, for views derived from it.
pub(super) type Change<'a, R> = &'a mut (dyn FnMut(Option<&R>, Option<&R>) + Send);

/// The rows of one table on their way.
pub(in crate::view) struct Stage<R: Merge> {
    definition: Definition,
    generation: i32,
    rows: Rows<R>,
    /// Bytes of texts taken in since the last run. Those that were merged away meanwhile count too: finding
    /// out which would cost a second look at every row.
    texts: usize,
    /// The staging table holds rows.
    spilled: bool,
}

impl<R: Merge> Stage<R> {
    /// `spilled`: an earlier rebuild that ended half way has left runs.
    pub(in crate::view) fn new(definition: Definition, generation: i32, spilled: bool) -> Self {
        Self {
            definition,
            generation,
            rows: Rows::<R>::new(),
            texts: 0,
            spilled,
        }
    }

    /// Makes the new table, without its key and indexes, and the staging table.
    pub(in crate::view) async fn create(&self, transaction: &Transaction<'_>) -> Result<(), Error> {
        let (definition, table) = (&self.definition, self.table());
        definition.create(transaction, self.generation).await?;
        let columns: Vec<String> = R::COLUMNS
            .iter()
            .map(|column| format!("{} {}", column.name, column.sql_type))
            .collect();
        // Unlogged: after a crash of the server it is empty, and so is the record of how far it was.
        transaction
            .batch_execute(&format!(
                "alter table {table} drop constraint {table}_pkey; \
                 create unlogged table {} (run bigint not null, gone boolean not null, {})",
                definition.runs(self.generation),
                columns.join(", "),
            ))
            .await
    }

    /// Adds rows that come later than all before.
    pub(in crate::view) fn absorb(&mut self, rows: Rows<R>) {
        let texts = rows.values().flatten().map(R::heap_bytes);
        self.texts += texts.sum::<usize>();
        if self.rows.is_empty() {
            self.rows = rows;
            return;
        }
        for row in rows.into_values().flatten() {
            add(&mut self.rows, row);
        }
    }

    /// Adds a row that comes later than all before.
    pub(in crate::view) fn add(&mut self, row: R) {
        self.texts += row.heap_bytes();
        add(&mut self.rows, row);
    }

    /// What the rows take in memory, about: what the map leaves free is not counted.
    pub(in crate::view) fn bytes(&self) -> usize {
        self.rows.len() * size_of::<(R::Key, Option<R>)>() + self.texts
    }

    /// The staging table holds rows.
    pub(in crate::view) fn is_spilled(&self) -> bool {
        self.spilled
    }

    /// Moves the rows from memory into the staging table, as one run.
    pub(in crate::view) async fn spill(
        &mut self,
        transaction: &Transaction<'_>,
        run: i64,
        change: Change<'_, R>,
    ) -> Result<(), Error> {
        self.spilled = true;
        if self.rows.is_empty() {
            return Ok(());
        }
        let runs = self.definition.runs(self.generation);
        let mut writer = Writer::runs::<R>(transaction.client(), &runs).await?;
        for row in self.rows.values().flatten() {
            change(None, Some(row));
            writer.staged(run, row.is_gone(), row).await?;
        }
        writer.finish().await?;
        self.clear();
        Ok(())
    }

    fn clear(&mut self) {
        self.rows = Rows::<R>::new();
        self.texts = 0;
    }

    /// Finds the keys that stand in more than one run, in a transaction before [`Self::write`].
    pub(in crate::view) async fn compare_runs(
        &self,
        transaction: &Transaction<'_>,
    ) -> Result<(), Error> {
        if !self.spilled {
            return Ok(());
        }
        let again = self.definition.again(self.generation);
        let keys = keys::<R>("");
        transaction
            .batch_execute(&format!(
                "drop table if exists {again}; create unlogged table {again} as \
                 select {keys} from {} group by {keys} having count(*) > 1; analyze {again}",
                self.definition.runs(self.generation),
            ))
            .await
    }

    /// Fills the new table and gives it its key; the staging tables go. `reader`: another session, which
    /// reads the runs while this one writes.
    pub(in crate::view) async fn write(
        &mut self,
        transaction: &Transaction<'_>,
        reader: &ClientWrapper,
        change: Change<'_, R>,
    ) -> Result<(), Error> {
        let table = self.table();
        if self.spilled {
            self.write_single(transaction).await?;
            self.write_merged(transaction, reader, change).await?;
        } else {
            let mut writer = Writer::rows::<R>(transaction.client(), &table).await?;
            for row in self.rows.values().flatten() {
                change(None, Some(row));
                if !row.is_gone() {
                    writer.row(row).await?;
                }
            }
            writer.finish().await?;
            self.clear();
        }
        let (runs, again) = (
            self.definition.runs(self.generation),
            self.definition.again(self.generation),
        );
        transaction
            .batch_execute(&format!(
                "set local maintenance_work_mem = '128MB'; \
                 alter table {table} add primary key ({}); analyze {table}; \
                 drop table if exists {runs}, {again}",
                keys::<R>(""),
            ))
            .await
    }

    /// Rows whose key stands in one run alone need no merging: they do not leave the database.
    async fn write_single(&self, transaction: &Transaction<'_>) -> Result<(), Error> {
        let columns = names(R::COLUMNS, ", ");
        transaction
            .batch_execute(&format!(
                "set local work_mem = '64MB'; \
                 insert into {} ({columns}) select {columns} from {} r where not gone \
                 and not exists (select from {} a where {})",
                self.table(),
                self.definition.runs(self.generation),
                self.definition.again(self.generation),
                same_key::<R>(),
            ))
            .await
    }

    /// The others are read run by run, merged, and written.
    async fn write_merged(
        &self,
        transaction: &Transaction<'_>,
        reader: &ClientWrapper,
        change: Change<'_, R>,
    ) -> Result<(), Error> {
        let sql = format!(
            "select r.{} from {} r join {} a on {} order by {}, run",
            names(R::COLUMNS, ", r."),
            self.definition.runs(self.generation),
            self.definition.again(self.generation),
            same_key::<R>(),
            keys::<R>("r."),
        );
        let parts = reader.query_raw(&sql, std::iter::empty::<i32>()).await?;
        pin_mut!(parts);
        let mut writer = Writer::rows::<R>(transaction.client(), &self.table()).await?;
        let mut merged: Option<R> = None;
        while let Some(part) = parts.next().await {
            let part = R::read(&part?);
            change(Some(&part), None);
            merged = match merged.take() {
                Some(earlier) if earlier.key() == part.key() => Some(earlier.merge(part)),
                finished => {
                    end(&mut writer, finished, change).await?;
                    Some(part)
                }
            };
        }
        end(&mut writer, merged, change).await?;
        writer.finish().await?;
        Ok(())
    }

    fn table(&self) -> String {
        self.definition.table(self.generation)
    }
}

/// Takes away the runs that stand beyond a position.
pub(super) async fn keep_through(
    transaction: &Transaction<'_>,
    definition: &Definition,
    generation: i32,
    position: i64,
) -> Result<(), Error> {
    let runs = definition.runs(generation);
    transaction
        .batch_execute(&format!("delete from {runs} where run > {position}"))
        .await
}

async fn end<R: Merge>(
    writer: &mut Writer,
    merged: Option<R>,
    change: Change<'_, R>,
) -> Result<(), Error> {
    let Some(row) = merged else {
        return Ok(());
    };
    change(None, Some(&row));
    if row.is_gone() {
        return Ok(());
    }
    writer.row(&row).await
}

fn keys<R: Merge>(of: &str) -> String {
    format!(
        "{of}{}",
        names(&R::COLUMNS[..R::KEY_COLUMNS], &format!(", {of}"))
    )
}

fn same_key<R: Merge>() -> String {
    let equal: Vec<String> = R::COLUMNS[..R::KEY_COLUMNS]
        .iter()
        .map(|column| format!("a.{0} = r.{0}", column.name))
        .collect();
    equal.join(" and ")
}
