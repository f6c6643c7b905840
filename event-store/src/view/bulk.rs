//! Rows into a table by binary COPY: many times as fast as inserting them.

use std::pin::Pin;

use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error};

use super::row::Row;
use super::table::names;

/// Columns before those of the row: the run it belongs to, and whether nothing is left to keep of it.
pub(super) const RUN_COLUMNS: &str = "run, gone";

/// A COPY under way.
pub(super) struct Writer {
    writer: Pin<Box<BinaryCopyInWriter>>,
}

impl Writer {
    /// Into a view's table.
    pub(super) async fn rows<R: Row>(client: &Client, table: &str) -> Result<Self, Error> {
        Self::start(client, table, &names(R::COLUMNS, ", "), &R::types()).await
    }

    /// Into the staging table of a view.
    pub(super) async fn runs<R: Row>(client: &Client, table: &str) -> Result<Self, Error> {
        let columns = format!("{RUN_COLUMNS}, {}", names(R::COLUMNS, ", "));
        let types = [vec![Type::INT8, Type::BOOL], R::types()].concat();
        Self::start(client, table, &columns, &types).await
    }

    async fn start(
        client: &Client,
        table: &str,
        columns: &str,
        types: &[Type],
    ) -> Result<Self, Error> {
        let sql = format!("copy {table} ({columns}) from stdin (format binary)");
        let sink = client.copy_in(&sql).await?;
        Ok(Self {
            writer: Box::pin(BinaryCopyInWriter::new(sink, types)),
        })
    }

    /// Adds a row of a view.
    pub(super) async fn row<R: Row>(&mut self, row: &R) -> Result<(), Error> {
        self.writer.as_mut().write(&row.values()).await
    }

    /// Adds a row to a run.
    pub(super) async fn staged<R: Row>(
        &mut self,
        run: i64,
        gone: bool,
        row: &R,
    ) -> Result<(), Error> {
        let mut values: Vec<&(dyn ToSql + Sync)> = vec![&run, &gone];
        values.extend(row.values());
        self.writer.as_mut().write(&values).await
    }

    /// Ends the COPY; gives the count of rows.
    pub(super) async fn finish(mut self) -> Result<u64, Error> {
        self.writer.as_mut().finish().await
    }
}
