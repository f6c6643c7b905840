//! Turns actix-web's own errors and unmatched requests into problems.

use actix_web::error::{JsonPayloadError, PayloadError, UrlencodedError};
use actix_web::{HttpRequest, web};

use super::Problem;
use crate::access::Methods;

/// How an id looks, in a message.
pub(crate) const AN_ID: &str = "an id, such as 019b7cba-7a2e-8000-9c5e-0d8f6f2f3b11";
/// Likewise.
pub(crate) const A_TIME: &str = "a time, such as 2026-03-01T09:30:00Z";
/// What is repeated of a caller's words.
const QUOTED_CHARS_MAX: usize = 60;

/// Sets the error handlers and the answer to unmatched requests; part of [`crate::http::configure`].
pub fn configure(body_limit_bytes: usize) -> impl Fn(&mut web::ServiceConfig) + Clone {
    move |cfg| {
        cfg.app_data(web::PathConfig::default().error_handler(|_, req| path(req).into()))
            .app_data(web::PayloadConfig::new(body_limit_bytes))
            .app_data(
                web::FormConfig::default()
                    .limit(body_limit_bytes)
                    .error_handler(move |e, _| form(e, body_limit_bytes).into()),
            )
            .app_data(
                web::JsonConfig::default()
                    .limit(body_limit_bytes)
                    .error_handler(move |e, _| json(e, body_limit_bytes).into()),
            )
            .default_service(web::to(unmatched));
    }
}

/// 404 for an unknown path, 405 for a known one with another method.
async fn unmatched(req: HttpRequest) -> Problem {
    if let Some(pattern) = req.match_pattern() {
        let methods = req.app_data::<web::Data<Methods>>();
        // A path without ids may also be taken for one with an id in it.
        let allowed = methods.map_or(&[][..], |methods| match methods.of(req.path()) {
            [] => methods.of(&pattern),
            allowed => allowed,
        });
        Problem::method_not_allowed(req.method().as_str(), allowed)
    } else {
        Problem::not_found(format!("No resource has the path {}.", req.path()))
    }
}

/// The problem for a path with a segment that cannot be read; the ids are what has a form in our paths.
#[must_use]
pub fn path(req: &HttpRequest) -> Problem {
    match req.match_info().get("id") {
        Some(id) => Problem::bad_request(format!(
            "{} in the path is no id: it must be {AN_ID}.",
            quoted(id)
        )),
        None => Problem::bad_request("A segment of the path is malformed."),
    }
}

/// A caller's word in backticks, cut where it gets long.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS_MAX) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}

fn json(error: JsonPayloadError, limit_bytes: usize) -> Problem {
    match error {
        JsonPayloadError::Overflow { .. } | JsonPayloadError::OverflowKnownLength { .. } => {
            Problem::payload_too_large(limit_bytes)
        }
        JsonPayloadError::ContentType => Problem::unsupported_media_type("application/json"),
        JsonPayloadError::Deserialize(cause) => super::json::unreadable(&cause, ""),
        JsonPayloadError::Payload(cause) => payload(cause, limit_bytes),
        other => Problem::internal(&other),
    }
}

fn form(error: UrlencodedError, limit_bytes: usize) -> Problem {
    match error {
        UrlencodedError::Overflow { .. } => Problem::payload_too_large(limit_bytes),
        UrlencodedError::ContentType => {
            Problem::unsupported_media_type("application/x-www-form-urlencoded")
        }
        UrlencodedError::Payload(cause) => payload(cause, limit_bytes),
        other => Problem::bad_request(format!("The form is malformed: {other}.")),
    }
}

/// The problem for a body that could not be received.
pub fn payload(error: PayloadError, limit_bytes: usize) -> Problem {
    match error {
        PayloadError::Overflow => Problem::payload_too_large(limit_bytes),
        PayloadError::Io(e) if e.kind() == std::io::ErrorKind::TimedOut => {
            Problem::request_timeout()
        }
        other => Problem::bad_request(format!("The body could not be received: {other}.")),
    }
}
