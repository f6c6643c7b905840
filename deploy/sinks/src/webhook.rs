//! A receiver of Standard Webhooks 1.0.0 for loopback: it checks each event's signature, age and size, keeps a record
//! of what it accepted, and misbehaves as it is told to.
//!
//! A webhook is `http://ADDR/hooks/NAME` ([`Handle::url`]). Any name receives, except `gone` (410). What is not signed
//! with one of the [`Receiver::secrets`] is refused with 401. A repeat is put on record again, under the same id.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use time::Duration;

use crate::web as http;
use crate::web::answer::{Valid, json, parse, retry_after};
pub use crate::web::{Action, Error, Handle, Limit, Message, Options, RateLimit, Rule};

/// Most bytes of a body.
const EVENT_BYTES_MAX: usize = 20_000;
/// How far an event's time may lie from the sink's, either way.
const AGE_MAX: Duration = Duration::minutes(5);

/// What the receiver knows of its sender.
#[derive(Clone, Debug, Default)]
pub struct Receiver {
    /// `whsec_…`; a signature with any of them will do.
    pub secrets: Vec<String>,
}

/// Starts a sink. It is ready when this returns. Nothing limits its rate unless [`Options`] say so.
///
/// # Errors
/// The address cannot be listened on.
///
/// # Panics
/// When one of the secrets is not `whsec_` and Base64.
pub async fn start(options: Options, receiver: &Receiver) -> Result<Handle, Error> {
    let keys: Arc<[hmac::Key]> = receiver.secrets.iter().map(|it| key(it)).collect();
    let vendor = http::Vendor {
        name: "webhook",
        path: "/hooks/",
        body_bytes_max: http::BODY_BYTES_MAX,
        rate_limit: None,
        routes: Box::new(move |app| routes(app, Arc::clone(&keys))),
    };
    http::start(options, vendor).await
}

fn key(secret: &str) -> hmac::Key {
    let encoded = secret
        .strip_prefix("whsec_")
        .expect("it starts with whsec_");
    let bytes = STANDARD.decode(encoded).expect("Base64 follows");
    hmac::Key::new(hmac::HMAC_SHA256, &bytes)
}

fn routes(app: &mut web::ServiceConfig, keys: Arc<[hmac::Key]>) {
    app.app_data(web::Data::new(keys))
        .route("/hooks/{name}", web::post().to(post))
        .default_service(web::to(|| async { refused(404, "there is nothing here") }));
}

async fn post(
    request: HttpRequest,
    name: web::Path<String>,
    body: web::Bytes,
    shared: web::Data<Arc<http::Shared>>,
    keys: web::Data<Arc<[hmac::Key]>>,
) -> HttpResponse {
    let name = name.into_inner();
    if name == "gone" {
        return refused(410, "no more, please");
    }
    if let Err(token) = shared.take(&name) {
        let after_s = token.next_after_s();
        return retry_after(refused(429, "not so fast"), after_s);
    }
    let signed = match Signed::read(&request) {
        Ok(signed) => signed,
        Err(words) => return refused(401, words),
    };
    if !keys.iter().any(|key| signed.is_by(key, &body)) {
        return refused(401, "no signature is one of the sender's");
    }
    let age = shared.clock.now().unix_timestamp() - signed.timestamp;
    if Duration::seconds(age).abs() > AGE_MAX {
        return refused(401, "the time is not now");
    }
    if body.len() > EVENT_BYTES_MAX {
        return refused(413, "the event is too large");
    }
    let payload = match parse(&request, &body).and_then(event) {
        Ok(payload) => payload,
        Err(words) => return refused(400, &words),
    };
    let id = signed.id.to_owned();
    let valid = Valid {
        name: &name,
        id: move |_| id,
        payload,
    };
    let thanks = |_: &Message| HttpResponse::NoContent().finish();
    shared.receive(&request, valid, thanks).await
}

/// The headers of an event.
struct Signed<'a> {
    id: &'a str,
    timestamp: i64,
    /// As it was sent, for it is signed.
    timestamp_text: &'a str,
    signatures: &'a str,
}

impl<'a> Signed<'a> {
    fn read(request: &'a HttpRequest) -> Result<Self, &'static str> {
        let header = |name| request.headers().get(name)?.to_str().ok();
        let timestamp_text = header("webhook-timestamp").ok_or("webhook-timestamp is missing")?;
        Ok(Self {
            id: header("webhook-id").ok_or("webhook-id is missing")?,
            timestamp: timestamp_text
                .parse()
                .map_err(|_| "webhook-timestamp is not a number")?,
            timestamp_text,
            signatures: header("webhook-signature").ok_or("webhook-signature is missing")?,
        })
    }

    fn is_by(&self, key: &hmac::Key, body: &[u8]) -> bool {
        let mut content = format!("{}.{}.", self.id, self.timestamp_text).into_bytes();
        content.extend_from_slice(body);
        let mut signatures = self
            .signatures
            .split(' ')
            .filter_map(|signature| STANDARD.decode(signature.strip_prefix("v1,")?).ok());
        signatures.any(|signature| hmac::verify(key, &content, &signature).is_ok())
    }
}

fn event(payload: Value) -> Result<Value, String> {
    for (name, is_right) in [
        ("type", payload["type"].is_string()),
        ("timestamp", payload["timestamp"].is_string()),
        ("data", payload["data"].is_object()),
    ] {
        if !is_right {
            return Err(format!("{name} is missing"));
        }
    }
    Ok(payload)
}

fn refused(status: u16, words: &str) -> HttpResponse {
    json(status, &json!({ "error": words }))
}
