//! Correlation id and trace of a request: read or made, put on its span, its task and its answer.

use std::future::{Ready, ready};

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, web};
use tracing::{Instrument as _, Span};
use uuid::Uuid;

use super::Edge;
use crate::problem::Problem;
use crate::telemetry;
use crate::trace::{self, Scope, TraceParent};

/// Request and response header with the correlation id, a UUID.
pub const CORRELATION_HEADER: HeaderName = HeaderName::from_static("x-correlation-id");
const TRACEPARENT_HEADER: HeaderName = HeaderName::from_static("traceparent");

/// What ties a request to its events, log lines and spans; an extractor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestContext {
    /// The caller's `X-Correlation-Id` if that is a UUID, else a fresh one.
    pub correlation_id: Uuid,
    /// The span of this request, in the caller's trace if it sent one.
    pub traceparent: TraceParent,
}

impl FromRequest for RequestContext {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(req.extensions().get().copied().ok_or_else(|| {
            Problem::internal(&std::io::Error::other(
                "http::request_context is not wrapped",
            ))
        }))
    }
}

/// Middleware: gives the request its [`RequestContext`] and span, counts it, and answers with
/// `X-Correlation-Id` and `traceparent`. Goes outermost.
///
/// # Errors
/// Those of the wrapped service.
pub async fn request_context<B: MessageBody>(
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let Some(edge) = req.app_data::<web::Data<Edge>>().cloned() else {
        return Err(Problem::internal(&std::io::Error::other("http::configure is missing")).into());
    };
    let route = req
        .match_pattern()
        .unwrap_or_else(|| "unmatched".to_owned());
    let method = bounded(req.method());
    let correlation_id = sent_uuid(req.headers()).unwrap_or_else(|| edge.ids.next());
    let span = tracing::info_span!(
        "request",
        otel.name = %format!("{method} {route}"),
        otel.kind = "server",
        method,
        route,
        %correlation_id,
        status = tracing::field::Empty,
    );
    let traceparent = telemetry::adopt(&span, sent_trace(req.headers()), &edge.ids);
    let context = RequestContext {
        correlation_id,
        traceparent,
    };
    req.extensions_mut().insert(context);

    let started = edge.clock.monotonic();
    let scope = Scope {
        correlation_id,
        traceparent,
    };
    let mut result = trace::in_scope(scope, next.call(req))
        .instrument(span.clone())
        .await;
    let status = match &result {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    record(
        &edge,
        &span,
        (&route, method, status),
        edge.clock.age(started).as_secs_f64(),
    );
    if let Ok(response) = &mut result {
        answer(response.headers_mut(), context);
    }
    result
}

fn record(edge: &Edge, span: &Span, call: (&str, &str, StatusCode), seconds: f64) {
    let (route, method, status) = call;
    span.record("status", status.as_u16());
    let metrics = &edge.metrics;
    metrics
        .http_requests_total
        .with_label_values(&[route, method, status.as_str()])
        .inc();
    metrics
        .http_request_seconds
        .with_label_values(&[route])
        .observe(seconds);
}

fn answer(headers: &mut HeaderMap, context: RequestContext) {
    let pairs = [
        (CORRELATION_HEADER, context.correlation_id.to_string()),
        (TRACEPARENT_HEADER, context.traceparent.to_string()),
    ];
    for (name, value) in pairs {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
}

fn sent_uuid(headers: &HeaderMap) -> Option<Uuid> {
    let text = headers.get(CORRELATION_HEADER)?.to_str().ok()?;
    Uuid::try_parse(text).ok().filter(|id| !id.is_nil())
}

fn sent_trace(headers: &HeaderMap) -> Option<TraceParent> {
    headers.get(TRACEPARENT_HEADER)?.to_str().ok()?.parse().ok()
}

/// The method as a metric label: a caller may invent methods, and each would be a new time series.
fn bounded(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}
