//! What Slack's answer means for the delivery.
//!
//! A webhook's answers: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks#handling_errors>.
//! A bot's: <https://docs.slack.dev/reference/methods/chat.postMessage#errors>.

use serde::Deserialize;

use crate::{
    channel::{Blame, Outcome},
    channels::http::{Answer, message_id, unexpected},
};
use tidings_proto::Reason;

/// Words for a message that is too long, or whose blocks are together.
const TOO_LONG: [&str; 2] = ["msg_too_long", "msg_blocks_too_long"];

/// A webhook says `ok`, or a status and a word.
pub(super) fn of_webhook(answer: Answer) -> Outcome {
    match answer.status {
        200 if answer.reply == "ok" => answer.sent(None),
        410 => answer.deferred(Reason::ChannelArchived, Blame::Channel),
        400 if TOO_LONG.contains(&answer.reply.as_str()) => answer.failed(Reason::MessageTooLarge),
        _ => answer.by_status(),
    }
}

/// What a method of the Web API answers.
#[derive(Deserialize)]
struct Called {
    ok: bool,
    error: Option<String>,
    channel: Option<String>,
    ts: Option<String>,
}

/// The Web API says 200 to almost everything, and in the body what it means.
pub(super) fn of_api(answer: Answer, body: &[u8]) -> Outcome {
    match answer.status {
        200 => match serde_json::from_slice::<Called>(body) {
            Ok(Called {
                ok: true,
                channel: Some(channel),
                ts: Some(ts),
                ..
            }) => match message_id(&format!("{channel}/{ts}")) {
                Some(id) => answer.sent(Some(id)),
                None => unexpected(),
            },
            Ok(Called {
                ok: false,
                error: Some(error),
                ..
            }) => refused(answer, &error),
            _ => unexpected(),
        },
        404 => answer.deferred(Reason::ApiNotFound, Blame::Channel),
        _ => answer.by_status(),
    }
}

fn refused(answer: Answer, error: &str) -> Outcome {
    match error {
        "channel_not_found" => answer.deferred(Reason::ChannelNotFound, Blame::Channel),
        "not_in_channel" => answer.deferred(Reason::NotInChannel, Blame::Channel),
        "is_archived" => answer.deferred(Reason::ChannelArchived, Blame::Channel),
        "invalid_auth" | "not_authed" | "account_inactive" | "token_revoked" | "token_expired" => {
            answer.deferred(Reason::TokenRefused, Blame::Channel)
        }
        "missing_scope"
        | "restricted_action"
        | "no_permission"
        | "access_denied"
        | "not_allowed_token_type"
        | "ekm_access_denied"
        | "org_login_required"
        | "team_access_not_granted" => answer.deferred(Reason::NotAllowed, Blame::Channel),
        error if TOO_LONG.contains(&error) => answer.failed(Reason::MessageTooLarge),
        "invalid_blocks" | "invalid_blocks_format" | "no_text" => {
            answer.failed(Reason::InvalidPayload)
        }
        "ratelimited" | "rate_limited" => answer.deferred(Reason::RateLimited, Blame::Pace),
        // Some of it may have been done, as Slack itself says of these two.
        "internal_error" | "fatal_error" => unexpected(),
        "service_unavailable" | "request_timeout" => {
            answer.deferred(Reason::ServerError, Blame::Network)
        }
        // Not posted, for a reason we do not know: it may pass, and if not, the schedule ends.
        _ => answer.deferred(Reason::Rejected, Blame::Receiver),
    }
}
