//! A mail that came to one of our addresses. To the address in `List-Unsubscribe` readers write who leave: the token in
//! it says who; the address it came from says nothing, since anybody can write any. To a return path servers report
//! what they could not deliver.
//!
//! `public/mail` takes it from the mail server over HTTP, [`maildir`] out of a folder.

mod automatic;
pub mod maildir;

use tidings_domain::subscriber::UnsubscribeMethod;
use tidings_domain::token::UnsubscribeLink;
use tidings_service::Problem;

use crate::commands::Commands;
use crate::departure::depart;
use crate::feedback::Origin;
use crate::feedback::mail::{self, Returned};
use crate::mime::{Mail, Part};

/// So much of a mail is read. A mail that a mail program writes to leave has a subject and little else; a report says
/// what it has to say before it quotes, and mail servers cut what they quote.
pub(crate) const MAIL_BYTES_MAX: usize = 1 << 20;

/// What became of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Somebody has left, or a report is on record; now or earlier.
    Done,
    /// A report, or an automatic answer, that changes nothing.
    Ignored,
    /// No report, and no token in it that was made here.
    NoToken,
}

/// Takes a whole mail. `recipient`: the address it came to, where the mail server says so beside it.
///
/// # Errors
/// 503 when the log does not take it, 409 when others were faster again and again: worth another try. 500 when a
/// stream cannot be read.
pub(crate) async fn take(
    commands: &Commands,
    origin: &Origin,
    mail: &[u8],
    recipient: Option<&str>,
) -> Result<Taken, Problem> {
    let parsed = Mail::parse(mail);
    match mail::take(commands, origin, &parsed, recipient).await? {
        Returned::Taken => return Ok(Taken::Done),
        Returned::Ignored => return Ok(Taken::Ignored),
        Returned::NoReport if automatic::is_answer(&parsed) => return Ok(Taken::Ignored),
        Returned::NoReport => {}
    }
    let link = texts(&parsed)
        .chain(std::iter::once(String::from_utf8_lossy(mail).into_owned()))
        .find_map(|text| {
            tokens(text.as_bytes())
                .find_map(|token| UnsubscribeLink::verify(token, &commands.link_keys).ok())
        });
    let Some(link) = link else {
        return Ok(Taken::NoToken);
    };
    depart(commands, origin, &link, UnsubscribeMethod::Mail, None).await?;
    Ok(Taken::Done)
}

/// Subject and texts as their writer meant them: on its way a long subject is folded and encoded (RFC 2047), and
/// so is a reply that quotes the link.
fn texts(mail: &Mail<'_>) -> impl Iterator<Item = String> {
    let read = |part: &&Part<'_>| part.is_text() || part.is("message", &["rfc822", "global"]);
    let subject = mail.whole().subject().map(str::to_owned);
    let parts = mail.parts().iter().filter(read).map(Part::text);
    subject.into_iter().chain(parts)
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
        let owned = |text: String| {
            tokens(text.as_bytes())
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        texts(&Mail::parse(mail.as_bytes()))
            .flat_map(owned)
            .collect()
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
