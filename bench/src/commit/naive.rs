//! What a straightforward author would write: a pool of connections, one INSERT a commit into a table with
//! the log's columns and indexes; a sequence gives the position, the unique index on (stream, version) is the
//! check.

use super::pooled::Pooled;
use crate::Error;
use crate::site::Database;

/// Makes its table, and connects.
pub(super) async fn naive(database: &Database, connections: usize) -> Result<Pooled, Error> {
    let table = format!("bench_naive_{connections}");
    database
        .client
        .batch_execute(&format!(
            "create table {table} (like publishing_events including all); \
             create sequence {table}_position"
        ))
        .await?;
    let insert = format!(
        "insert into {table} values (nextval('{table}_position'), $1, 1, $2, $3, null, $4, \
         clock_timestamp(), $5, $6, null, $7, $8, $9)"
    );
    Pooled::open(database, connections, &insert, |event| {
        vec![
            Box::new(event.stream_id),
            Box::new(event.event_id),
            Box::new(event.event_type),
            Box::new(event.occurred_at),
            Box::new(event.actor),
            Box::new(event.correlation_id),
            Box::new(event.metadata),
            Box::new(event.payload),
            Box::new([0_u8; 32].to_vec()),
        ]
    })
    .await
}
