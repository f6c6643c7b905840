//! `/c/{token}`: the page behind the link in a mail that asks whether somebody wants to be subscribed. A GET changes
//! nothing, because mail scanners follow every link; the button does.

mod page;

use actix_web::{HttpRequest, HttpResponse, web};
use tidings_domain::token::{ConfirmLink, UnsubscribeLink};
use tidings_service::access::{Access, Route};
use tidings_service::http::RequestContext;

use super::{evidence, page as pages};
use crate::commands::Commands;
use crate::confirmation::{self, Answered};

pub(crate) const ASK: Route = ("GET", PATH, Access::Public);
pub(crate) const CONFIRM: Route = ("POST", PATH, Access::Public);

const PATH: &str = "/c/{token}";

/// The page that asks whether to subscribe
#[utoipa::path(
    get, path = "/c/{token}", tag = "public",
    params(("token" = String, Path, description = "As it stands in the mail")),
    responses(
        (status = 200, description = "A page with a button; nothing has changed", content_type = "text/html"),
        (status = 404, description = "The link is incomplete or was changed", content_type = "text/html"),
        (status = 410, description = "The link is older than 30 days", content_type = "text/html"),
    ),
)]
pub(crate) async fn ask(commands: web::Data<Commands>, token: web::Path<String>) -> HttpResponse {
    match usable(&commands, &token) {
        Ok(_) => page::ask(),
        Err(page) => *page,
    }
}

/// Subscribe by the link in a mail
///
/// Takes effect at once; again it changes nothing. The body is not read.
#[utoipa::path(
    post, path = "/c/{token}", tag = "public",
    params(("token" = String, Path, description = "As it stands in the mail")),
    responses(
        (status = 200, description = "Subscribed, now or earlier", content_type = "text/html"),
        (status = 404, description = "The link is incomplete or was changed", content_type = "text/html"),
        (status = 410, description = "The link is older than 30 days, or whoever had it has left since",
            content_type = "text/html"),
        (status = 503, description = "Not written down; `Retry-After` says when to try again",
            content_type = "text/html"),
    ),
)]
pub(crate) async fn confirm(
    commands: web::Data<Commands>,
    request: HttpRequest,
    token: web::Path<String>,
    origin: RequestContext,
) -> HttpResponse {
    let link = match usable(&commands, &token) {
        Ok(link) => link,
        Err(page) => return *page,
    };
    let origin = (&origin).into();
    match confirmation::confirm(&commands, &origin, &link, evidence(&request)).await {
        Ok(Answered::Subscribed) => page::done(),
        Ok(Answered::TooLate) => page::too_late(),
        Err(problem) => {
            tracing::warn!(%problem, "somebody could not confirm");
            page::later()
        }
    }
}

/// What the link says; without it, the page that says why it can not be used.
fn usable(commands: &Commands, token: &str) -> Result<ConfirmLink, Box<HttpResponse>> {
    let link = ConfirmLink::verify(token, &commands.link_keys);
    let link = link.map_err(|error| Box::new(pages::bad_link(&error)))?;
    let today = UnsubscribeLink::issued_on(commands.clock.now());
    match link.is_expired(today) {
        true => Err(Box::new(page::too_late())),
        false => Ok(link),
    }
}
