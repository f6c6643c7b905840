//! Test messages within bounds: so many a channel, and a request that comes again under its Idempotency-Key is answered
//! as the first time. In memory only: another process, or this one after a restart, begins anew.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
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
    /// None: it is being sent, or was broken off while it was.
    answers: Mutex<VecDeque<(Repeatable, Option<Tested>)>>,
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
        let wait_s = wait.as_millis().div_ceil(1_000) as u64;
        let detail = format!(
            "A channel takes ten tests at once, and then one every six seconds: try again in {wait_s} s."
        );
        Err(Problem::too_many_requests(wait_s).detail(detail))
    }

    /// What was answered to a request, if it came before; else it is under way from now on, until its answer is remembered or it is
    /// forgotten.
    ///
    /// # Errors
    /// 422 when it came with another body, 409 while it is under way.
    pub(super) fn begin(&self, again: Repeatable) -> Result<Option<Tested>, Problem> {
        let mut answers = self.held();
        match answers.iter().find(|(it, _)| it.request == again.request) {
            Some((first, _)) if first.body != again.body => Err(Problem::idempotency_key_reused()),
            Some((_, Some(tested))) => Ok(Some(tested.clone())),
            Some((_, None)) => Err(Problem::conflict(
                "The test of this Idempotency-Key is being sent, or was broken off: see whether it arrives, or send another under a \
                 key of its own.",
            )),
            None => {
                if answers.len() >= ANSWERS_MAX {
                    answers.pop_front();
                }
                answers.push_back((again, None));
                Ok(None)
            }
        }
    }

    /// Remembers an answer.
    pub(super) fn remember(&self, request: Repeatable, tested: &Tested) {
        let mut answers = self.held();
        let begun = answers
            .iter_mut()
            .find(|(it, _)| it.request == request.request);
        if let Some((_, answer)) = begun {
            *answer = Some(tested.clone());
        }
    }

    /// Nothing was sent for it.
    pub(super) fn forget(&self, request: Repeatable) {
        self.held().retain(|(it, _)| it.request != request.request);
    }

    fn held(&self) -> MutexGuard<'_, VecDeque<(Repeatable, Option<Tested>)>> {
        // Each change is one of a whole entry.
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError as _;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_request_that_comes_again_while_it_is_under_way_is_not_carried_out_twice() {
        let hand = Clock::manual(datetime!(2026-01-02 03:04:05 UTC));
        let tries = Tries::new(hand.clock());
        let request = |request, body| Repeatable {
            request: [request; 32],
            body: [body; 32],
        };
        let (one, other) = (request(1, 1), request(2, 1));
        let status = |wanted| {
            let begun = tries.begin(wanted);
            begun.map_err(|problem| problem.status_code().as_u16())
        };
        assert_eq!(status(one), Ok(None));
        assert_eq!(status(one), Err(409));
        assert_eq!(status(request(1, 2)), Err(422));
        assert_eq!(status(other), Ok(None));
        // Refused before anything was sent, it may come again.
        tries.forget(other);
        assert_eq!(status(other), Ok(None));
        let tested = Tested {
            outcome: "sent",
            reason: None,
            explanation: None,
            code: 250,
            reply: "queued".to_owned(),
        };
        tries.remember(one, &tested);
        assert_eq!(status(one), Ok(Some(tested)));
        assert_eq!(status(other), Err(409));
    }
}
