//! `POST /api/chat.postMessage`: takes a message as Slack's Web API does, which says 200 to almost everything.

use std::sync::Arc;

use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::blocks;
use crate::web::answer::{self, Valid, parse, retry_after};
use crate::web::{Message, Shared};

/// Slack refuses a longer text.
const TEXT_CHARS_MAX: usize = 40_000;

pub(super) async fn post(
    request: HttpRequest,
    body: web::Bytes,
    shared: web::Data<Arc<Shared>>,
) -> HttpResponse {
    if let Some(error) = refused_token(&request) {
        return refused(error);
    }
    let Ok(payload) = parse(&request, &body) else {
        return refused("invalid_json");
    };
    let channel = payload["channel"].as_str().unwrap_or_default().to_owned();
    if let Some(error) = state_of(&channel) {
        return refused(error);
    }
    if let Err(token) = shared.take(&channel) {
        let answer = answer::json(429, &json!({"ok": false, "error": "ratelimited"}));
        return retry_after(answer, token.next_after_s());
    }
    if let Some(error) = refused_message(&payload) {
        return refused(error);
    }
    let valid = Valid {
        name: &channel,
        id: |seq| timestamp(&shared, seq),
        payload,
    };
    shared.receive(&request, valid, posted).await
}

/// A message's `ts`, which is its id within the channel.
pub(super) fn timestamp(shared: &Shared, seq: u64) -> String {
    format!("{}.{seq:06}", shared.clock.now().unix_timestamp())
}

fn posted(message: &Message) -> HttpResponse {
    let answer = json!({
        "ok": true,
        "channel": message.webhook,
        "ts": message.id,
        "message": { "type": "message", "text": message.text(), "ts": message.id },
    });
    answer::json(200, &answer)
}

fn refused(error: &str) -> HttpResponse {
    answer::json(200, &json!({"ok": false, "error": error}))
}

fn refused_token(request: &HttpRequest) -> Option<&'static str> {
    let header = request.headers().get(AUTHORIZATION);
    let token = header.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    match token {
        None => Some("not_authed"),
        Some("xoxb-revoked") => Some("token_revoked"),
        Some(token) if token.starts_with("xoxb-") => None,
        Some(_) => Some("invalid_auth"),
    }
}

/// Channels whose id says what is wrong with them.
fn state_of(channel: &str) -> Option<&'static str> {
    match channel {
        "" | "C0UNKNOWN" => Some("channel_not_found"),
        "C0ARCHIVED" => Some("is_archived"),
        "C0PRIVATE" => Some("not_in_channel"),
        _ => None,
    }
}

fn refused_message(payload: &Value) -> Option<&'static str> {
    let text = payload["text"].as_str().unwrap_or_default();
    if text.chars().count() > TEXT_CHARS_MAX {
        return Some("msg_too_long");
    }
    let refusal = blocks::check(payload).err()?;
    tracing::debug!(detail = refusal.detail, "refused");
    // What a webhook calls an invalid payload is here always the blocks: the rest was parsed.
    Some(match refusal.word {
        "invalid_payload" => "invalid_blocks",
        word => word,
    })
}
