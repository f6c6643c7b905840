//! The ceiling: a COPY of the log into a sink. The peer: an upsert for each event in transactions of 1,000,
//! as engines in the field have it.

use std::time::Instant;

use futures_util::{StreamExt as _, pin_mut};
use tidings_event_store::Log;

use super::narrow::{TABLE, key};
use super::per_s;
use crate::Error;
use crate::site::Database;

const PAGE: i64 = 1_000;
/// Pages the peer folds: it would take hours for all.
const PAGES: i64 = 40;
const PEER: &str = "bench_hours_peer";

/// Events a second that one COPY brings to this process, which only counts them.
pub(super) async fn copy(database: &Database, events: i64) -> Result<f64, Error> {
    let sql = "copy (select position, stream_id, version, event_id, type, subject, occurred_at, recorded_at, \
               actor, correlation_id, causation, metadata, payload, digest \
               from publishing_events order by position) to stdout (format binary)";
    let started = Instant::now();
    let rows = database.client.copy_out(sql).await?;
    pin_mut!(rows);
    // The trailer is no event.
    let mut count = -1;
    while let Some(row) = rows.next().await {
        row?;
        count += 1;
    }
    if count != events {
        return Err(format!("COPY brought {count} of {events} events").into());
    }
    Ok(per_s(events, started.elapsed().as_secs_f64()))
}

/// Events a second of the peer.
pub(super) async fn per_event(database: &Database) -> Result<f64, Error> {
    let table = TABLE.replace("{table}", PEER);
    let mut client = database.pool.get().await?;
    client
        .batch_execute(&format!("drop table if exists {PEER}; {table}"))
        .await?;
    let upsert = client
        .prepare(&format!(
            "insert into {PEER} values ($1, $2, 1) on conflict (attempt, hour) do update set events = {PEER}.events + 1"
        ))
        .await?;
    let log = Log::open(database.connect.clone(), database.pool.clone());
    let started = Instant::now();
    for page in 0..PAGES {
        let events = log.page_after(page * PAGE, PAGE).await?;
        let transaction = client.transaction().await?;
        for recorded in events {
            let (attempt, hour) = key(&recorded.decode()?, recorded.occurred_at);
            transaction.execute(&upsert, &[&attempt, &hour]).await?;
        }
        transaction.commit().await?;
    }
    Ok(per_s(PAGES * PAGE, started.elapsed().as_secs_f64()))
}
