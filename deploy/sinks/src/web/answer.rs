//! Taking a message, or doing with it what a rule says.

use std::any::Any;
use std::convert::Infallible;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use actix_web::dev::Extensions;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, ContentType, HeaderName, HeaderValue, RETRY_AFTER};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;

use super::script::{Action, Rule};
use super::{Message, Shared, bomb};
use crate::script::Fired;

/// Between two bytes of an answer that drips.
const DRIP_EVERY: Duration = Duration::from_millis(50);

/// The connection itself, for a script that cuts it.
struct Peer(TcpStream);

/// Keeps a second handle on the connection's socket beside the server's own.
pub(super) fn connected(connection: &dyn Any, extensions: &mut Extensions) {
    let stream = connection.downcast_ref::<actix_web::rt::net::TcpStream>();
    match stream.map(|stream| stream.as_fd().try_clone_to_owned()) {
        Some(Ok(socket)) => drop(extensions.insert(Peer(socket.into()))),
        Some(Err(error)) => tracing::warn!(%error, "this connection cannot be cut"),
        None => {}
    }
}

/// A message that keeps all the vendor's rules.
pub(crate) struct Valid<'a, I> {
    /// The destination's name.
    pub(crate) name: &'a str,
    /// Makes the message's id of its number.
    pub(crate) id: I,
    /// The JSON that was sent.
    pub(crate) payload: Value,
}

impl Shared {
    /// Records the message and answers with what `thanks` makes of it; or does what a rule says.
    pub(crate) async fn receive<I: FnOnce(u64) -> String>(
        &self,
        request: &HttpRequest,
        valid: Valid<'_, I>,
        thanks: impl Fn(&Message) -> HttpResponse,
    ) -> HttpResponse {
        let Valid { name, id, payload } = valid;
        let fired = self.script.pick(|rule| rule.matched(name));
        let accept = || thanks(&self.accept(name, id, payload));
        match fired {
            None => accept(),
            Some(fired) if fired.rule.recorded => {
                let thanks = accept();
                act(fired, request).await.unwrap_or(thanks)
            }
            Some(fired) => act(fired, request).await.unwrap_or_else(accept),
        }
    }
}

/// Does what a rule says; `None` = go on.
async fn act(mut fired: Fired<Rule>, request: &HttpRequest) -> Option<HttpResponse> {
    match &fired.rule.action {
        Action::Reply {
            status,
            body,
            headers,
        } => {
            let mut response = text(*status, body);
            for (name, value) in headers {
                let header = HeaderName::try_from(name).ok();
                if let Some((name, value)) = header.zip(HeaderValue::try_from(value).ok()) {
                    response.headers_mut().insert(name, value);
                }
            }
            Some(response)
        }
        Action::Stall => {
            drop(fired.release.changed().await);
            None
        }
        Action::Delay(pause) => {
            tokio::time::sleep(*pause).await;
            None
        }
        Action::Cut => {
            if let Some(Peer(stream)) = request.conn_data::<Peer>() {
                // An error means that the sender was quicker to leave.
                let _ = stream.shutdown(Shutdown::Both);
            }
            Some(HttpResponse::InternalServerError().finish())
        }
        Action::Drip => Some(streamed(Bytes::from_static(b" "), DRIP_EVERY)),
        Action::Endless => Some(streamed(
            Bytes::from_static(&[b' '; 16_384]),
            Duration::ZERO,
        )),
        Action::Bomb => Some(bomb::answer()),
    }
}

/// 200 and the same piece again and again, until the sender leaves.
fn streamed(piece: Bytes, pause: Duration) -> HttpResponse {
    let pieces = stream::unfold(piece, move |piece| async move {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Some((Ok::<_, Infallible>(piece.clone()), piece))
    });
    HttpResponse::Ok().streaming(pieces)
}

/// An answer in plain words.
pub(crate) fn text(status: u16, word: &str) -> HttpResponse {
    // A script may ask for a status that HTTP has not.
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    HttpResponse::build(status)
        .insert_header(ContentType::plaintext())
        .body(word.to_owned())
}

/// An answer in JSON.
pub(crate) fn json(status: u16, body: &Value) -> HttpResponse {
    let mut response = text(status, &body.to_string());
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// Adds how many seconds to wait.
pub(crate) fn retry_after(mut response: HttpResponse, seconds: u64) -> HttpResponse {
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// The body as JSON, if the request says that it is.
pub(crate) fn parse(request: &HttpRequest, body: &[u8]) -> Result<Value, String> {
    if !request
        .content_type()
        .eq_ignore_ascii_case("application/json")
    {
        return Err("the content type is not application/json".into());
    }
    serde_json::from_slice(body).map_err(|error| error.to_string())
}
