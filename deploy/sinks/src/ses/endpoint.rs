//! `POST /v2/email/outbound-emails`: takes a mail as SES does, once it knows who sends it.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::message::{self, Accepted};
use super::sigv4::{Key, Request};
use super::{Account, Message, Refusal};
use crate::web::Shared;
use crate::web::answer::{Valid, json, parse};

/// All mails of the account share one rate.
const ACCOUNT: &str = "account";

pub(super) async fn post(
    request: HttpRequest,
    body: web::Bytes,
    shared: web::Data<Arc<Shared>>,
    account: web::Data<Arc<Account>>,
) -> HttpResponse {
    let signed = signed(&request, &body);
    let checked = key(&account)
        .check(&signed, shared.clock.now())
        .and_then(|()| parse(&request, &body).map_err(|words| Refusal::BAD_REQUEST.saying(words)))
        .and_then(|payload| {
            let Accepted { to } = message::check(&payload, &account)?;
            Ok((to, payload))
        });
    let (to, payload) = match checked {
        Ok(checked) => checked,
        Err(refusal) => {
            tracing::debug!(words = refusal.words(), "refused");
            return refusal.answer();
        }
    };
    if shared.take(ACCOUNT).is_err() {
        return Refusal::RATE_EXCEEDED.answer();
    }
    let millis = shared.clock.now().unix_timestamp_nanos() / 1_000_000;
    let valid = Valid {
        name: &to,
        id: move |seq| format!("{millis:016x}-{seq:08x}-000000"),
        payload,
    };
    let thanks = |message: &Message| json(200, &json!({ "MessageId": message.id }));
    shared.receive(&request, valid, thanks).await
}

fn key(account: &Account) -> Key<'_> {
    Key {
        id: &account.access_key_id,
        secret: &account.secret_access_key,
        session_token: account.session_token.as_deref(),
        region: &account.region,
        service: "ses",
    }
}

fn signed<'a>(request: &'a HttpRequest, body: &'a [u8]) -> Request<'a> {
    Request {
        method: request.method().as_str(),
        path: request.uri().path(),
        query: request.uri().query().unwrap_or_default(),
        headers: request
            .headers()
            .iter()
            // What is not text cannot be what was signed.
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap_or_default()))
            .collect(),
        body,
    }
}
