//! `/x/{token}`: the page behind the link of a mail that was sent for it, where whoever has the link takes all that is held
//! about its reader. A GET changes and hands out nothing, because mail scanners follow every link; the button does.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, web};
use tidings_domain::token::OwnDataLink;
use tidings_service::Problem;
use tidings_service::access::{Access, Route};
use tidings_service::http::{RequestContext, Terms, hand_out, read_body};

use super::page;
use crate::commands::Commands;
use crate::own_data::{self, OwnData, Taken};
use crate::public::{form, page as pages};

const PATH: &str = "/x/{token}";

pub(crate) const SHOW: Route = ("GET", PATH, Access::Public);
pub(crate) const TAKE: Route = ("POST", PATH, Access::Public);

/// Far more than the button sends.
const BODY_BYTES_MAX: usize = 4 * 1024;
/// Whoever has not taken the file by then has a line on which it does not come.
const WITHIN: Duration = Duration::from_secs(600);

/// The page where a reader takes what is held about them
#[utoipa::path(
    get, path = "/x/{token}", tag = "public", operation_id = "show_own_data",
    params(("token" = String, Path, description = "As it stands in the mail")),
    responses(
        (status = 200, description = "A page with a button; nothing is handed out", content_type = "text/html"),
        (status = 404, description = "Nothing is handed out by links here, or the link is incomplete or was changed",
            content_type = "text/html"),
        (status = 409, description = "The reader's address was changed for them lately: the page says whom to ask",
            content_type = "text/html"),
        (status = 410, description = "The link is older than seven days, was used five times, or its reader has another address \
            since, or is being erased", content_type = "text/html"),
        (status = 503, description = "It can not be told just now; `Retry-After` says when to try again",
            content_type = "text/html"),
    ),
)]
pub(crate) async fn show(commands: web::Data<Commands>, token: web::Path<String>) -> HttpResponse {
    let (own_data, link) = match usable(&commands, &token) {
        Ok(usable) => usable,
        Err(page) => return *page,
    };
    match own_data::judge(&commands, &link).await {
        Ok(Ok(_)) => page::offered(),
        Ok(Err(refused)) => page::refused(refused, &own_data.contact),
        Err(problem) => later(&problem),
    }
}

/// Take all that is held about the reader of a mail
///
/// A ZIP as an officer hands it out, but for the words of officers and the titles of what nobody has tried to send yet. It goes on
/// record first.
#[utoipa::path(
    post, path = "/x/{token}", tag = "public", operation_id = "take_own_data",
    params(("token" = String, Path, description = "As it stands in the mail")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded",
        description = "The page's form; without `do=download` the page is shown", example = "do=download"),
    responses(
        (status = 200, description = "The file", content_type = "application/zip", body = Vec<u8>, headers(
            ("Repr-Digest" = String, description = "SHA-256 of the file (RFC 9530)."),
        )),
        (status = 404, description = "As for GET", content_type = "text/html"),
        (status = 409, description = "As for GET", content_type = "text/html"),
        (status = 410, description = "As for GET", content_type = "text/html"),
        (status = 503, description = "Others are being handed theirs, or it can not be made or put on record just now; \
            `Retry-After` says when to try again", content_type = "text/html"),
    ),
)]
pub(crate) async fn take(
    commands: web::Data<Commands>,
    request: HttpRequest,
    token: web::Path<String>,
    origin: RequestContext,
    body: web::Payload,
) -> HttpResponse {
    let body = read_body(&request, &mut body.into_inner(), BODY_BYTES_MAX).await;
    let (own_data, link) = match usable(&commands, &token) {
        Ok(usable) => usable,
        Err(page) => return *page,
    };
    let pressed = match body {
        Ok(body) => form::holds(&body, page::FIELD, page::DOWNLOAD),
        Err(problem) => return later(&problem),
    };
    if !pressed {
        return page::offered();
    }
    let taken = own_data::take(&commands, own_data, &origin, &link).await;
    let handed = taken.and_then(|taken| match taken {
        Taken::Ready(ready, place) => {
            let terms = Terms {
                name: page::FILE,
                held: place,
                within: WITHIN,
            };
            hand_out(ready, terms)
        }
        Taken::Refused(refused) => Ok(page::refused(refused, &own_data.contact)),
        Taken::Full => Ok(page::full()),
    });
    handed.unwrap_or_else(|problem| later(&problem))
}

/// What the link says; without it, the page that says why it can not be used.
fn usable<'c>(
    commands: &'c Commands,
    token: &str,
) -> Result<(&'c OwnData, OwnDataLink), Box<HttpResponse>> {
    let own_data = commands.own_data.as_ref();
    let own_data = own_data.ok_or_else(|| Box::new(page::closed()))?;
    let link = OwnDataLink::verify(token, &commands.link_keys);
    let link = link.map_err(|error| Box::new(pages::bad_link(&error)))?;
    Ok((own_data, link))
}

fn later(problem: &Problem) -> HttpResponse {
    tracing::warn!(%problem, "somebody could not see or take what is held about them");
    page::later()
}
