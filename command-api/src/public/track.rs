//! `GET /t/{token}`: the picture of a mail, and the way by which its links lead. What was done is on record before the answer; whoever
//! waits for it is let on after two seconds, whatever becomes of that.

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use tidings_domain::token::{Done, TokenError, TrackingLink};
use tidings_service::access::{Access, Route};

use super::page;
use crate::commands::Commands;
use crate::engagement::{Program, record};

const PATH: &str = "/t/{token}";

pub(crate) const ROUTE: Route = ("GET", PATH, Access::Public);
pub(crate) const LOOK: Route = ("HEAD", PATH, Access::Public);

/// A transparent dot (GIF89a).
const DOT: &[u8] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

/// Follow a link of a mail, or fetch its picture
///
/// The token stands in the mail, if its channel's `tracking` wants that. What was done is recorded, with the program that the request
/// names; no cookie is set, and no address is kept.
#[utoipa::path(
    get, path = "/t/{token}", tag = "public",
    params(("token" = String, Path, description = "As it stands in the mail")),
    responses(
        (status = 200, description = "The picture", content_type = "image/gif"),
        (status = 302, description = "To where the link leads", headers(("Location" = String, description = "The address"))),
        (status = 404, description = "The link is incomplete or was changed", content_type = "text/html"),
    ),
)]
pub(crate) async fn track(
    commands: web::Data<Commands>,
    request: HttpRequest,
    token: web::Path<String>,
) -> HttpResponse {
    let Some(tracking) = &commands.tracking else {
        return page::bad_link(&TokenError::UnknownKey);
    };
    let link = match TrackingLink::verify(&token, &tracking.keys) {
        Ok(link) => link,
        Err(error) => return page::bad_link(&error),
    };
    // Whoever only asks what there is has neither opened nor followed anything.
    if request.method() == Method::GET {
        let (link, program) = (link.clone(), program(&request));
        record(commands.clone(), tracking, link, program).await;
    }
    answer(link.done)
}

/// See where a link of a mail leads
///
/// Answers as `GET` does, and records nothing.
#[utoipa::path(
    head, path = "/t/{token}", tag = "public",
    params(("token" = String, Path, description = "As it stands in the mail")),
    responses(
        (status = 200, description = "The picture is there"),
        (status = 302, description = "To where the link leads", headers(("Location" = String, description = "The address"))),
        (status = 404, description = "The link is incomplete or was changed"),
    ),
)]
pub(crate) async fn look(
    commands: web::Data<Commands>,
    request: HttpRequest,
    token: web::Path<String>,
) -> HttpResponse {
    track(commands, request, token).await
}

fn program(request: &HttpRequest) -> Program {
    let said = |name| {
        let value = request.headers().get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    Program {
        user_agent: said("user-agent").unwrap_or_default(),
        purpose: said("sec-purpose").or_else(|| said("purpose")),
    }
}

fn answer(done: Done) -> HttpResponse {
    let (status, body) = match &done {
        Done::Opened => (StatusCode::OK, DOT),
        Done::Clicked { .. } => (StatusCode::FOUND, &b""[..]),
    };
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::CACHE_CONTROL, "no-store, private"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header(("X-Robots-Tag", "noindex"));
    match done {
        Done::Opened => response.insert_header((header::CONTENT_TYPE, "image/gif")),
        Done::Clicked { url, .. } => response.insert_header((header::LOCATION, url)),
    };
    response.body(body)
}
