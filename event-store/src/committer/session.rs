//! The committer's database session: one prepared call, and what to do when it is lost.

use std::time::Duration;

use time::OffsetDateTime;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error, Row, Statement};
use uuid::Uuid;

use super::batch::Batch;
use super::columns::Columns;
use super::{CommitError, Submission};
use crate::crash_point;
use crate::event::Committed;
use crate::log::BATCH_AT;
use crate::session::{Connect, Session};
use crate::stream::hex;
use crate::timeline::Seen;

const COMMIT: &str = "select first_position, last_position, committed_at, \
     refused_commit_no, refused_stream, refused_expected, refused_actual, batch_hash \
     from publishing_commit($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17)";
const FIND: &str = "select w.ordinal, e.position, e.recorded_at \
     from unnest($1::uuid[], $2::uuid[]) with ordinality as w(stream_id, event_id, ordinal) \
     join publishing_events e on e.stream_id = w.stream_id and e.event_id = w.event_id";
const END: &str =
    "select last_position, hash from publishing_batches order by last_position desc limit 1";
/// Longer than the server lets a batch take; a hung server must not hang its callers.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// The connection broke while these were on their way; the first `first` of them may have arrived.
pub(super) struct Lost {
    pub(super) submissions: Vec<Submission>,
    pub(super) first: usize,
}

/// Why a batch got no verdicts.
pub(super) enum Failure {
    /// Nobody knows whether it was committed.
    Lost,
    /// It was not committed.
    Refused(Error),
}

pub(super) struct CommitSession {
    client: Client,
    commit: Statement,
    backend_pid: i32,
    backend_start: OffsetDateTime,
}

pub(super) struct Verdicts {
    /// The batch that was written; none when nothing was.
    pub(super) seen: Option<Seen>,
    pub(super) events: u64,
    /// One for each commit, in the batch's order.
    pub(super) each: Vec<Result<Committed, CommitError>>,
}

impl CommitSession {
    /// Opens a session; says too whether the log there holds what was `seen` before.
    pub(super) async fn open(connect: &Connect, seen: &Seen) -> Result<(Self, bool), Error> {
        // Nobody listens on this session: its notifications may go.
        let Session { client, .. } = connect().await?;
        client
            .batch_execute(
                "set application_name = 'tidings committer'; set lock_timeout = '4s'; \
                 set statement_timeout = '4500ms'; set idle_in_transaction_session_timeout = '5s'",
            )
            .await?;
        let commit = client.prepare(COMMIT).await?;
        // Who serves this session, and what the log there holds.
        let arrive = format!(
            "select a.pid, a.backend_start, ({BATCH_AT}) from pg_stat_activity a where a.pid = pg_backend_pid()"
        );
        let row = client.query_one(&arrive, &[&seen.position]).await?;
        let there = row.get::<_, Option<&[u8]>>(2).map(hex);
        let same = seen.position == 0 || there.as_ref() == Some(&seen.batch_hash);
        let session = Self {
            commit,
            backend_pid: row.get(0),
            backend_start: row.get(1),
            client,
        };
        Ok((session, same))
    }

    /// The end of the log; none while it is empty.
    pub(super) async fn end_of_log(&self) -> Result<Option<Seen>, Error> {
        let row = self.client.query_opt(END, &[]).await?;
        Ok(row.map(|row| Seen {
            position: row.get(0),
            batch_hash: hex(row.get(1)),
        }))
    }

    /// Commits the batch.
    pub(super) async fn commit(&self, batch: &Batch) -> Result<Verdicts, Failure> {
        let columns = Columns::of(batch);
        let params = columns.params();
        let call = self.client.query_one(&self.commit, &params);
        crash_point!("commit.before_call");
        match tokio::time::timeout(ANSWER_WITHIN, call).await {
            Ok(Ok(row)) => Ok(verdicts(batch, &row)),
            Ok(Err(error)) if self.client.is_closed() || is_loss(&error) => Err(Failure::Lost),
            Ok(Err(error)) => Err(Failure::Refused(error)),
            // The server hangs: giving the session up makes the outcome a question for the next one.
            Err(_) => Err(Failure::Lost),
        }
    }

