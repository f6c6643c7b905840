//! `postgres-es` 0.5: events and views as JSON, a view a stream, loaded and stored for every event.

use std::sync::Arc;
use std::time::Instant;

use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::{GenericQuery, PersistedEventRepository as _, QueryReplay, SerializedEvent};
use cqrs_es::{Aggregate, DomainEvent, EventEnvelope, View};
use postgres_es::{PostgresEventRepository, PostgresViewRepository};
use serde::{Deserialize, Serialize};
use tidings_event_store::NewEvent;

use super::{THEIR_EVENTS, THEIR_STREAMS, since};
use crate::Error;
use crate::commit::Peer;
use crate::sample::text;
use crate::site::Database;

/// Its documented tables.
const SCHEMA: &str = "\
    create table if not exists events (aggregate_type text not null, aggregate_id text not null, \
        sequence bigint check (sequence >= 0) not null, event_type text not null, event_version text not null, \
        payload json not null, metadata json not null, primary key (aggregate_type, aggregate_id, sequence)); \
    create table if not exists bench_view (view_id text not null, version bigint check (version >= 0) not null, \
        payload json not null, primary key (view_id))";

/// Measures something.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Meter;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Measured {
    payload: String,
}

impl DomainEvent for Measured {
    fn event_type(&self) -> String {
        "Measured".to_owned()
    }

    fn event_version(&self) -> String {
        "1.0".to_owned()
    }
}

impl Aggregate for Meter {
    const TYPE: &'static str = "Meter";
    type Command = ();
    type Event = Measured;
    type Error = std::convert::Infallible;
    type Services = ();

    async fn handle(
        &mut self,
        (): Self::Command,
        (): &Self::Services,
        _: &EventSink<Self>,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    fn apply(&mut self, _: Self::Event) {}
}

/// Events of a stream.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Count {
    events: u64,
}

impl View<Meter> for Count {
    fn update(&mut self, _: &EventEnvelope<Meter>) {
        self.events += 1;
    }
}

/// Its log.
#[derive(Clone)]
pub(super) struct Events(Arc<PostgresEventRepository>);

/// Makes its tables and connects.
pub(super) async fn connect(database: &Database, connections: usize) -> Result<Events, Error> {
    database.client.batch_execute(SCHEMA).await?;
    let pool = super::pool(database, connections).await?;
    Ok(Events(Arc::new(PostgresEventRepository::new(pool))))
}

impl Peer for Events {
    async fn commit(&self, event: NewEvent) -> Result<(), Error> {
        let event = serialized(event.stream_id.to_string(), 1, text(&event.payload))?;
        Ok(self.0.persist::<Meter>(&[event], None).await?)
    }
}

/// Fills its log, and replays it into a view; gives the seconds of the replay.
pub(super) async fn replay(database: &Database) -> Result<f64, Error> {
    let Events(repository) = connect(database, 1).await?;
    let each = THEIR_EVENTS / THEIR_STREAMS;
    for stream in 0..THEIR_STREAMS {
        let events: Result<Vec<_>, _> = (1..=each)
            .map(|sequence| serialized(stream.to_string(), sequence, "x".repeat(180)))
            .collect();
        repository.persist::<Meter>(&events?, None).await?;
    }
    let pool = super::pool(database, 4).await?;
    let rows = PostgresViewRepository::<Count, Meter>::new("bench_view", pool.clone());
    let query = GenericQuery::new(Arc::new(rows));
    let replay = QueryReplay::new(PostgresEventRepository::new(pool), query);
    let started = Instant::now();
    replay.replay_all().await?;
    let took = since(started);
    let counted = "select coalesce(sum((payload ->> 'events')::bigint), 0)::bigint from bench_view";
    let counted: i64 = database.client.query_one(counted, &[]).await?.get(0);
    if counted != THEIR_EVENTS as i64 {
        return Err(format!("postgres-es replayed {counted} of {THEIR_EVENTS} events").into());
    }
    Ok(took)
}

fn serialized(stream: String, sequence: usize, payload: String) -> Result<SerializedEvent, Error> {
    let event = Measured { payload };
    Ok(SerializedEvent::new(
        stream,
        sequence,
        Meter::TYPE.to_owned(),
        event.event_type(),
        event.event_version(),
        serde_json::to_value(&event)?,
        serde_json::json!({}),
    ))
}
