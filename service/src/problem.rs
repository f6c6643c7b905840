//! RFC 9457 problem details: every error answer of every endpoint.

mod catalogue;
mod fallback;
mod json;
#[cfg(test)]
mod tests;

use std::error::Error as StdError;
use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, Responder, ResponseError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub use catalogue::*;
pub(crate) use fallback::{A_TIME, AN_ID, quoted};
pub use fallback::{configure, path, payload};
pub use json::{from_json, from_value};

use crate::http::VIEW_POSITION;
use crate::trace;

/// Content type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// When a view is asked again that lags.
const VIEW_RETRY_AFTER_S: u64 = 1;

/// An error answer. Build it with a constructor and return it as the handler's error.
#[derive(Debug)]
pub struct Problem(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: &'static ProblemType,
    detail: Option<String>,
    errors: Vec<FieldError>,
    extensions: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What a problem looks like on the wire (`application/problem+json`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Path of the page that explains this kind of problem.
    #[serde(rename = "type")]
    #[schema(example = "/problems/validation-failed")]
    pub kind: String,
    /// Short summary, the same for every problem of this type.
    pub title: String,
    /// The HTTP status code.
    pub status: u16,
    /// What went wrong this time and what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// This occurrence: `urn:uuid:` and the correlation id, under which the log has it too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The values at fault, if single values are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Further members that this type of problem has.
    #[serde(flatten)]
    #[schema(ignore)]
    pub extensions: Map<String, Value>,
}

/// One value of the request that is not acceptable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// What is wrong with it.
    pub detail: String,
    /// JSON pointer into the body, as a URI fragment.
    #[schema(example = "#/subject")]
    pub pointer: String,
}

impl Problem {
    /// A problem of `kind` with nothing further said.
    #[must_use]
    pub fn new(kind: &'static ProblemType) -> Self {
        Self(Box::new(Inner {
            kind,
            detail: None,
            errors: Vec::new(),
            extensions: Map::new(),
            headers: Vec::new(),
        }))
    }

