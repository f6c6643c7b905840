//! `POST /hooks/mail`: a mail that came to one of our addresses, handed over by the mail server.

use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use tidings_service::Problem;
use tidings_service::access::{Access, Route};
use tidings_service::http::{RequestContext, read_body};
use tidings_service::problem::ProblemBody;

use crate::commands::Commands;
use crate::inbound::{self, MAIL_BYTES_MAX, Taken};

pub(crate) const ROUTE: Route = ("POST", "/hooks/mail", Access::Public);

/// The address the mail came to, as its envelope has it. Not in the URL: a return path is a secret, and proxies keep URLs.
const RECIPIENT: &str = "Tidings-Recipient";

/// Take a mail
///
/// Takes a whole mail as the mail server received it. A report that one of our mails did not get there (RFC 3464) goes
/// on record with its delivery, once. Any other mail asks to leave: it must hold the token that stands in the `mailto:`
/// of `List-Unsubscribe`; mail programs put it into the subject. Takes effect at once, however often it comes.
#[utoipa::path(
    post, path = "/hooks/mail", tag = "public",
    params(("Tidings-Recipient" = Option<String>, Header, description = "The address the mail came to, as its envelope \
        has it. Needed for a report when no header of it names the address")),
    request_body(content = String, content_type = "message/rfc822", description = "The mail, headers and all",
        example = "From: ada@example.org\r\nTo: leave@news.example.org\r\nSubject: unsubscribe AXUB\r\n\r\n"),
    responses(
        (status = 202, description = "A report or an automatic answer that changes nothing: it tells of no failure, or \
            of none of our mails, or too much was said of that mail already"),
        (status = 204, description = "Unsubscribed, or the report is on record; now or earlier"),
        (status = 413, description = "Larger than 1 MiB", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "No token in it that this installation made", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 503, description = "Not written down; hand it over again later", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn receive(
    commands: web::Data<Commands>,
    request: HttpRequest,
    origin: RequestContext,
    body: web::Payload,
) -> Result<HttpResponse, Problem> {
    let mail: Bytes = read_body(&request, &mut body.into_inner(), MAIL_BYTES_MAX).await?;
    let recipient = request.headers().get(RECIPIENT);
    let recipient = recipient.and_then(|it| it.to_str().ok());
    match inbound::take(&commands, &(&origin).into(), &mail, recipient).await? {
        Taken::Done => Ok(HttpResponse::NoContent().finish()),
        Taken::Ignored => Ok(HttpResponse::Accepted().finish()),
        Taken::NoToken => {
            Err(Problem::validation()
                .detail("The mail holds no unsubscribe token that was made here."))
        }
    }
}
