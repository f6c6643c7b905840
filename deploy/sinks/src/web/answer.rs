//! `POST /services/T…/B…/NAME`: takes a message as Slack's incoming webhooks do.

use std::any::Any;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;

use actix_web::dev::Extensions;
use actix_web::http::StatusCode;
use actix_web::http::header::{ContentType, RETRY_AFTER};
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use serde_json::Value;

use super::Shared;
use super::blocks;
use super::script::{Action, Rule};
use crate::script::Fired;

/// Largest body it takes.
const BODY_BYTES_MAX: usize = 1024 * 1024;

pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.app_data(web::PayloadConfig::new(BODY_BYTES_MAX))
        .route("/services/{team}/{bot}/{name}", web::post().to(post))
        .default_service(web::to(|| async { refused(404, "no_service") }));
}

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

async fn post(
    request: HttpRequest,
    path: web::Path<(String, String, String)>,
    body: web::Bytes,
    shared: web::Data<Arc<Shared>>,
) -> HttpResponse {
    let (team, bot, name) = path.into_inner();
    if !team.starts_with('T') || !bot.starts_with('B') {
        return refused(404, "no_service");
    }
    if let Some((status, word)) = state_of(&name) {
        return refused(status, word);
    }
    let limited = shared.limiter.as_ref();
    if let Some(Err(after_s)) = limited.map(|limiter| limiter.take(&name, shared.clock.now())) {
        return answer(429, "rate_limited", Some(after_s));
    }
    let payload = match parse(&request, &body) {
        Ok(payload) => payload,
        Err(refusal) => {
            tracing::debug!(webhook = name, detail = refusal.detail, "refused");
            return refused(400, refusal.word);
        }
    };
    let accept = || shared.accept(&name, payload);
    match shared.script.pick(|rule| rule.matched(&name)) {
        None => {
            accept();
            ok()
        }
        Some(fired) if fired.rule.recorded => {
            accept();
            act(fired, &request).await.unwrap_or_else(ok)
        }
        Some(fired) => match act(fired, &request).await {
            Some(answer) => answer,
            None => {
                accept();
                ok()
            }
        },
    }
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

fn parse(request: &HttpRequest, body: &[u8]) -> Result<Value, blocks::Refusal> {
    let invalid = |detail: String| blocks::Refusal {
        word: "invalid_payload",
        detail,
    };
    if !request
        .content_type()
        .eq_ignore_ascii_case("application/json")
    {
        return Err(invalid("the content type is not application/json".into()));
    }
    let payload = serde_json::from_slice(body).map_err(|error| invalid(error.to_string()))?;
    blocks::check(&payload)?;
    Ok(payload)
}

/// Does what a rule says; `None` = go on.
async fn act(mut fired: Fired<Rule>, request: &HttpRequest) -> Option<HttpResponse> {
    match &fired.rule.action {
        Action::Reply {
            status,
            body,
            retry_after_s,
        } => return Some(answer(*status, body, *retry_after_s)),
        Action::Stall => drop(fired.release.changed().await),
        Action::Delay(pause) => tokio::time::sleep(*pause).await,
        Action::Cut => {
            if let Some(Peer(stream)) = request.conn_data::<Peer>() {
                // An error means that the sender was quicker to leave.
                let _ = stream.shutdown(Shutdown::Both);
            }
            return Some(HttpResponse::InternalServerError().finish());
        }
    }
    None
}

fn ok() -> HttpResponse {
    answer(200, "ok", None)
}

fn refused(status: u16, word: &str) -> HttpResponse {
    answer(status, word, None)
}

fn answer(status: u16, word: &str, retry_after_s: Option<u64>) -> HttpResponse {
    // A script may ask for a status that HTTP has not.
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status);
    response.insert_header(ContentType::plaintext());
    if let Some(after_s) = retry_after_s {
        response.insert_header((RETRY_AFTER, after_s));
    }
    response.body(word.to_owned())
}
