//! `POST /u/{token}`: a subscriber leaves, by the one click of a mail program (RFC 8058) or by our
//! button. No login, no cookie, no redirect, and nobody is refused for what program they use.

use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use tidings_domain::subscriber::UnsubscribeMethod;
use tidings_domain::token::UnsubscribeLink;
use tidings_service::access::{Access, Route};
use tidings_service::http::{RequestContext, read_body};

use super::{PATH, evidence, form, page};
use crate::commands::Commands;
use crate::departure::{Departed, depart};

pub(crate) const ROUTE: Route = ("POST", PATH, Access::Public);

/// A form with one field; mail programs add little to it.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// Unsubscribe by the link in a mail
///
/// Takes effect at once, however often it comes.
#[utoipa::path(
    post, path = "/u/{token}", tag = "public",
    params(("token" = String, Path, description = "As it stands in the mail")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "What a mail program sends (RFC 8058), also as multipart/form-data",
        example = "List-Unsubscribe=One-Click"),
    responses(
        (status = 200, description = "Unsubscribed, now or earlier", content_type = "text/html"),
        (status = 404, description = "The link is incomplete or was changed", content_type = "text/html"),
        (status = 503, description = "Not written down; `Retry-After` says when to try again",
            content_type = "text/html"),
    ),
)]
pub(crate) async fn leave(
    commands: web::Data<Commands>,
    request: HttpRequest,
    token: web::Path<String>,
    origin: RequestContext,
    body: web::Payload,
) -> HttpResponse {
    let link = match UnsubscribeLink::verify(&token, &commands.link_keys) {
        Ok(link) => link,
        Err(error) => return page::bad_link(&error),
    };
    // Having the link is the right to leave: a body that did not arrive only tells less about how.
    let body = read_body(&request, &mut body.into_inner(), BODY_BYTES_MAX)
        .await
        .unwrap_or_else(|_| Bytes::new());
    let one_click = form::is_one_click(&body);
    let method = if one_click {
        UnsubscribeMethod::OneClick
    } else {
        UnsubscribeMethod::Page
    };
    let evidence = evidence(&request);
    match depart(&commands, &(&origin).into(), &link, method, evidence).await {
        Ok(departed) => {
            let what = match departed {
                // Read by a program.
                Departed::Named if one_click => page::THIS_LIST.to_owned(),
                Departed::Named => page::what(&link, &commands.offers).await,
                Departed::Everything => page::EVERYTHING.to_owned(),
            };
            let way = match (departed, &commands.sign_up_form) {
                (Departed::Named, _) => {
                    page::see_else(&page::preferences(&link, commands.link_keys.current()))
                }
                (Departed::Everything, Some(_)) => page::SIGN_UP_AGAIN.to_owned(),
                (Departed::Everything, None) => String::new(),
            };
            page::done(&what, &way)
        }
        Err(problem) => {
            tracing::warn!(%problem, "somebody could not leave");
            page::later()
        }
    }
}
