//! Reports by mail that say that a mail did not get there (RFC 3464), read without trusting a byte of them: a report
//! says what it is about, and whoever reads it has to find out whether that may be believed.

use mail_parser::{Message, MessageParser, MimeHeaders as _, PartType};
use tidings_domain::delivery::{BounceClass, BounceReason, EnhancedStatus, Feedback};
use tidings_domain::value::EmailAddress;
use time::OffsetDateTime;
use uuid::Uuid;

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
    /// A report that says nothing of a failure: it is late, it arrived, it was read.
    NoFailure,
    /// A report of a failure.
    Failure(Box<Failure>),
}

/// A report of a failure.
#[derive(Debug, PartialEq)]
pub(super) struct Failure {
    /// What it says: always a bounce.
    pub(super) what: Feedback,
    /// The delivery that the returned mail says it is. Anybody can write that.
    pub(super) delivery_id: Option<Uuid>,
    /// The addresses that were not reached, as the report has them.
    pub(super) recipients: Vec<EmailAddress>,
    /// When it was written, by its own account.
    pub(super) written_at: Option<OffsetDateTime>,
    /// What it is called.
    pub(super) id: String,
}

/// Reads a whole mail, and every address that it came to by its headers.
pub(super) fn read(bytes: &[u8]) -> (Mail, Vec<String>) {
    match MessageParser::default().parse(bytes) {
        Some(message) => (kind(&message), addresses(&message)),
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

fn kind(message: &Message<'_>) -> Mail {
    let content_type = message.content_type();
    let is_report = content_type.is_some_and(|it| {
        it.ctype().eq_ignore_ascii_case("multipart")
            && it
                .subtype()
                .is_some_and(|it| it.eq_ignore_ascii_case("report"))
    });
    let report_type = content_type.and_then(|it| it.attribute("report-type"));
    match report_type {
        _ if !is_report => Mail::Other,
        // A complaint passed on by the reader's provider (RFC 5965): it wants them taken off.
        Some(kind) if kind.eq_ignore_ascii_case("feedback-report") => Mail::Other,
        _ => failure(message).map_or(Mail::NoFailure, |it| Mail::Failure(Box::new(it))),
    }
}

fn failure(message: &Message<'_>) -> Option<Failure> {
    let status = message.parts.iter().find(|part| {
        is_message(
            part.content_type(),
            &["delivery-status", "global-delivery-status"],
        )
    })?;
    let text = String::from_utf8_lossy(status.contents());
    let recipients = recipients(&text);
    let what = judge(&recipients)?;
    let failed = recipients.iter().filter(|it| it.failed());
    let named = failed.flat_map(|it| {
        [
            it.address("original-recipient"),
            it.address("final-recipient"),
        ]
    });
    let written_at = message.date().map(mail_parser::DateTime::to_timestamp);
    Some(Failure {
        what,
        delivery_id: delivery_id(message),
        recipients: named.flatten().collect(),
        written_at: written_at.and_then(|it| OffsetDateTime::from_unix_timestamp(it).ok()),
        // Without a name of its own, it is what it says.
        id: message.message_id().unwrap_or(&text).to_owned(),
    })
}

fn is_message(content_type: Option<&mail_parser::ContentType<'_>>, subtypes: &[&str]) -> bool {
    content_type.is_some_and(|it| {
        let named = |subtype: &str| subtypes.iter().any(|it| it.eq_ignore_ascii_case(subtype));
        it.ctype().eq_ignore_ascii_case("message") && it.subtype().is_some_and(named)
    })
}

/// Our mails are called after their delivery. The returned mail comes whole, or as its headers alone.
fn delivery_id(message: &Message<'_>) -> Option<Uuid> {
    let id = message.parts.iter().find_map(|part| match &part.body {
        PartType::Message(returned) => returned.message_id().map(str::to_owned),
        _ => {
            let content_type = part.content_type()?;
            let headers = content_type
                .subtype()?
                .eq_ignore_ascii_case("rfc822-headers")
                || content_type
                    .subtype()?
                    .eq_ignore_ascii_case("global-headers");
            let returned = MessageParser::default().parse_headers(part.contents())?;
            let id = returned.message_id().map(str::to_owned);
            id.filter(|_| headers)
        }
    })?;
    Uuid::try_parse(id.split('@').next()?).ok()
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
        self.get(name)?
            .split_once(';')
            .map(|(_, value)| value.trim())
    }

    fn address(&self, name: &str) -> Option<EmailAddress> {
        let text = self.typed(name)?.trim_matches(['<', '>']);
        EmailAddress::parse(text).ok()
    }

    fn status(&self) -> Option<EnhancedStatus> {
        EnhancedStatus::parse(self.word("status")?).ok()
    }
}

/// The groups of fields that say what was done; the first group is about the whole mail, and says nothing of it.
fn recipients(text: &str) -> Vec<Recipient> {
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
    groups.retain(|group| group.get("action").is_some());
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

/// What a status means for the address (RFC 3463). Only what lies in the address is hard: not what lies in the mail, in
/// its sender, or in how long it took.
fn meaning(status: Option<&EnhancedStatus>) -> (BounceClass, BounceReason) {
    use BounceClass::{Hard, Soft};
    use BounceReason as R;
    match status.map(EnhancedStatus::numbers) {
        // They have tried for days.
        Some([4, ..] | [5, 4, 7]) => (Soft, R::Expired),
        // Of the sender's address.
        Some([5, 1, 7 | 8]) => (Soft, R::Policy),
        Some([5, 1, _]) => (Hard, R::NoSuchAddress),
        Some([5, 2, 1]) => (Hard, R::MailboxDisabled),
        Some([5, 2, 2]) => (Soft, R::MailboxFull),
        Some([5, 2, 3] | [5, 3, 4]) => (Soft, R::MessageTooLarge),
        Some([5, 6, _]) => (Soft, R::ContentRejected),
        Some([5, 7, _]) => (Soft, R::Policy),
        Some([5, ..]) => (Hard, R::Other),
        _ => (Soft, R::Other),
    }
}

#[cfg(test)]
mod tests;
