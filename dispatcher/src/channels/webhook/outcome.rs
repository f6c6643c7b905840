//! What a receiver's answer means for the delivery, as Standard Webhooks 1.0.0 has it.
//!
//! A receiver knows a repeat by its `webhook-id`, so whatever is not a 2xx may be tried again.

use crate::{
    channel::{Blame, Outcome},
    channels::http::Answer,
};

pub(super) fn of_answer(answer: Answer) -> Outcome {
    match answer.status {
        200..=299 => answer.sent(None),
        // The receiver wants no more of it, ever.
        410 => answer.deferred("gone", Blame::Channel),
        // Not ours to call, or no longer there: as if its settings were wrong.
        401 | 403 | 404 => answer.by_status(),
        429 => answer.deferred("rate_limited", Blame::Pace),
        400..=499 => answer.deferred("rejected", Blame::Receiver),
        502 | 504 => answer.deferred("overloaded", Blame::Network),
        500..=599 => answer.deferred("server_error", Blame::Network),
        _ => answer.by_status(),
    }
}
