//! `GET /u/{token}`: the page behind the link in a mail. It changes nothing, because mail scanners
//! follow every link; its button does.

use actix_web::{HttpResponse, web};
use tidings_domain::token::UnsubscribeLink;

use super::{PATH, page};
use crate::commands::Commands;
use crate::departure::{Departed, would_leave};
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
            let departed = would_leave(&commands, &link);
            match tokio::time::timeout(page::TOLD_WITHIN, departed).await {
                // Nobody knows any more who they are, and nothing can be chosen.
                Ok(Departed::Everything) => page::ask(page::EVERYTHING, None),
                Ok(Departed::Named) | Err(_) => {
                    let preferences = page::preferences(&link, commands.link_keys.current());
                    page::ask(
                        &page::what(&link, &commands.offers).await,
                        Some(&preferences),
                    )
                }
            }
        }
        Err(error) => page::bad_link(&error),
    }
}
