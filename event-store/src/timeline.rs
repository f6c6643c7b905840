//! Whether the log is still the one this process has seen. A database that fails over to a stale replica, or is put
//! back to an earlier state, holds another history: whoever notices first ends the timeline, and from then on this
//! process records nothing and hands nothing out, so that nothing is acknowledged or sent on the strength of a
//! history that is not the log's.

use std::sync::{Mutex, OnceLock, PoisonError};

/// The log is another one than was seen. For ever: this process has to be started anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the database has gone back in time: the log is not the one that was seen up to position {position}; stop all \
     processes, run `tidings restore --in-place`, and start them again"
)]
pub struct WentBack {
    /// The last position that was seen.
    pub position: i64,
}

/// The history this process follows.
#[derive(Default)]
pub(crate) struct Timeline {
    ended: OnceLock<WentBack>,
    seen: Mutex<Seen>,
}

/// The furthest that anybody in this process has seen of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// A position; 0: nothing was seen.
    pub(crate) position: i64,
    /// The hash (hex) of the batch that holds it.
    pub(crate) batch_hash: String,
}

impl Timeline {
    /// Ends it: what was seen up to a position is not what the log holds.
    pub(crate) fn end(&self, position: i64) -> WentBack {
        *self.ended.get_or_init(|| {
            let went_back = WentBack { position };
            tracing::error!(error = %went_back, "nothing is recorded any more");
            went_back
        })
    }

    /// Somebody has seen the log up to a position, in a batch with this hash (hex). Whoever opens a session that records
    /// must find it there.
    pub(crate) fn saw(&self, position: i64, batch_hash: &str) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if position > seen.position {
            seen.position = position;
            seen.batch_hash.clear();
            seen.batch_hash.push_str(batch_hash);
        }
    }

    /// The furthest that was seen.
    pub(crate) fn seen(&self) -> Seen {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.clone()
    }

    /// Whether it has not ended.
    pub(crate) fn alive(&self) -> Result<(), WentBack> {
        self.ended.get().map_or(Ok(()), |ended| Err(*ended))
    }
}
