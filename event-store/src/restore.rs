//! A log that was put back to an earlier state goes on from there: a new incarnation begins, that goes on record,
//! and the facts about consent that the log has lost are made part of it again. Each step may be repeated after a
//! crash and then does nothing.

mod facts;
mod incarnation;
mod stream;
mod words;

use std::collections::BTreeMap;

use tidings_domain::id::derive_from;
use tidings_domain::log::{Command, Log as Surroundings, Restored};
use tidings_domain::stream_id;
use time::OffsetDateTime;

use crate::committer::CommitError;
use crate::crash_point;
use crate::log::ReadError;
use crate::store::{Context, ExecuteError, LoadError, Past, Store};

pub use facts::{Lacking, again};
pub use incarnation::{Beginning, Begun, begin, begun};
pub use stream::{Attempt, Before, InStream, Planned, in_stream};

/// Who is said to have done it.
pub const ACTOR: &str = "cli";

/// Whether nothing is sent since the log was put back: until somebody releases it.
///
/// # Errors
/// The `log` stream could not be read.
pub async fn is_sending_held(store: &Store) -> Result<bool, LoadError> {
    let log = store.load::<Surroundings>(stream_id::log()).await?;
    Ok(log.state.held_by().is_some())
}

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
    /// The stream of before could not be read.
    #[error(
        "the stream of before, {stream}, cannot be read ({why}): start the NATS that holds it, or say \
         --without-stream; then what only it knew is lost"
    )]
    Stream {
        /// Its name.
        stream: String,
        /// Why.
        why: String,
    },
    /// The log holds events, but there is no stream that has carried them.
    #[error(
        "the stream of before, {stream}, is not there: name the NATS that holds it and its nats_subject_prefix, or \
         say --without-stream; then what only it knew is lost"
    )]
    NoStream {
        /// Its name.
        stream: String,
    },
    /// Between what is known and what the stream holds something is missing.
    #[error(
        "the stream of before, {stream}, begins at position {begins}, but what came before it is known only up to \
         {known}: name a witness that goes on to there, or say --without-stream; then what only it knew is lost"
    )]
    StreamBeginsLate {
        /// Its name.
        stream: String,
        /// The first position it holds.
        begins: i64,
        /// The last one that is known without it.
        known: i64,
    },
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
    crash_point!("restore.recorded");
    let past = executed.after.repeated(intent).cloned();
    past.ok_or(RestoreError::Commit(CommitError::Unknown))
}
