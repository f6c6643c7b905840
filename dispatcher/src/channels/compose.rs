//! One delivery as a complete mail: headers and both bodies. What the kinds that send mails share.

use std::time::SystemTime;

use lettre::{
    Address, Message,
    message::{
        Mailbox,
        header::{HeaderName, HeaderValue},
    },
};
use reqwest::Url;

use super::letterhead::Letterhead;
use crate::{
    channel::{About, Job, RenderError, Rendered},
    content::mail::{Footer, Why},
};

const LIST_UNSUBSCRIBE: HeaderName = HeaderName::new_from_ascii_str("List-Unsubscribe");
const LIST_UNSUBSCRIBE_POST: HeaderName = HeaderName::new_from_ascii_str("List-Unsubscribe-Post");
const LIST_ID: HeaderName = HeaderName::new_from_ascii_str("List-Id");
const LIST_HELP: HeaderName = HeaderName::new_from_ascii_str("List-Help");
const FEEDBACK_ID: HeaderName = HeaderName::new_from_ascii_str("Feedback-ID");
const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");

/// Puts the message together, unsigned, from the letterhead's own address, or the one the job names. The same job gives the same bytes.
pub(super) fn mail(letterhead: &Letterhead, job: &Job<'_>) -> Result<Rendered, RenderError> {
    let recipient = job.recipient.as_ref().ok_or(RenderError::NoRecipient)?;
    let to = mailbox(&recipient.email, recipient.name.as_deref())?;
    let unsubscribe_url = job.unsubscribe_url.as_deref().map(plain_url).transpose()?;
    let preferences_url = job.preferences_url.as_deref().map(plain_url).transpose()?;
    let letterhead = &letterhead.of(job.sender)?;
    let footer = Footer {
        reader: to.email.as_ref(),
        sender: letterhead.called(),
        why: Why::of(job.about),
        unsubscribe_url,
        preferences_url,
    };
    let id = format!("{}@{}", job.delivery_id, letterhead.from.email.domain());
    let mut message = Message::builder()
        .from(letterhead.from.clone())
        .to(to.clone())
        .subject(job.content.title())
        .date(SystemTime::from(job.date))
        .message_id(Some(format!("<{id}>")));
    if let Some(reply_to) = &letterhead.reply_to {
        message = message.reply_to(reply_to.clone());
    }
    if let Some(list_id) = &letterhead.list_id {
        message = message.raw_header(verbatim(LIST_ID, list_id.clone()));
    }
    if let Some(url) = unsubscribe_url {
        let ways = ways_to_leave(url, letterhead.unsubscribe_mailbox.as_ref());
        let one_click = "List-Unsubscribe=One-Click".to_owned();
        message = message
            .raw_header(verbatim(LIST_UNSUBSCRIBE, ways))
            .raw_header(verbatim(LIST_UNSUBSCRIBE_POST, one_click))
            // The same page says whose list it is, and how to leave it.
            .raw_header(verbatim(LIST_HELP, format!("<{url}>")));
    }
    let feedback_id = match job.about {
        About::Publication(id) => format!("{id}:publication:tidings"),
        About::Notice(kind) => {
            // Nobody wrote it, so no machine need answer (RFC 3834).
            message = message.raw_header(verbatim(AUTO_SUBMITTED, "auto-generated".to_owned()));
            format!("{kind}:notice:tidings")
        }
    };
    let tracking = job.tracking.as_ref();
    let tracked = tracking.and_then(|it| it.tracked(letterhead.tracking));
    let key = job.delivery_id.to_string();
    let bodies = (job.content.mail()).alternative(Some(&footer), tracked.as_ref(), &key);
    let message = message
        .raw_header(verbatim(FEEDBACK_ID, feedback_id))
        .multipart(bodies)
        .map_err(|_| RenderError::Unbuildable)?;
    Ok(Rendered {
        delivery_id: job.delivery_id,
        attempt: job.attempt,
        media_type: "message/rfc822",
        from: letterhead.from.email.to_string(),
        to: to.email.to_string(),
        body: message.formatted(),
    })
}

/// The link, and a mail for those who would rather write one (RFC 2369). The token at the end of the
/// link says who writes.
fn ways_to_leave(url: &str, mailbox: Option<&Address>) -> String {
    match (mailbox, url.rsplit_once('/')) {
        (Some(mailbox), Some((_, token))) => {
            // Folded between the two: each is at most one line long.
            format!("<{url}>,\r\n <mailto:{mailbox}?subject=unsubscribe%20{token}>")
        }
        _ => format!("<{url}>"),
    }
}

/// A header whose value is known to be printable ASCII and short: folding would only hurt a URL.
fn verbatim(name: HeaderName, value: String) -> HeaderValue {
    HeaderValue::dangerous_new_pre_encoded(name, value.clone(), value)
}

/// lettre panics on a display name with a line end in it; nothing with a control character gets there.
pub(super) fn mailbox(email: &str, name: Option<&str>) -> Result<Mailbox, RenderError> {
    let name = name.map(str::trim).filter(|name| !name.is_empty());
    if name.is_some_and(|name| name.chars().any(char::is_control)) {
        return Err(RenderError::BadName);
    }
    if email.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(RenderError::BadAddress);
    }
    let (user, domain) = email.rsplit_once('@').ok_or(RenderError::BadAddress)?;
    let address = Address::new(user, domain).map_err(|_| RenderError::BadAddress)?;
    let address = if domain.is_ascii() {
        address
    } else {
        let domain = ascii_domain(domain).ok_or(RenderError::BadAddress)?;
        Address::new(user, domain).map_err(|_| RenderError::BadAddress)?
    };
    Ok(Mailbox::new(name.map(str::to_owned), address))
}

/// The form of an international domain that every server understands.
fn ascii_domain(domain: &str) -> Option<String> {
    let url = Url::parse(&format!("http://{domain}/")).ok()?;
    url.host_str().map(str::to_owned)
}

/// Longest unsubscribe link: a header line holds 998 characters.
const URL_LENGTH_MAX: usize = 900;

fn plain_url(url: &str) -> Result<&str, RenderError> {
    let web = url.starts_with("https://") || url.starts_with("http://");
    let plain = url
        .bytes()
        .all(|byte| matches!(byte, b'!'..=b'~') && !matches!(byte, b'<' | b'>'));
    if web && plain && url.len() <= URL_LENGTH_MAX {
        Ok(url)
    } else {
        Err(RenderError::BadUnsubscribeUrl)
    }
}
