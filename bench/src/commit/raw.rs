//! The ceiling: the same rows into an identical table, a thousand a statement, with nothing checked,
//! hashed or answered, over one connection.

use std::time::{Duration, Instant};

use time::OffsetDateTime;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

use crate::Error;
use crate::sample::{ACTOR, EVENT_TYPE, Sample};
use crate::site::Database;

/// Rows a statement.
pub(super) const BATCH: usize = 1_000;

/// An unchecked table.
pub(super) struct Raw<'a> {
    client: &'a Client,
    insert: Statement,
    position: i64,
}

impl<'a> Raw<'a> {
    /// Makes the table.
    pub(super) async fn new(database: &'a Database) -> Result<Self, Error> {
        let client = &database.client;
        client
            .batch_execute("create table bench_raw (like publishing_events including all)")
            .await?;
        let insert = client
            .prepare(
                "insert into bench_raw select p, s, 1, e, t, null, o, o, a, c, null, m, y, d \
                 from unnest($1::bigint[], $2::uuid[], $3::uuid[], $4::text[], $5::timestamptz[], $6::text[], \
                             $7::uuid[], $8::bytea[], $9::bytea[], $10::bytea[]) as r(p, s, e, t, o, a, c, m, y, d)",
            )
            .await?;
        Ok(Self {
            client,
            insert,
            position: 0,
        })
    }

    /// Inserts for about `period`; gives rows a second. Making the rows is not counted.
    pub(super) async fn run(&mut self, sample: &Sample, period: Duration) -> Result<f64, Error> {
        let mut took = Duration::ZERO;
        let mut rows = 0;
        while took < period {
            let batch = Batch::of(sample, self.position);
            let started = Instant::now();
            self.client.execute(&self.insert, &batch.params()).await?;
            took += started.elapsed();
            self.position += BATCH as i64;
            rows += BATCH;
        }
        Ok(rows as f64 / took.as_secs_f64())
    }
}

struct Batch {
    position: Vec<i64>,
    stream: Vec<Uuid>,
    id: Vec<Uuid>,
    event_type: Vec<&'static str>,
    occurred: Vec<OffsetDateTime>,
    actor: Vec<&'static str>,
    correlation: Vec<Uuid>,
    metadata: Vec<Vec<u8>>,
    payload: Vec<Vec<u8>>,
    digest: Vec<Vec<u8>>,
}

impl Batch {
    fn of(sample: &Sample, after: i64) -> Self {
        let events: Vec<_> = (0..BATCH).map(|_| sample.event()).collect();
        Self {
            position: (after + 1..).take(BATCH).collect(),
            stream: events.iter().map(|event| event.stream_id).collect(),
            id: events.iter().map(|event| event.event_id).collect(),
            event_type: vec![EVENT_TYPE; BATCH],
            occurred: events.iter().map(|event| event.occurred_at).collect(),
            actor: vec![ACTOR; BATCH],
            correlation: events.iter().map(|event| event.correlation_id).collect(),
            metadata: vec![Vec::new(); BATCH],
            digest: vec![vec![0; 32]; BATCH],
            payload: events.into_iter().map(|event| event.payload).collect(),
        }
    }

    fn params(&self) -> [&(dyn ToSql + Sync); 10] {
        [
            &self.position,
            &self.stream,
            &self.id,
            &self.event_type,
            &self.occurred,
            &self.actor,
            &self.correlation,
            &self.metadata,
            &self.payload,
            &self.digest,
        ]
    }
}