    /// Ends the session that was lost, so that its last batch can not be committed from now on.
    pub(super) async fn end(&self, lost: &Self) -> Result<(), Error> {
        let still_there = "select pg_terminate_backend(pid) from pg_stat_activity \
                           where pid = $1 and backend_start = $2";
        while !self
            .client
            .query(still_there, &[&lost.backend_pid, &lost.backend_start])
            .await?
            .is_empty()
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Waits until whatever was committed so far is where `synchronous_standby_names` wants it. A session that was ended
    /// while its commit waited for a standby has committed all the same.
    pub(super) async fn replicated(&self) -> Result<(), Error> {
        // Any commit waits for all before it; this one leaves nothing behind but its record.
        let mark = "select pg_logical_emit_message(true, 'tidings', '')";
        self.client.query_one(mark, &[]).await.map(drop)
    }

    /// Which of these commits are in the log, by their first event.
    pub(super) async fn find(
        &self,
        submissions: &[Submission],
    ) -> Result<Vec<Option<Committed>>, Error> {
        let (streams, events): (Vec<Uuid>, Vec<Uuid>) = submissions
            .iter()
            .map(|waiting| &waiting.commit.events[0])
            .map(|first| (first.stream_id, first.event_id))
            .unzip();
        let mut found = vec![None; submissions.len()];
        for row in self.client.query(FIND, &[&streams, &events]).await? {
            let index = row.get::<_, i64>(0) as usize - 1;
            let first_position: i64 = row.get(1);
            found[index] = Some(Committed {
                first_position,
                last_position: first_position + submissions[index].commit.events.len() as i64 - 1,
                recorded_at: row.get(2),
            });
        }
        Ok(found)
    }
}

/// The connection broke, or the server's last word on it was that it ends the session.
fn is_loss(error: &Error) -> bool {
    error.code().is_none_or(|code| {
        [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
        ]
        .contains(code)
    })
}

/// Worth another try by the caller: time-outs, full disks, a server going down.
pub(super) fn is_temporary(error: &Error) -> bool {
    error.code().is_some_and(|code| {
        [
            SqlState::QUERY_CANCELED,
            SqlState::LOCK_NOT_AVAILABLE,
            SqlState::DISK_FULL,
            SqlState::OUT_OF_MEMORY,
            SqlState::TOO_MANY_CONNECTIONS,
            SqlState::READ_ONLY_SQL_TRANSACTION,
        ]
        .contains(code)
    })
}

fn verdicts(batch: &Batch, row: &Row) -> Verdicts {
    let first_position: i64 = row.get(0);
    let last_position: i64 = row.get(1);
    let recorded_at: OffsetDateTime = row.get(2);
    let mut each: Vec<Option<CommitError>> = vec![None; batch.submissions.len()];
    if let Some(numbers) = row.get::<_, Option<Vec<i32>>>(3) {
        let streams: Vec<Uuid> = row.get(4);
        let expected: Vec<i32> = row.get(5);
        let actual: Vec<i32> = row.get(6);
        for (index, number) in numbers.into_iter().enumerate() {
            each[number as usize].get_or_insert(CommitError::Conflict {
                stream_id: streams[index],
                expected: expected[index],
                actual: actual[index],
            });
        }
    }
    let mut next = first_position;
    let each = batch
        .submissions
        .iter()
        .zip(each)
        .map(|(submission, refused)| match refused {
            Some(refused) => Err(refused),
            None => {
                let first_position = next;
                next += submission.commit.events.len() as i64;
                Ok(Committed {
                    first_position,
                    last_position: next - 1,
                    recorded_at,
                })
            }
        })
        .collect();
    debug_assert_eq!(next - 1, last_position);
    let events = (next - first_position) as u64;
    Verdicts {
        seen: (events > 0).then(|| Seen {
            position: last_position,
            batch_hash: hex(row.get(7)),
        }),
        events,
        each,
    }
}
