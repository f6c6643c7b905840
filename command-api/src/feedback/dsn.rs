//! Reports by mail that say that a mail did not get there (RFC 3464) or is not wanted (RFC 5965), read without trusting
//! a byte of them: a report says what it is about, and whoever reads it has to find out whether that may be believed.

use mail_parser::{ContentType, Message, MessageParser, MessagePart, MimeHeaders as _};
use tidings_domain::delivery::{BounceClass, BounceReason, EnhancedStatus, Feedback};
use tidings_domain::token::{LinkKeys, UnsubscribeLink};
use tidings_domain::value::EmailAddress;
use time::OffsetDateTime;

use super::complaint_kind;
use crate::inbound::tokens;

/// Receivers of one report that are looked at: our mails have one.
const RECIPIENTS_MAX: usize = 50;
/// Fields of one receiver that are looked at.
const FIELDS_MAX: usize = 50;
/// Headers in which a mail server says which address a mail came to; the last one is the writer's own.
const ADDRESS_HEADERS: [&str; 6] = [
    "Delivered-To",
    "X-Original-To",
    "Envelope-To",
    "X-Envelope-To",
    "X-Delivered-To",
    "To",
];

/// What a mail is.
#[derive(Debug, PartialEq)]
pub(super) enum Mail {
    /// No report, or one of a kind that is read elsewhere.
    Other,
    /// A report that says nothing of a failure: it is late, it arrived, it was read, it is no spam.
    Nothing,
    /// A report of a failure, or a complaint.
    Report(Box<Returned>),
}

/// A report about a mail of ours.
#[derive(Debug, PartialEq)]
pub(super) struct Returned {
    /// What it says: a bounce or a complaint.
    pub(super) what: Feedback,
    /// The link to leave that stands in the returned mail; it names a delivery. Whoever was shown that mail has it.
    pub(super) link: Option<UnsubscribeLink>,
    /// The envelope sender of the returned mail, as a complaint has it.
    pub(super) mail_from: Option<String>,
    /// The addresses that were not reached in the end, as the report has them; none: it says nothing of any.
    pub(super) recipients: Option<Vec<EmailAddress>>,
    /// When it was written, by its own account.
    pub(super) written_at: Option<OffsetDateTime>,
    /// What it is called.
    pub(super) id: String,
}

/// Reads a whole mail, and every address that it came to by its headers.
pub(super) fn read(bytes: &[u8], keys: &LinkKeys) -> (Mail, Vec<String>) {
    match MessageParser::default().parse(bytes) {
        Some(message) => (kind(&message, keys), addresses(&message)),
        None => (Mail::Other, Vec::new()),
    }
}

/// Words of the headers that say where it came to.
fn addresses(message: &Message<'_>) -> Vec<String> {
    let named = |name: &str| {
        ADDRESS_HEADERS
            .iter()
            .any(|it| it.eq_ignore_ascii_case(name))
    };
    let separates = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | ',' | ';' | '"' | ':');
    message
        .headers_raw()
        .filter(|(name, _)| named(name))
        .flat_map(|(_, value)| value.split(separates))
        .filter(|word| word.contains('@'))
        .map(str::to_owned)
        .collect()
}

fn kind(message: &Message<'_>, keys: &LinkKeys) -> Mail {
    let content_type = message.content_type();
    let is_report = is(content_type, "multipart", &["report"]);
    let report_type = content_type.and_then(|it| it.attribute("report-type"));
    let report = match report_type {
        _ if !is_report => return Mail::Other,
        Some(kind) if kind.eq_ignore_ascii_case("feedback-report") => complaint(message),
        _ => failure(message),
    };
    report.map_or(Mail::Nothing, |said| {
        let written_at = message.date().map(mail_parser::DateTime::to_timestamp);
        Mail::Report(Box::new(Returned {
            what: said.what,
            link: link(message, keys),
            mail_from: said.mail_from,
            recipients: said.recipients,
            written_at: written_at.and_then(|it| OffsetDateTime::from_unix_timestamp(it).ok()),
            // Without a name of its own, it is what it says.
            id: message.message_id().unwrap_or(&said.text).to_owned(),
        }))
    })
}

/// What a report says in its fields, of which addresses, and these fields.
struct Said {
    what: Feedback,
    mail_from: Option<String>,
    recipients: Option<Vec<EmailAddress>>,
    text: String,
}

fn failure(message: &Message<'_>) -> Option<Said> {
    let text = part(message, &["delivery-status", "global-delivery-status"])?;
    let groups = groups(&text, "action");
    let what = judge(&groups)?;
    let failed = groups.iter().filter(|it| it.failed());
    let named = failed.filter_map(|it| it.address("final-recipient"));
    Some(Said {
        what,
        mail_from: None,
        recipients: Some(named.collect()),
        text,
    })
}

/// A complaint passed on by the reader's provider (RFC 5965).
fn complaint(message: &Message<'_>) -> Option<Said> {
    let text = part(message, &["feedback-report"])?;
    let groups = groups(&text, "feedback-type");
    let fields = groups.first()?;
    let kind = complaint_kind(fields.word("feedback-type")?)?;
    let mail_from = fields.word("original-mail-from");
    Some(Said {
        what: Feedback::Complained { kind },
        mail_from: mail_from.map(|it| it.trim_matches(['<', '>']).to_owned()),
        recipients: None,
        text,
    })
}

fn part(message: &Message<'_>, subtypes: &[&str]) -> Option<String> {
    let asked = |part: &&MessagePart<'_>| is(part.content_type(), "message", subtypes);
    let found = message.parts.iter().find(asked)?;
    Some(String::from_utf8_lossy(found.contents()).into_owned())
}

