//! What Discord's answer means for the delivery.
//!
//! Answers: <https://discord.com/developers/docs/topics/opcodes-and-status-codes>; rate limits:
//! <https://discord.com/developers/docs/topics/rate-limits>.

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde::Deserialize;
use tidings_proto::Reason;
use tidings_service::outbound::Response;
use time::OffsetDateTime;

use crate::{
    channel::{Blame, Outcome},
    channels::http::{Answer, RETRY_AFTER_MAX, message_id, unexpected, within_bounds},
};

/// What says something in the body of an answer: a message, a refusal, or a rate limit.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    id: Option<String>,
    code: Option<u32>,
    retry_after: Option<f64>,
    global: Option<bool>,
}

pub(super) fn of_response(response: &Response, now: OffsetDateTime) -> Outcome {
    let mut answer = Answer::new(response, now);
    let said = serde_json::from_slice::<Said>(&response.body);
    // Whoever stands before Discord shuts out our address for a while, and looks at no webhook.
    if said.is_err() && matches!(answer.status, 401 | 403) {
        return answer.deferred(Reason::ShutOut, Blame::Channel);
    }
    let said = said.unwrap_or_default();
    match answer.status {
        // The request asked to wait for the message, so a yes without one is no answer to it.
        200 => match said.id.as_deref().and_then(message_id) {
            Some(id) => answer.sent(Some(id)),
            None => unexpected(),
        },
        429 => {
            // In the body with a fraction; the header is rounded up.
            let wanted = said.retry_after.and_then(seconds).map(within_bounds);
            answer.retry_after = wanted.or(answer.retry_after);
            answer.by_status()
        }
        400..=499 => match said.code.and_then(fault_of_ours) {
            Some(reason) => answer.deferred(reason, Blame::Channel),
            None => answer.by_status(),
        },
        _ => answer.by_status(),
    }
}

/// Codes about the webhook or the thread it was given, whatever status they come with: every message would meet them.
fn fault_of_ours(code: u32) -> Option<Reason> {
    match code {
        // Unknown webhook; invalid webhook token.
        10_015 | 50_027 => Some(Reason::WebhookNotFound),
        // Unknown channel: the thread of `thread_id`, say.
        10_003 => Some(Reason::ChannelNotFound),
        // The thread is archived, or locked.
        50_083 | 160_005 => Some(Reason::ChannelArchived),
        // A webhook of a forum needs a thread, and no other takes one.
        220_001..=220_004 => Some(Reason::ThreadRequired),
        _ => None,
    }
}

/// Whether a 429 is about everything that comes from our address, not about one webhook. What is no answer of Discord's
/// own was said by whoever stands before it and shuts out addresses. A limit of the scope `shared` is one of the
/// webhook's channel, which others have used up.
pub(super) fn is_about_all(response: &Response) -> bool {
    let header = |name| response.headers.get(name)?.to_str().ok();
    match header("x-ratelimit-scope") {
        Some("global") => true,
        Some("shared") => false,
        _ => {
            let is_global = header("x-ratelimit-global").map(|it| it.eq_ignore_ascii_case("true"));
            let said = serde_json::from_slice::<Said>(&response.body).ok();
            is_global == Some(true) || said.is_none_or(|said| said.global == Some(true))
        }
    }
}

/// How long the webhook's bucket stays empty, if this answer took the last of it.
pub(super) fn bucket_empty_for(headers: &HeaderMap) -> Option<Duration> {
    let number = |name| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let is_empty = number("x-ratelimit-remaining")? < 1.0;
    let wait = seconds(number("x-ratelimit-reset-after")?)?;
    (is_empty && !wait.is_zero()).then(|| wait.min(RETRY_AFTER_MAX))
}

fn seconds(number: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(number).ok()
}
