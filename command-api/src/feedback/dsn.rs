//! Reports by mail that say that a mail did not get there (RFC 3464) or is not wanted (RFC 5965), read without trusting
//! a byte of them: a report says what it is about, and whoever reads it has to find out whether that may be believed.

use tidings_domain::delivery::{BounceClass, BounceReason, EnhancedStatus, Feedback};
use tidings_domain::token::{LinkKeys, UnsubscribeLink};
use tidings_domain::value::EmailAddress;
use time::OffsetDateTime;

use super::complaint_kind;
use crate::inbound::tokens;
use crate::mime;

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

/// What is said, in lower case, of a mailbox that gets more mail than it may.
const PACE: [&str; 3] = ["receiving mail at a rate", "too quickly", "receivingrate"];

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

/// What a whole mail is, and every address that it came to by its headers.
pub(super) fn read(mail: &mime::Mail<'_>, keys: &LinkKeys) -> (Mail, Vec<String>) {
    (kind(mail, keys), addresses(mail))
}

/// Words of the headers that say where it came to.
fn addresses(mail: &mime::Mail<'_>) -> Vec<String> {
    let separates = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | ',' | ';' | '"' | ':');
    ADDRESS_HEADERS
        .iter()
        .flat_map(|name| mail.whole().headers(name))
        .flat_map(|value| value.split(separates))
        .filter(|word| word.contains('@'))
        .map(str::to_owned)
        .collect()
}

fn kind(mail: &mime::Mail<'_>, keys: &LinkKeys) -> Mail {
    let whole = mail.whole();
    let report_type = whole
        .content_type()
        .and_then(|it| it.attribute("report-type"));
    let report = match report_type {
        _ if !whole.is("multipart", &["report"]) => return Mail::Other,
        Some(kind) if kind.eq_ignore_ascii_case("feedback-report") => complaint(mail),
        _ => failure(mail),
    };
    report.map_or(Mail::Nothing, |said| {
        let written_at = whole.date().map(mail_parser::DateTime::to_timestamp);
        Mail::Report(Box::new(Returned {
            what: said.what,
            link: link(mail, keys),
            mail_from: said.mail_from,
            recipients: said.recipients,
            written_at: written_at.and_then(|it| OffsetDateTime::from_unix_timestamp(it).ok()),
            // Without a name of its own, it is what it says.
            id: whole.message_id().unwrap_or(&said.text).to_owned(),
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

fn failure(mail: &mime::Mail<'_>) -> Option<Said> {
    let text = part(mail, &["delivery-status", "global-delivery-status"])?;
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
fn complaint(mail: &mime::Mail<'_>) -> Option<Said> {
    let text = part(mail, &["feedback-report"])?;
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

fn part(mail: &mime::Mail<'_>, subtypes: &[&str]) -> Option<String> {
    let mut parts = mail.parts().iter();
    let found = parts.find(|it| it.is("message", subtypes))?;
    Some(String::from_utf8_lossy(&found.contents()).into_owned())
}

/// Our mails bear a link to leave, which names the delivery and is signed. The returned mail comes whole, or as its
/// headers alone.
fn link(mail: &mime::Mail<'_>, keys: &LinkKeys) -> Option<UnsubscribeLink> {
    let returned = ["rfc822", "rfc822-headers", "global", "global-headers"];
    let is_returned =
        |part: &&mime::Part<'_>| part.is("message", &returned) || part.is("text", &returned);
    mail.parts().iter().filter(is_returned).find_map(|part| {
        tokens(&part.contents())
            .filter_map(|token| UnsubscribeLink::verify(token, keys).ok())
            .find(|link| link.delivery_id.is_some())
    })
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

    /// What it comes to for the address.
    fn meaning(&self) -> (BounceClass, BounceReason) {
        meaning(self.status().as_ref(), self.get("diagnostic-code"))
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
    let (class, reason) = first.meaning();
    let nobody = recipients
        .iter()
        .all(|it| it.failed() && it.meaning().0 == BounceClass::Hard);
    let class = match nobody {
        true => class,
        false => BounceClass::Soft,
    };
    let words = first.typed("diagnostic-code").filter(|it| !it.is_empty());
    Some(Feedback::bounced(class, reason, first.status(), words))
}

/// What a status means for the address (RFC 3463). Only that nobody has it is hard: not what lies in the mail, in its
/// sender, in the way there or in how long it took, and not what says no more than that it failed. A mail server that
/// trusts us no more refuses whole audiences. `words`: what the other side said.
pub(super) fn meaning(
    status: Option<&EnhancedStatus>,
    words: Option<&str>,
) -> (BounceClass, BounceReason) {
    use BounceClass::{Hard, Soft};
    use BounceReason as R;
    match status.map(EnhancedStatus::numbers) {
        // They have tried for days.
        Some([4, ..] | [5, 4, 7]) => (Soft, R::Expired),
        // Of the sender's address.
        Some([5, 1, 7 | 8]) => (Soft, R::Policy),
        Some(numbers) if EnhancedStatus::is_unknown(numbers) => (Hard, R::NoSuchAddress),
        // Somebody has the address, and gets more than their provider lets through.
        Some([5, 2, 1]) if words.is_some_and(is_pace) => (Soft, R::Policy),
        Some([5, 2, 1]) => (Hard, R::MailboxDisabled),
        Some([5, 2, 2]) => (Soft, R::MailboxFull),
        Some([5, 2, 3] | [5, 3, 4]) => (Soft, R::MessageTooLarge),
        Some([5, 6, _]) => (Soft, R::ContentRejected),
        Some([5, 7, _]) => (Soft, R::Policy),
        _ => (Soft, R::Other),
    }
}

/// Whether words say that a mailbox gets mail too quickly (Gmail, with the status of a mailbox that is disabled).
pub(super) fn is_pace(words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    PACE.iter().any(|it| words.contains(it))
}

#[cfg(test)]
mod tests;
