//! `POST /p/{token}/own-data`: somebody on the page behind the links in a mail asks for all that is held about its reader. A
//! link to it goes to the address on record, not to whoever asks.

mod page;
pub(crate) mod take;

use actix_web::{HttpRequest, HttpResponse, web};
use tidings_domain::token::PreferencesLink;
use tidings_service::access::{Access, Route};
use tidings_service::http::RequestContext;

use super::{evidence, page as pages};
use crate::commands::Commands;
use crate::own_data;

pub(crate) const ASK: Route = ("POST", "/p/{token}/own-data", Access::Public);

/// What the page behind a mail's links shows of it: the button, for whoever may press it. `token`: of that page.
pub(super) fn section(contact: &str, token: &str) -> String {
    page::section(contact, token)
}

/// Ask for all that is held about the reader of a mail
///
/// What the button on the page `/p/{token}` sends; the body is not read. A link goes by mail to the address that the reader
/// has, twice in 24 hours and four times in 30 days at most.
#[utoipa::path(
    post, path = "/p/{token}/own-data", tag = "public", operation_id = "ask_for_own_data",
    params(("token" = String, Path, description = "As it stands in the mail")),
    responses(
        (status = 200, description = "A link is on its way to the reader's address", content_type = "text/html"),
        (status = 404, description = "Nothing is handed out by links here, the link is incomplete or was changed, or its \
            reader was erased or has yet to confirm", content_type = "text/html"),
        (status = 409, description = "Nothing may be sent to the reader's address, or it was changed for them lately: the page \
            says whom to ask", content_type = "text/html"),
        (status = 410, description = "The link came to an address that its reader has given up", content_type = "text/html"),
        (status = 429, description = "A link was sent lately", content_type = "text/html"),
        (status = 503, description = "Nothing was sent; `Retry-After` says when to try again", content_type = "text/html"),
    ),
)]
pub(crate) async fn ask(
    commands: web::Data<Commands>,
    request: HttpRequest,
    token: web::Path<String>,
    origin: RequestContext,
) -> HttpResponse {
    let Some(own_data) = &commands.own_data else {
        return page::closed();
    };
    let link = match PreferencesLink::verify(&token, &commands.link_keys) {
        Ok(link) => link,
        Err(error) => return pages::bad_link(&error),
    };
    match own_data::ask(&commands, &origin, &link, evidence(&request)).await {
        Ok(asked) => page::asked(asked, &own_data.contact),
        Err(problem) => {
            tracing::warn!(%problem, "somebody could not ask for their data");
            page::later()
        }
    }
}
