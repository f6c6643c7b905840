//! `POST /hooks/mail`: a mail that came to one of our addresses, handed over by the mail server. To the address in
//! `List-Unsubscribe` readers write who leave: the token in it says who; the address it came from says nothing, since
//! anybody can write any. To a return path servers report what they could not deliver.

use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use mail_parser::MessageParser;
use tidings_domain::subscriber::UnsubscribeMethod;
use tidings_domain::token::UnsubscribeLink;
use tidings_service::Problem;
use tidings_service::access::{Access, Route};
use tidings_service::http::{RequestContext, read_body};
use tidings_service::problem::ProblemBody;

use super::departure::depart;
use crate::commands::Commands;
use crate::feedback;
use crate::feedback::mail::Returned;

pub(crate) const ROUTE: Route = ("POST", "/hooks/mail", Access::Public);

/// A mail that a mail program writes to leave has a subject and little else, and mail servers cut what they return.
const BODY_BYTES_MAX: usize = 1 << 20;
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
    let mail: Bytes = read_body(&request, &mut body.into_inner(), BODY_BYTES_MAX).await?;
    let recipient = request.headers().get(RECIPIENT);
    let recipient = recipient.and_then(|it| it.to_str().ok());
    match feedback::mail::take(&commands, &(&origin).into(), &mail, recipient).await? {
        Returned::Taken => return Ok(HttpResponse::NoContent().finish()),
        Returned::Ignored => return Ok(HttpResponse::Accepted().finish()),
        Returned::NoReport => {}
    }
    let texts = texts(&mail);
    let link = texts
        .iter()
        .flat_map(|text| tokens(text.as_bytes()))
        .chain(tokens(&mail))
        .find_map(|token| UnsubscribeLink::verify(token, &commands.link_keys).ok())
        .ok_or_else(|| {
            Problem::validation().detail("The mail holds no unsubscribe token that was made here.")
        })?;
    depart(&commands, &origin, &link, UnsubscribeMethod::Mail, None).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Subject and texts as their writer meant them: on its way a long subject is folded and encoded (RFC 2047), and
/// so is a reply that quotes the link.
fn texts(mail: &[u8]) -> Vec<String> {
    let Some(mail) = MessageParser::default().parse(mail) else {
        return Vec::new();
    };
    let parts = mail.parts.iter().filter_map(|part| part.text_contents());
    mail.subject()
        .into_iter()
        .chain(parts)
        .map(str::to_owned)
        .collect()
}

/// Whatever may be a token, in its order.
pub(crate) fn tokens(mail: &[u8]) -> impl Iterator<Item = &str> {
    mail.split(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')))
        .filter(|word| word.len() == UnsubscribeLink::TOKEN_CHARS)
        .filter_map(|word| std::str::from_utf8(word).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    #[test]
    fn a_long_subject_is_read_however_it_was_folded_and_encoded() {
        let token = "A-_9".repeat(UnsubscribeLink::TOKEN_CHARS / 4);
        let (first, rest) = token.split_at(50);
        let base64 = |text: &str| STANDARD.encode(text);
        for encoded in [
            format!("unsubscribe {token}"),
            format!(
                "=?utf-8?b?{}?=\r\n =?utf-8?B?{}?=",
                base64(&format!("unsubscribe {first}")),
                base64(rest)
            ),
            format!(
                "=?us-ascii?q?unsubscribe_{}?=\r\n =?us-ascii?q?{}?=",
                first.replace('_', "=5F"),
                rest.replace('_', "=5F")
            ),
        ] {
            let mail = format!("From: a@example.org\r\nSubject: {encoded}\r\n\r\nhello\r\n");
            assert_eq!(found_in(&mail), [token.as_str()], "{encoded}");
        }
        assert!(found_in("no mail at all").is_empty());
    }

    #[test]
    fn a_reply_that_quotes_the_link_is_read_however_its_text_is_encoded() {
        let token = "A-_9".repeat(UnsubscribeLink::TOKEN_CHARS / 4);
        let text = format!("please stop\r\n> https://news.example.org/u/{token}\r\n");
        let (first, rest) = text.split_at(60);
        let quoted_printable = format!("{first}=\r\n{rest}");
        for (encoding, body) in [
            ("base64", STANDARD.encode(&text)),
            ("quoted-printable", quoted_printable),
        ] {
            let mail = format!(
                "Subject: Re: news\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
                 Content-Transfer-Encoding: {encoding}\r\n\r\n{body}\r\n"
            );
            assert_eq!(found_in(&mail), [token.as_str()], "{encoding}");
        }
    }

    fn found_in(mail: &str) -> Vec<String> {
        let texts = texts(mail.as_bytes());
        let tokens = texts.iter().flat_map(|text| tokens(text.as_bytes()));
        tokens.map(str::to_owned).collect()
    }

    #[test]
    fn a_token_is_found_wherever_it_stands_and_nothing_else_is_tried() {
        let token = "A-_9".repeat(UnsubscribeLink::TOKEN_CHARS / 4);
        for mail in [
            format!("Subject: unsubscribe {token}\r\n\r\n"),
            format!("Subject: Re:\r\n unsubscribe\r\n {token}\r\n\r\nhello"),
            format!("\r\n> https://news.example.org/u/{token}>"),
        ] {
            assert_eq!(tokens(mail.as_bytes()).collect::<Vec<_>>(), [&token]);
        }
        for mail in [
            format!("x{token}"),
            format!("{token}="),
            "\u{e4}".repeat(116),
        ] {
            let found = tokens(mail.as_bytes()).count();
            assert_eq!(found, usize::from(mail.ends_with('=')), "{mail}");
        }
    }
}
