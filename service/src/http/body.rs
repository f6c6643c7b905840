//! Bodies within limits: a deadline on every body, and a JSON extractor that keeps the bytes it read.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::MessageBody;
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::middleware::Next;
use actix_web::web::{Bytes, BytesMut};
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, web};
use futures_util::future::LocalBoxFuture;
use futures_util::{Stream, StreamExt as _};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, Sleep};

use super::{Edge, body_time};
use crate::problem::{self, Problem};

/// Middleware: a body must arrive within the configured time (longer for large ones, as its bytes come in);
/// after that its reader gets a timeout error. actix-web itself only limits the time for a request's head.
///
/// # Errors
/// Those of the wrapped service.
pub async fn body_deadline<B: MessageBody>(
    mut req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let timeout = req
        .app_data::<web::Data<Edge>>()
        .map(|edge| edge.limits.body_timeout);
    if let Some(timeout) = timeout {
        let body = req.take_payload();
        if !matches!(body, Payload::None) {
            req.set_payload(Payload::Stream {
                payload: Box::pin(TimedBody::new(body, timeout)),
            });
        }
    }
    next.call(req).await
}

struct TimedBody {
    body: Payload,
    received_bytes: u64,
    timeout: Duration,
    started: Instant,
    deadline: Pin<Box<Sleep>>,
}

impl TimedBody {
    fn new(body: Payload, timeout: Duration) -> Self {
        let deadline = Box::pin(tokio::time::sleep(timeout));
        Self {
            body,
            received_bytes: 0,
            timeout,
            started: deadline.deadline() - timeout,
            deadline,
        }
    }
}

impl Stream for TimedBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_next(cx) {
            Poll::Ready(Some(Ok(bytes))) => {
                this.received_bytes += bytes.len() as u64;
                let due = this.started + body_time(this.timeout, this.received_bytes);
                this.deadline.as_mut().reset(due);
                Poll::Ready(Some(Ok(bytes)))
            }
            Poll::Ready(other) => Poll::Ready(other),
            Poll::Pending => match this.deadline.as_mut().poll(cx) {
                Poll::Ready(()) => {
                    let timeout = io::Error::from(io::ErrorKind::TimedOut);
                    Poll::Ready(Some(Err(PayloadError::Io(timeout))))
                }
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

/// Reads a whole body of at most `limit_bytes`.
///
/// # Errors
/// 413 past the limit, 408 past the deadline, 400 when the caller went away.
pub async fn read_body(
    req: &HttpRequest,
    body: &mut Payload,
    limit_bytes: usize,
) -> Result<Bytes, Problem> {
    let announced = req
        .headers()
        .get(actix_web::http::header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit_bytes as u64) {
        return Err(Problem::payload_too_large(limit_bytes));
    }
    let mut read = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| problem::payload(error, limit_bytes))?;
        if read.len() + chunk.len() > limit_bytes {
            return Err(Problem::payload_too_large(limit_bytes));
        }
        read.extend_from_slice(&chunk);
    }
    Ok(read.freeze())
}

/// Extractor: a JSON body within the configured limit, and its bytes, which an idempotent request's digest covers.
#[derive(Clone, Debug)]
pub struct Json<T> {
    /// The value read.
    pub value: T,
    /// The body as received.
    pub raw: Bytes,
}

impl<T: DeserializeOwned + 'static> FromRequest for Json<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, body: &mut Payload) -> Self::Future {
        let (req, mut body) = (req.clone(), body.take());
        Box::pin(async move {
            let Some(edge) = req.app_data::<web::Data<Edge>>() else {
                let missing = io::Error::other("http::configure is missing");
                return Err(Problem::internal(&missing));
            };
            if !is_json(req.content_type()) {
                return Err(Problem::unsupported_media_type("application/json"));
            }
            let raw = read_body(&req, &mut body, edge.limits.body_limit_bytes).await?;
            let value = problem::from_json(&raw)?;
            Ok(Self { value, raw })
        })
    }
}

/// The same where a body may be left out; then every field has its default.
pub struct MaybeJson<T> {
    /// The value read.
    pub value: T,
    /// The body as received.
    pub raw: Bytes,
}

impl<T: DeserializeOwned + Default + 'static> FromRequest for MaybeJson<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, body: &mut Payload) -> Self::Future {
        let (req, mut body) = (req.clone(), body.take());
        Box::pin(async move {
            if !req.content_type().is_empty() && !is_json(req.content_type()) {
                return Err(Problem::unsupported_media_type("application/json"));
            }
            let Some(edge) = req.app_data::<web::Data<Edge>>() else {
                let missing = io::Error::other("http::configure is missing");
                return Err(Problem::internal(&missing));
            };
            let raw = read_body(&req, &mut body, edge.limits.body_limit_bytes).await?;
            if raw.is_empty() {
                return Ok(Self {
                    value: T::default(),
                    raw,
                });
            }
            if req.content_type().is_empty() {
                return Err(Problem::unsupported_media_type("application/json"));
            }
            let value = problem::from_json(&raw)?;
            Ok(Self { value, raw })
        })
    }
}

/// Whether it is `application/json`, or a type built on it such as `application/merge-patch+json`.
pub fn is_json(content_type: &str) -> bool {
    let content_type = content_type.to_ascii_lowercase();
    content_type == "application/json"
        || (content_type.starts_with("application/") && content_type.ends_with("+json"))
}
