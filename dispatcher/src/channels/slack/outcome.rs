//! What Slack's answer, or the lack of one, means for the delivery.
//!
//! Answers: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors>.

use std::time::Duration;

use tidings_service::outbound::{OutboundError, Response};
use time::OffsetDateTime;

use crate::channel::{Blame, Outcome, one_line};

/// No receiver makes us wait longer than this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

pub(super) fn of_response(response: &Response, now: OffsetDateTime) -> Outcome {
    let code = i32::from(response.status);
    let reply = one_line(&String::from_utf8_lossy(&response.body));
    let failed = |reason, blame| Outcome::Failed {
        reason,
        code,
        reply: reply.clone(),
        blame,
    };
    match response.status {
        200 if reply == "ok" => Outcome::Sent { code, reply },
        200..=299 => Outcome::InDoubt {
            reason: "unexpected_reply",
        },
        400 => failed("invalid_payload", Blame::Receiver),
        401 | 403 => failed("not_allowed", Blame::Channel),
        404 => failed("webhook_not_found", Blame::Channel),
        410 => failed("channel_archived", Blame::Channel),
        413 => failed("message_too_large", Blame::Receiver),
        429 => Outcome::Deferred {
            reason: "rate_limited",
            code,
            reply,
            retry_after: response
                .retry_after(now)
                .map(|wait| wait.min(RETRY_AFTER_MAX)),
            blame: Blame::Network,
        },
        // A gateway gave up waiting: whoever stands behind it may have taken the message.
        502 | 504 => Outcome::InDoubt {
            reason: "reply_timeout",
        },
        500..=599 => Outcome::Deferred {
            reason: "server_error",
            code,
            reply,
            retry_after: response
                .retry_after(now)
                .map(|wait| wait.min(RETRY_AFTER_MAX)),
            blame: Blame::Network,
        },
        // We follow no redirect: a webhook that moves is a webhook to configure anew.
        300..=399 => failed("redirected", Blame::Channel),
        _ => failed("rejected", Blame::Receiver),
    }
}

pub(super) fn of_error(error: &OutboundError) -> Outcome {
    match error {
        OutboundError::NoAnswer(cause) if cause.is_timeout() => Outcome::InDoubt {
            reason: "reply_timeout",
        },
        OutboundError::NoAnswer(_) => Outcome::InDoubt {
            reason: "connection_lost",
        },
        OutboundError::Connect(_) => deferred("connect_failed", error, Blame::Network),
        OutboundError::Url(_) | OutboundError::Refused { .. } | OutboundError::Setup(_) => {
            deferred("destination_not_allowed", error, Blame::Channel)
        }
    }
}

fn deferred(reason: &'static str, error: &OutboundError, blame: Blame) -> Outcome {
    Outcome::Deferred {
        reason,
        code: 0,
        reply: one_line(&error.to_string()),
        retry_after: None,
        blame,
    }
}
