//! A batch as the arrays that the database function takes.

use std::collections::HashMap;

use time::OffsetDateTime;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::batch::Batch;
use crate::event::Commit;

/// One array for each parameter, in the function's order.
#[derive(Default)]
pub(super) struct Columns<'a> {
    guard_commit: Vec<i32>,
    guard_stream: Vec<Uuid>,
    guard_version: Vec<i32>,
    commit: Vec<i32>,
    stream: Vec<Uuid>,
    base: Vec<Option<i32>>,
    step: Vec<i32>,
    id: Vec<Uuid>,
    event_type: Vec<&'a str>,
    subject: Vec<Option<Uuid>>,
    occurred: Vec<OffsetDateTime>,
    actor: Vec<&'a str>,
    correlation: Vec<Uuid>,
    causation: Vec<Option<i64>>,
    metadata: Vec<&'a [u8]>,
    payload: Vec<&'a [u8]>,
    digest: Vec<&'a [u8]>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(batch: &'a Batch) -> Self {
        let mut columns = Self::default();
        for (number, submission) in batch.submissions.iter().enumerate() {
            let number = number as i32;
            for guard in &submission.commit.guards {
                columns.guard_commit.push(number);
                columns.guard_stream.push(guard.stream_id);
                columns.guard_version.push(guard.version);
            }
            columns.place(&submission.commit);
            for (event, digest) in submission.commit.events.iter().zip(&submission.digests) {
                columns.commit.push(number);
                columns.stream.push(event.stream_id);
                columns.id.push(event.event_id);
                columns.event_type.push(event.event_type);
                columns.subject.push(event.subject);
                columns.occurred.push(event.occurred_at);
                columns.actor.push(&event.actor);
                columns.correlation.push(event.correlation_id);
                columns.causation.push(event.causation);
                columns.metadata.push(&event.metadata);
                columns.payload.push(&event.payload);
                columns.digest.push(digest);
            }
        }
        columns
    }

    /// Counts each event's step within its stream. No other commit of the batch writes the same stream
    /// (the in-batch rule), so the count starts over with each commit.
    fn place(&mut self, commit: &Commit) {
        let guards = commit.guards.iter();
        let mut streams: HashMap<Uuid, (Option<i32>, i32)> = guards
            .map(|guard| (guard.stream_id, (Some(guard.version), 0)))
            .collect();
        for event in &commit.events {
            let (base, step) = streams.entry(event.stream_id).or_default();
            *step += 1;
            self.base.push(*base);
            self.step.push(*step);
        }
    }

    pub(super) fn params(&self) -> [&(dyn ToSql + Sync); 17] {
        [
            &self.guard_commit,
            &self.guard_stream,
            &self.guard_version,
            &self.commit,
            &self.stream,
            &self.base,
            &self.step,
            &self.id,
            &self.event_type,
            &self.subject,
            &self.occurred,
            &self.actor,
            &self.correlation,
            &self.causation,
            &self.metadata,
            &self.payload,
            &self.digest,
        ]
    }
}
