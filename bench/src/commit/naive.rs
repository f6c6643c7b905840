//! The peer: what a straightforward author would write. A pool of connections, one INSERT a commit into
//! a table with the log's columns and indexes; a sequence gives the position, the unique index on
//! (stream, version) is the check.

use std::time::Duration;

use deadpool_postgres::Pool;
use futures_util::future::try_join_all;

use crate::Error;
use crate::load::{Load, drive};
use crate::sample::Sample;
use crate::site::{Database, pool};

/// A naive log.
pub(super) struct Naive {
    pool: Pool,
    insert: String,
}

impl Naive {
    /// Makes its table and opens all its connections.
    pub(super) async fn new(database: &Database, connections: usize) -> Result<Self, Error> {
        let table = format!("bench_naive_{connections}");
        database
            .client
            .batch_execute(&format!(
                "create table {table} (like publishing_events including all); \
                 create sequence {table}_position"
            ))
            .await?;
        let pool = pool(&database.url, connections)?;
        try_join_all((0..connections).map(|_| pool.get())).await?;
        Ok(Self {
            pool,
            insert: format!(
                "insert into {table} values (nextval('{table}_position'), $1, 1, $2, $3, null, $4, \
                 clock_timestamp(), $5, $6, null, $7, $8, $9)"
            ),
        })
    }

    /// `callers` insert, each waiting for its commit.
    pub(super) async fn run(
        &self,
        sample: &Sample,
        callers: usize,
        period: Duration,
    ) -> Result<Load, Error> {
        let (pool, insert, sample) = (self.pool.clone(), self.insert.clone(), sample.clone());
        drive(callers, period, move || {
            insert_one(pool.clone(), insert.clone(), sample.clone())
        })
        .await
    }
}

async fn insert_one(pool: Pool, insert: String, sample: Sample) -> Result<(), Error> {
    let event = sample.event();
    let client = pool.get().await?;
    let statement = client.prepare_cached(&insert).await?;
    let digest = [0_u8; 32].as_slice();
    client
        .execute(
            &statement,
            &[
                &event.stream_id,
                &event.event_id,
                &event.event_type,
                &event.occurred_at,
                &event.actor,
                &event.correlation_id,
                &event.metadata,
                &event.payload,
                &digest,
            ],
        )
        .await?;
    Ok(())
}
