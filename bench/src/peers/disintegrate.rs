//! `disintegrate-postgres` 4: events as JSON bytes, serializable transactions, listeners that handle one event
//! after the other.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use disintegrate::serde::json::Json;
use disintegrate::{Event, EventListener, EventStore as _, PersistedEvent, StreamQuery, query};
use disintegrate_postgres::{PgEventId, PgEventListener, PgEventListenerConfig, PgEventStore};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tidings_event_store::NewEvent;
use tokio_util::sync::CancellationToken;

use super::{THEIR_EVENTS, THEIR_STREAMS, since};
use crate::Error;
use crate::commit::Peer;
use crate::sample::text;
use crate::site::Database;

/// Events it is given at once to fill its log.
const CHUNK: usize = 1_000;

#[derive(Clone, Debug, Event, Serialize, Deserialize)]
enum Measurement {
    Measured {
        #[id]
        meter_id: String,
        payload: String,
    },
}

type Log = PgEventStore<Measurement, Json<Measurement>>;

/// Its log.
#[derive(Clone)]
pub(super) struct Events(Log);

/// Makes its tables and connects.
pub(super) async fn connect(database: &Database, connections: usize) -> Result<Events, Error> {
    let pool = super::pool(database, connections).await?;
    Ok(Events(PgEventStore::try_new(pool, Json::default()).await?))
}

impl Peer for Events {
    /// Appends to a stream that must be empty; what serialization refuses is tried again, as its decision
    /// makers have their callers do.
    async fn commit(&self, event: NewEvent) -> Result<(), Error> {
        let meter_id = event.stream_id.to_string();
        let measured = Measurement::Measured {
            meter_id: meter_id.clone(),
            payload: text(&event.payload),
        };
        loop {
            let empty = query!(Measurement; meter_id == meter_id);
            match self.0.append(vec![measured.clone()], empty, 0).await {
                Ok(_) => return Ok(()),
                Err(error) if is_contention(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Others were in the way: found out by the library at the commit, or by the database before.
fn is_contention(error: &disintegrate_postgres::Error) -> bool {
    match error {
        disintegrate_postgres::Error::Concurrency => true,
        disintegrate_postgres::Error::Database(sqlx::Error::Database(error)) => {
            error.code().as_deref() == Some("40001")
        }
        _ => false,
    }
}

/// Fills its log, and has a listener make a view of it; gives the seconds of the listener.
pub(super) async fn replay(database: &Database) -> Result<f64, Error> {
    let Events(log) = connect(database, 4).await?;
    for first in (0..THEIR_EVENTS).step_by(CHUNK) {
        let events = (first..first + CHUNK)
            .map(|n| Measurement::Measured {
                meter_id: (n % THEIR_STREAMS).to_string(),
                payload: "x".repeat(180),
            })
            .collect();
        log.append_without_validation(events).await?;
    }
    let create = "create table bench_counts (meter_id text primary key, events bigint not null)";
    database.client.batch_execute(create).await?;
    let ended = CancellationToken::new();
    let counts = Counts {
        query: query!(Measurement),
        pool: super::pool(database, 1).await?,
        ended: ended.clone(),
    };
    let config = PgEventListenerConfig::poller(Duration::from_millis(10)).fetch_size(CHUNK);
    let started = Instant::now();
    PgEventListener::builder(log)
        .register_listener(counts, config)
        .start_with_shutdown(ended.cancelled_owned())
        .await?;
    Ok(since(started))
}

/// Events by meter.
struct Counts {
    query: StreamQuery<PgEventId, Measurement>,
    pool: PgPool,
    /// Told after the last event.
    ended: CancellationToken,
}

#[async_trait]
impl EventListener<PgEventId, Measurement> for Counts {
    type Error = sqlx::Error;

    fn id(&self) -> &'static str {
        "counts"
    }

    fn query(&self) -> &StreamQuery<PgEventId, Measurement> {
        &self.query
    }

    async fn handle(
        &self,
        event: PersistedEvent<PgEventId, Measurement>,
    ) -> Result<(), sqlx::Error> {
        let last = event.id() == THEIR_EVENTS as PgEventId;
        let Measurement::Measured { meter_id, .. } = event.into_inner();
        let upsert = "insert into bench_counts values ($1, 1) \
                      on conflict (meter_id) do update set events = bench_counts.events + 1";
        sqlx::query(upsert)
            .bind(meter_id)
            .execute(&self.pool)
            .await?;
        if last {
            self.ended.cancel();
        }
        Ok(())
    }
}