    /// 400: the request cannot be read.
    #[must_use]
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(BAD_REQUEST).detail(detail)
    }

    /// 422: values that are not acceptable; add each with [`Problem::error`].
    #[must_use]
    pub fn validation() -> Self {
        Self::new(VALIDATION_FAILED)
    }

    /// 401 with the challenge that RFC 6750 asks for. Without `error` the request had no token at all.
    #[must_use]
    pub fn unauthorized(error: Option<&str>, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let challenge = error.map_or_else(
            || "Bearer".to_owned(),
            |error| {
                let description = quotable(&detail);
                format!("Bearer error=\"{error}\", error_description=\"{description}\"")
            },
        );
        Self::new(UNAUTHORIZED)
            .detail(detail)
            .header(header::WWW_AUTHENTICATE, &challenge)
    }

    /// 403: authenticated, but not allowed.
    #[must_use]
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(FORBIDDEN).detail(detail)
    }

    /// 403 with the challenge of RFC 6750 that names the scope that is lacking.
    #[must_use]
    pub fn lacks_scope(scope: &str, detail: impl Into<String>) -> Self {
        let challenge = format!(
            "Bearer error=\"insufficient_scope\", scope=\"{}\"",
            quotable(scope)
        );
        Self::new(FORBIDDEN)
            .detail(detail)
            .extension("scope", scope)
            .header(header::WWW_AUTHENTICATE, &challenge)
    }

    /// 403: it is not shown to come from a sender that is expected.
    #[must_use]
    pub fn unverified(detail: impl Into<String>) -> Self {
        Self::new(UNVERIFIED).detail(detail)
    }

    /// 404.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(NOT_FOUND).detail(detail)
    }

    /// 405. `allowed`: the path's methods; none: they are not known here.
    #[must_use]
    pub fn method_not_allowed(method: &str, allowed: &[&str]) -> Self {
        let problem = Self::new(METHOD_NOT_ALLOWED);
        if allowed.is_empty() {
            return problem.detail(format!("{method} is not a method of this path."));
        }
        let allowed = allowed.join(", ");
        problem
            .detail(format!(
                "{method} is not a method of this path; it takes {allowed}."
            ))
            .header(header::ALLOW, &allowed)
    }

    /// 408; also closes the connection, on which the rest of the body may still arrive.
    #[must_use]
    pub fn request_timeout() -> Self {
        Self::new(REQUEST_TIMEOUT).header(header::CONNECTION, "close")
    }

    /// 409: what has happened already does not allow it.
    #[must_use]
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(CONFLICT).detail(detail)
    }

    /// 410.
    #[must_use]
    pub fn gone(detail: impl Into<String>) -> Self {
        Self::new(GONE).detail(detail)
    }

    /// 412: `If-Match` named another version.
    #[must_use]
    pub fn precondition_failed(detail: impl Into<String>) -> Self {
        Self::new(PRECONDITION_FAILED).detail(detail)
    }

    /// 413.
    #[must_use]
    pub fn payload_too_large(limit_bytes: usize) -> Self {
        Self::new(PAYLOAD_TOO_LARGE)
            .detail(format!("The body may have at most {limit_bytes} bytes."))
            .extension("limit_bytes", limit_bytes)
    }

    /// 415.
    #[must_use]
    pub fn unsupported_media_type(expected: &str) -> Self {
        Self::new(UNSUPPORTED_MEDIA_TYPE)
            .detail(format!("Send the body with Content-Type: {expected}."))
    }

    /// 422: an Idempotency-Key came again with another body.
    #[must_use]
    pub fn idempotency_key_reused() -> Self {
        Self::new(IDEMPOTENCY_KEY_REUSED)
            .detail("This Idempotency-Key belongs to an earlier request with another body.")
    }

    /// 429: more requests than a limit allows.
    #[must_use]
    pub fn rate_limited(policy: &str, quota: u32, window_s: u64, retry_after_s: u64) -> Self {
        let detail = format!(
            "The limit `{policy}` is {quota} requests in {window_s} s, and all of them are used. Try again in {retry_after_s} s."
        );
        Self::too_many_requests(retry_after_s)
            .detail(detail)
            .extension("violated-policies", vec![policy.to_owned()])
    }

    /// 429.
    #[must_use]
    pub fn too_many_requests(retry_after_s: u64) -> Self {
        Self::new(TOO_MANY_REQUESTS)
            .detail(format!("Try again in {retry_after_s} s."))
            .header(header::RETRY_AFTER, &retry_after_s.to_string())
    }

    /// 503. `view_position`: how far the asked view has come, if it is a view that lags.
    #[must_use]
    pub fn unavailable(
        detail: impl Into<String>,
        retry_after_s: u64,
        view_position: Option<u64>,
    ) -> Self {
        let problem = Self::new(UNAVAILABLE)
            .detail(detail)
            .header(header::RETRY_AFTER, &retry_after_s.to_string());
        match view_position {
            Some(position) => problem
                .header(VIEW_POSITION, &position.to_string())
                .extension("view_position", position),
            None => problem,
        }
    }

    /// 503: the views an answer is read from stand at `position` and did not reach `wanted` while it was waited for.
    #[must_use]
    pub fn behind(position: i64, wanted: i64) -> Self {
        let detail = format!(
            "The view did not reach log position {wanted} in time; it stands at {position}."
        );
        Self::unavailable(detail, VIEW_RETRY_AFTER_S, Some(position.unsigned_abs()))
    }

    /// 503: what it is about was written by a later build, which this one does not understand.
    #[must_use]
    pub fn later_build() -> Self {
        let detail = "A later version of Tidings has written about this, and this process does not understand it: upgrade it. \
                      Nothing was changed.";
        Self::unavailable(detail, VIEW_RETRY_AFTER_S, None)
    }

    /// 503: a view an answer is read from is not there yet.
    #[must_use]
    pub fn view_unborn() -> Self {
        let detail = "The view is being built for the first time.";
        Self::unavailable(detail, VIEW_RETRY_AFTER_S, Some(0))
    }

    /// 500. Logs `source` with its chain, here and only here; the caller learns nothing of it.
    #[must_use]
    pub fn internal(source: &dyn StdError) -> Self {
        tracing::error!(error = %chain(source), "request failed");
        Self::new(INTERNAL)
    }

    /// Sets what went wrong this time.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds a value at fault; `pointer` is a JSON pointer as URI fragment, such as `#/subject`.
    #[must_use]
    pub fn error(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.0.errors.push(FieldError {
            pointer: pointer.into(),
            detail: detail.into(),
        });
        self
    }

    /// Adds a further member.
    #[must_use]
    pub fn extension(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.extensions.insert(name.to_owned(), value.into());
        self
    }

    /// Adds a response header; a value that no header can carry is left out.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.0.headers.push((name, value));
        }
        self
    }

    /// The kind of this problem.
    #[must_use]
    pub fn kind(&self) -> &'static ProblemType {
        self.0.kind
    }

    /// The values at fault so far.
    #[must_use]
    pub fn errors(&self) -> &[FieldError] {
        &self.0.errors
    }

    /// What goes on the wire; `instance` is the running request's correlation id.
    #[must_use]
    pub fn body(&self) -> ProblemBody {
        let Inner {
            kind,
            detail,
            errors,
            extensions,
            ..
        } = &*self.0;
        ProblemBody {
            kind: format!("/problems/{}", kind.slug),
            title: kind.title.to_owned(),
            status: kind.status,
            detail: detail.clone(),
            instance: trace::current().map(|scope| scope.correlation_id.urn().to_string()),
            errors: errors.clone(),
            extensions: extensions.clone(),
        }
    }
}

/// `error` and its sources, joined with colons. Of a database error the message and its code only: the
/// detail may quote a row, and so an address.
#[must_use]
pub fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&said(cause));
        source = cause.source();
    }
    text
}

fn said(error: &(dyn StdError + 'static)) -> String {
    match error.downcast_ref::<tokio_postgres::error::DbError>() {
        Some(database) => format!("{} ({})", database.message(), database.code().code()),
        None => error.to_string(),
    }
}

/// Only what a quoted string in a header may hold without escapes; other characters become spaces or go.
fn quotable(text: &str) -> String {
    text.chars()
        .filter(|c| !matches!(c, '"' | '\\'))
        .map(|c| if matches!(c, ' '..='~') { c } else { ' ' })
        .collect()
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.kind.status, self.0.kind.title)?;
        match &self.0.detail {
            Some(detail) => write!(f, ": {detail}"),
            None => Ok(()),
        }
    }
}

impl StdError for Problem {}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.0.kind.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        for (name, value) in &self.0.headers {
            response.insert_header((name.clone(), value.clone()));
        }
        let body = serde_json::to_vec(&self.body()).unwrap_or_default();
        response.content_type(MEDIA_TYPE).body(body)
    }
}

impl Responder for Problem {
    type Body = actix_web::body::BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        self.error_response()
    }
}
