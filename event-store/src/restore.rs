//! A log that was put back to an earlier state goes on from there: a new incarnation begins, that goes on record,
//! and the facts about consent that the log has lost are made part of it again. Each step may be repeated after a
//! crash and then does nothing.

mod facts;
mod stream;

use std::collections::BTreeMap;

use tidings_domain::id::derive_from;
use tidings_domain::log::{Command, Log as Surroundings, Restored};
use tidings_domain::stream_id;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::committer::CommitError;
use crate::log::ReadError;
use crate::store::{Context, ExecuteError, LoadError, Past, Store};

pub use facts::again;
pub use stream::{InStream, in_stream};

/// Who is said to have done it.
pub const ACTOR: &str = "cli";
/// The lock of the commit function: while it is held nobody commits.
const COMMIT_LOCK: i64 = 7_310_575_178_592_774_515;

/// Why a log could not go on.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The log could not be read or written.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A stream could not be folded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A commit failed.
    #[error("the log could not be written")]
    Commit(#[from] CommitError),
    /// The old stream could not be read.
    #[error("the stream of before cannot be read: {0}")]
    Stream(String),
    /// The witness says something that only a newer version understands.
    #[error(
        "the witness holds a fact that this version does not understand ({what} in {event_type}, position {position}): \
         restore with the version that wrote it"
    )]
    Unheard {
        /// What is not understood.
        what: &'static str,
        /// The event's type.
        event_type: String,
        /// Its position.
        position: i64,
    },
}

/// What was made part of the log again.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Again {
    /// Facts that the log lacked.
    pub facts: u64,
    /// Events that were recorded for them, by type. Those that change nothing lead to none.
    pub events: BTreeMap<&'static str, u64>,
    /// Subscribers the log does not know who had left: their addresses are suppressed.
    pub unknown: u64,
}

/// The position after which an incarnation began; `None`: it has not.
///
/// # Errors
/// When the database does not answer.
pub async fn begun(store: &Store, incarnation: Uuid) -> Result<Option<i64>, ReadError> {
    let client = store.log().pool().get().await?;
    let sql = "select after_position from publishing_incarnations where incarnation = $1";
    let row = client.query_opt(sql, &[&incarnation]).await?;
    Ok(row.map(|row| row.get(0)))
}

/// Begins an incarnation at the end of the log, unless it has begun. Gives the last position before it.
///
/// # Errors
/// When the database does not answer.
pub async fn begin(
    store: &Store,
    incarnation: Uuid,
    now: OffsetDateTime,
) -> Result<i64, ReadError> {
    let mut client = store.log().pool().get().await?;
    let transaction = client.transaction().await?;
    transaction
        .execute("select pg_advisory_xact_lock($1)", &[&COMMIT_LOCK])
        .await?;
    let sql = "insert into publishing_incarnations (incarnation, ordinal, after_position, started_at) \
               select $1, max(ordinal) + 1, \
                      coalesce((select max(last_position) from publishing_batches), 0), $2 \
                   from publishing_incarnations \
               on conflict (incarnation) do nothing";
    transaction.execute(sql, &[&incarnation, &now]).await?;
    let sql = "select after_position from publishing_incarnations where incarnation = $1";
    let after = transaction.query_one(sql, &[&incarnation]).await?.get(0);
    transaction.commit().await?;
    Ok(after)
}

/// Puts on record that the log was restored: from here on nothing is sent until an operator says so.
///
/// # Errors
/// When the log can not be read or written.
pub async fn record(
    store: &Store,
    restored: Restored,
    now: OffsetDateTime,
) -> Result<Past, RestoreError> {
    let intent = derive_from(restored.incarnation, "log.restored", &[]);
    let context = Context {
        actor: ACTOR.to_owned(),
        correlation_id: intent,
        causation: None,
        occurred_at: now,
        traceparent: None,
        intent,
        request_digest: None,
    };
    let command = || Command::Restore(restored);
    let executed = store
        .execute::<Surroundings>(stream_id::log(), &context, None, command)
        .await
        .map_err(|error| match error {
            ExecuteError::Load(error) => RestoreError::Load(error),
            ExecuteError::Commit(error) => RestoreError::Commit(error),
            ExecuteError::Refused(refusal) => match refusal {},
            // No version was asked for.
            ExecuteError::Precondition { .. } => RestoreError::Commit(CommitError::Unavailable),
        })?;
    let past = executed.after.repeated(intent).cloned();
    past.ok_or(RestoreError::Commit(CommitError::Unknown))
}
