//! `POST /services/T…/B…/NAME`: takes a message as Slack's incoming webhooks do.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};

use super::{api, blocks};
use crate::web::Shared;
use crate::web::answer::{Valid, parse, retry_after, text};

pub(super) async fn post(
    request: HttpRequest,
    path: web::Path<(String, String, String)>,
    body: web::Bytes,
    shared: web::Data<Arc<Shared>>,
) -> HttpResponse {
    let (team, bot, name) = path.into_inner();
    if !team.starts_with('T') || !bot.starts_with('B') {
        return text(404, "no_service");
    }
    if let Some((status, word)) = state_of(&name) {
        return text(status, word);
    }
    if let Err(token) = shared.take(&name) {
        return retry_after(text(429, "rate_limited"), token.next_after_s());
    }
    let payload = parse(&request, &body).map_err(|detail| blocks::Refusal {
        word: "invalid_payload",
        detail,
    });
    let checked = payload.and_then(|payload| blocks::check(&payload).map(|()| payload));
    let payload = match checked {
        Ok(payload) => payload,
        Err(refusal) => {
            tracing::debug!(webhook = name, detail = refusal.detail, "refused");
            return text(400, refusal.word);
        }
    };
    let valid = Valid {
        name: &name,
        id: |seq| api::timestamp(&shared, seq),
        payload,
    };
    shared.receive(&request, valid, |_| text(200, "ok")).await
}

pub(super) async fn nothing_here() -> HttpResponse {
    text(404, "no_service")
}

/// Webhooks whose name says what is wrong with them.
fn state_of(name: &str) -> Option<(u16, &'static str)> {
    match name {
        "archived" => Some((410, "channel_is_archived")),
        "unknown" => Some((404, "channel_not_found")),
        "prohibited" => Some((403, "action_prohibited")),
        "removed" => Some((404, "no_service")),
        _ => None,
    }
}