fn is(content_type: Option<&ContentType<'_>>, kind: &str, subtypes: &[&str]) -> bool {
    content_type.is_some_and(|it| {
        let named = |subtype: &str| subtypes.iter().any(|it| it.eq_ignore_ascii_case(subtype));
        it.ctype().eq_ignore_ascii_case(kind) && it.subtype().is_some_and(named)
    })
}

/// Our mails bear a link to leave, which names the delivery and is signed. The returned mail comes whole, or as its
/// headers alone.
fn link(message: &Message<'_>, keys: &LinkKeys) -> Option<UnsubscribeLink> {
    let returned = ["rfc822", "rfc822-headers", "global", "global-headers"];
    let parts = message.parts.iter().filter(|part| {
        let content_type = part.content_type();
        is(content_type, "message", &returned) || is(content_type, "text", &returned)
    });
    let raw = parts.filter_map(|part| {
        let [from, to] = [part.raw_body_offset(), part.raw_end_offset()].map(|at| at as usize);
        message.raw_message().get(from..to)
    });
    raw.flat_map(tokens)
        .filter_map(|token| UnsubscribeLink::verify(token, keys).ok())
        .find(|link| link.delivery_id.is_some())
}

/// What a report says of one receiver: names in lower case, and values on one line.
struct Recipient(Vec<(String, String)>);

impl Recipient {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(it, _)| it == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A value without comments behind it.
    fn word(&self, name: &str) -> Option<&str> {
        let separates = |c: char| c.is_whitespace() || c == '(';
        self.get(name)?.split(separates).next()
    }

    fn failed(&self) -> bool {
        self.word("action")
            .is_some_and(|action| action.eq_ignore_ascii_case("failed"))
    }

    /// What stands behind a type: `rfc822; ada@example.org`.
    fn typed(&self, name: &str) -> Option<&str> {
        let text = self.get(name)?;
        text.contains(';').then(|| without_type(text))
    }

    fn address(&self, name: &str) -> Option<EmailAddress> {
        let text = self.typed(name)?.trim_matches(['<', '>']);
        EmailAddress::parse(text).ok()
    }

    /// The status; one that says no more than that it failed is looked for in the words of the other side.
    fn status(&self) -> Option<EnhancedStatus> {
        let status = EnhancedStatus::parse(self.word("status")?).ok()?;
        let words = match status.numbers() {
            [_, 0, 0] => self.typed("diagnostic-code"),
            _ => None,
        };
        let said = words
            .into_iter()
            .flat_map(|it| it.split([' ', '-', '#', '(', ')']));
        let more = said
            .filter_map(|word| EnhancedStatus::parse(word).ok())
            .next();
        Some(more.unwrap_or(status))
    }
}

/// What stands behind a type, if there is one: `smtp; 550 no such user`.
pub(super) fn without_type(text: &str) -> &str {
    let behind = text.split_once(';').map_or(text, |(_, value)| value);
    behind.trim()
}

/// The groups of fields that have this one; that of a delivery report which is about the whole mail has no action.
fn groups(text: &str, field: &str) -> Vec<Recipient> {
    let mut groups = vec![Recipient(Vec::new())];
    for line in text.lines() {
        let group = groups.last_mut().expect("there is one from the start");
        let fields = &mut group.0;
        if line.trim().is_empty() {
            if groups.len() > RECIPIENTS_MAX {
                break;
            }
            groups.push(Recipient(Vec::new()));
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':')
            && fields.len() < FIELDS_MAX
        {
            fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }
    groups.retain(|group| group.get(field).is_some());
    groups
}

/// What it comes to. The address is given up only when nobody behind it was reached: one that leads to several people
/// is reported for each.
fn judge(recipients: &[Recipient]) -> Option<Feedback> {
    let first = recipients.iter().find(|it| it.failed())?;
    let status = first.status();
    let (class, reason) = meaning(status.as_ref());
    let nobody = recipients
        .iter()
        .all(|it| it.failed() && meaning(it.status().as_ref()).0 == BounceClass::Hard);
    let class = match nobody {
        true => class,
        false => BounceClass::Soft,
    };
    let words = first.typed("diagnostic-code").filter(|it| !it.is_empty());
    Some(Feedback::bounced(class, reason, status, words))
}

/// What a status means for the address (RFC 3463). Only that nobody has it is hard: not what lies in the mail, in its
/// sender, in the way there or in how long it took, and not what says no more than that it failed. A mail server that
/// trusts us no more refuses whole audiences.
pub(super) fn meaning(status: Option<&EnhancedStatus>) -> (BounceClass, BounceReason) {
    use BounceClass::{Hard, Soft};
    use BounceReason as R;
    match status.map(EnhancedStatus::numbers) {
        // They have tried for days.
        Some([4, ..] | [5, 4, 7]) => (Soft, R::Expired),
        // Of the sender's address.
        Some([5, 1, 7 | 8]) => (Soft, R::Policy),
        Some([5, 1, 1 | 2 | 3 | 6 | 10]) => (Hard, R::NoSuchAddress),
        Some([5, 2, 1]) => (Hard, R::MailboxDisabled),
        Some([5, 2, 2]) => (Soft, R::MailboxFull),
        Some([5, 2, 3] | [5, 3, 4]) => (Soft, R::MessageTooLarge),
        Some([5, 6, _]) => (Soft, R::ContentRejected),
        Some([5, 7, _]) => (Soft, R::Policy),
        _ => (Soft, R::Other),
    }
}

#[cfg(test)]
mod tests;
