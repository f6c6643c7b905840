//! Why the relay does not go on.

use crate::log::ReadError;

/// Why a step of the relay failed.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// JetStream refused, timed out or is away; the next step looks where the stream stands.
    #[error("the stream could not be written or read: {0}")]
    Stream(String),
    /// The stream holds what the log does not: the database went back in time. Never retried.
    #[error(
        "the stream holds another history than the log at position {position}: the database has gone back in time; \
         stop all processes and run `tidings restore --in-place`, which starts a new incarnation"
    )]
    Diverged {
        /// The last position the stream holds.
        position: i64,
    },
    /// The stream ends with a message that no relay has put there. Never retried.
    #[error(
        "the stream {stream} ends with a message at sequence {sequence} that Tidings has not put there: remove it or \
         the whole stream (nothing is lost, it is filled again from the log), let nobody else publish on its subjects, \
         and restart this process"
    )]
    Foreign {
        /// The stream.
        stream: String,
        /// Where the message is.
        sequence: i64,
    },
    /// Another stream has the subjects: that of an incarnation the log does not know, or a stranger's. Never retried,
    /// and never taken from it: it may hold what the log has lost, or belong to another installation.
    #[error(
        "the stream {holder} has the subjects that {stream} needs, and this log does not know it: if it is another \
         installation's, choose another nats_subject_prefix; if the database was put back to before a restore, stop all \
         processes and run `tidings restore --in-place`; if nothing in it is needed any more, remove it and restart \
         this process"
    )]
    Occupied {
        /// The stream that is to be made.
        stream: String,
        /// The stream that is in its way.
        holder: String,
    },
    /// The log goes on under another incarnation, in another stream. Never retried.
    #[error("the log was restored and goes on under another incarnation: restart this process")]
    Superseded,
}

impl RelayError {
    /// Trying again can not help.
    pub fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Diverged { .. } | Self::Foreign { .. } | Self::Occupied { .. } | Self::Superseded
        )
    }
}

pub(super) fn stream_error(error: impl std::fmt::Display) -> RelayError {
    RelayError::Stream(error.to_string())
}
