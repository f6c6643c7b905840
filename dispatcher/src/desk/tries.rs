//! Test messages within bounds: so many a channel, and a request that comes again under its Idempotency-Key is answered
//! as the first time. In memory only: another process, or this one after a restart, begins anew.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tidings_service::{Clock, Problem};
use uuid::Uuid;

use super::trial::Tested;
use crate::channels::Cap;

/// Test messages of a channel: so many at once, and after that as many a minute.
const PER_MINUTE: u32 = 10;
const MINUTE: Duration = Duration::from_secs(60);
/// Answers that are remembered; the oldest go first.
const ANSWERS_MAX: usize = 1_000;

/// A request that may come again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repeatable {
    /// Who asks for what, under which key: a keyed digest.
    pub(super) request: [u8; 32],
    /// A keyed digest of the body.
    pub(super) body: [u8; 32],
}

/// What has been tried.
pub(super) struct Tries {
    clock: Clock,
    /// By channel: there are as many as there are channels.
    caps: Mutex<HashMap<Uuid, Cap>>,
    answers: Mutex<VecDeque<(Repeatable, Tested)>>,
}

impl Tries {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            caps: Mutex::default(),
            answers: Mutex::default(),
        }
    }

    /// Counts a message to a channel.
    ///
    /// # Errors
    /// 429 when there have been too many of late.
    pub(super) fn count(&self, channel_id: Uuid) -> Result<(), Problem> {
        let mut caps = self.caps.lock().unwrap_or_else(PoisonError::into_inner);
        let cap = caps
            .entry(channel_id)
            .or_insert_with(|| Cap::with_saved(PER_MINUTE, MINUTE, self.clock.clone()));
        if cap.take() {
            return Ok(());
        }
        let wait = cap.ready_after().unwrap_or_default();
        Err(Problem::too_many_requests(
            wait.as_millis().div_ceil(1_000) as u64
        ))
    }

    /// What was answered to a request, if it came before.
    ///
    /// # Errors
    /// 422 when it came with another body.
    pub(super) fn answer(&self, again: &Repeatable) -> Result<Option<Tested>, Problem> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        match answers.iter().find(|(it, _)| it.request == again.request) {
            Some((first, tested)) if first.body == again.body => Ok(Some(tested.clone())),
            Some(_) => Err(Problem::idempotency_key_reused()),
            None => Ok(None),
        }
    }

    /// Remembers an answer.
    pub(super) fn remember(&self, request: Repeatable, tested: &Tested) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= ANSWERS_MAX {
            answers.pop_front();
        }
        answers.push_back((request, tested.clone()));
    }
}
