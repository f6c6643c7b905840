//! What a receiver's answer means for the delivery, as Standard Webhooks 1.0.0 has it.
//!
//! A receiver knows a repeat by its `webhook-id`, so whatever is not a 2xx may be tried again.

use crate::{
    channel::{Blame, Outcome},
    channels::http::Answer,
};
use tidings_proto::Reason;

pub(super) fn of_answer(answer: Answer) -> Outcome {
    match answer.status {
        200..=299 => answer.sent(None),
        // The receiver wants no more of it, ever.
        410 => answer.deferred(Reason::Gone, Blame::Channel),
        // Not ours to call, or no longer there: as if its settings were wrong.
        401 | 403 | 404 => answer.by_status(),
        429 => answer.deferred(Reason::RateLimited, Blame::Pace),
        400..=499 => answer.deferred(Reason::Rejected, Blame::Receiver),
        502 | 504 => answer.deferred(Reason::Overloaded, Blame::Network),
        500..=599 => answer.deferred(Reason::ServerError, Blame::Network),
        _ => answer.by_status(),
    }
}
