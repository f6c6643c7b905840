//! Discord's webhooks for loopback: their answers, their limits, their rate limit with its headers, a record of what
//! was accepted, and misbehaviour as it is told to.
//!
//! A webhook is `http://ADDR/api/webhooks/1/NAME` ([`Handle::url`]). Any name is an open webhook except three that say
//! what is wrong with them: `unknown` (404, code 10015), `invalid` (401, code 50027), `forum` (400, code 220001,
//! unless the URL has a `thread_id`).
//!
//! As with Discord, only a request with `wait=true` is answered with the message (200); any other gets 204. Stricter
//! than Discord, it refuses a message that leaves open whom it mentions.

mod limits;

use std::sync::Arc;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::web as http;
use crate::web::answer::{Valid, json, parse, retry_after};
pub use crate::web::{Action, Error, Handle, Limit, Message, Options, RateLimit, Rule};

/// Starts a sink. It is ready when this returns.
///
/// # Errors
/// The address cannot be listened on.
pub async fn start(options: Options) -> Result<Handle, Error> {
    let vendor = http::Vendor {
        name: "discord",
        path: "/api/webhooks/1/",
        body_bytes_max: http::BODY_BYTES_MAX,
        rate_limit: Some(RateLimit::DISCORD),
        routes: Box::new(routes),
    };
    http::start(options, vendor).await
}

fn routes(app: &mut web::ServiceConfig) {
    app.route("/api/webhooks/{id}/{token}", web::post().to(post))
        .default_service(web::to(|| async { refused(404, 0, "404: Not Found") }));
}

#[derive(Deserialize)]
struct Query {
    #[serde(default)]
    wait: bool,
    thread_id: Option<String>,
}

async fn post(
    request: HttpRequest,
    path: web::Path<(String, String)>,
    query: web::Query<Query>,
    body: web::Bytes,
    shared: web::Data<Arc<http::Shared>>,
) -> HttpResponse {
    let (_, name) = path.into_inner();
    if let Some((status, code, words)) = state_of(&name, &query) {
        return refused(status, code, words);
    }
    let token = match shared.take(&name) {
        Ok(token) => token,
        Err(token) => return limited(token),
    };
    let checked =
        parse(&request, &body).and_then(|payload| limits::check(&payload).map(|()| payload));
    let payload = match checked {
        Ok(payload) => payload,
        Err(detail) => {
            tracing::debug!(webhook = name, detail, "refused");
            return refused(400, 50_035, &format!("Invalid Form Body: {detail}"));
        }
    };
    let valid = Valid {
        name: &name,
        id: |seq| format!("{}", 1_000_000_000_000_000_000 + seq),
        payload,
    };
    let thanks = |message: &Message| {
        let answer = if query.wait {
            json(200, &posted(message))
        } else {
            HttpResponse::NoContent().finish()
        };
        with_bucket(answer, token)
    };
    shared.receive(&request, valid, thanks).await
}

/// Webhooks whose name says what is wrong with them.
fn state_of(name: &str, query: &Query) -> Option<(u16, u32, &'static str)> {
    match name {
        "unknown" => Some((404, 10_015, "Unknown Webhook")),
        "invalid" => Some((401, 50_027, "Invalid Webhook Token")),
        "forum" if query.thread_id.is_none() => Some((
            400,
            220_001,
            "Webhooks posted to forum channels must have a thread_name or thread_id",
        )),
        _ => None,
    }
}

fn posted(message: &Message) -> Value {
    json!({
        "id": message.id,
        "channel_id": "2",
        "webhook_id": "1",
        "type": 0,
        "content": message.payload["content"].as_str().unwrap_or_default(),
        "embeds": message.payload["embeds"],
    })
}

fn refused(status: u16, code: u32, words: &str) -> HttpResponse {
    json(status, &json!({ "message": words, "code": code }))
}

fn limited(token: http::Token) -> HttpResponse {
    let answer = json!({
        "message": "You are being rate limited.",
        "retry_after": token.next_after.as_secs_f64(),
        "global": false,
    });
    let response = retry_after(json(429, &answer), token.next_after_s());
    let mut response = with_bucket(response, token);
    let headers = response.headers_mut();
    let scope = HeaderName::from_static("x-ratelimit-scope");
    headers.insert(scope, HeaderValue::from_static("user"));
    response
}

fn with_bucket(mut response: HttpResponse, token: http::Token) -> HttpResponse {
    let headers = response.headers_mut();
    let mut insert = |name, value: String| {
        let value = HeaderValue::try_from(value).expect("a number is a header's value");
        headers.insert(HeaderName::from_static(name), value);
    };
    insert("x-ratelimit-limit", token.limit.to_string());
    insert("x-ratelimit-remaining", token.remaining.to_string());
    let reset_after_s = token.next_after.as_secs_f64();
    insert("x-ratelimit-reset-after", format!("{reset_after_s:.3}"));
    insert("x-ratelimit-bucket", "sink".to_owned());
    response
}
