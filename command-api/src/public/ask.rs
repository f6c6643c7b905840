//! `GET /u/{token}`: the page behind the link in a mail. It changes nothing, because mail scanners
//! follow every link; its button does.

use actix_web::{HttpResponse, web};
use tidings_domain::token::UnsubscribeLink;

use super::{PATH, page};
use crate::commands::Commands;
use tidings_service::access::{Access, Route};

pub(crate) const ROUTE: Route = ("GET", PATH, Access::Public);

/// The page that asks whether to unsubscribe
#[utoipa::path(
    get, path = "/u/{token}", tag = "public",
    params(("token" = String, Path, description = "As it stands in the mail")),
    responses(
        (status = 200, description = "A page with a button; nothing has changed", content_type = "text/html"),
        (status = 404, description = "The link is incomplete or was changed", content_type = "text/html"),
    ),
)]
pub(crate) async fn ask(commands: web::Data<Commands>, token: web::Path<String>) -> HttpResponse {
    match UnsubscribeLink::verify(&token, &commands.link_keys) {
        Ok(link) => {
            let preferences = page::preferences(&link, commands.link_keys.current());
            page::ask(&page::what(&link, &commands.offers).await, &preferences)
        }
        Err(error) => page::bad_link(&error),
    }
}
