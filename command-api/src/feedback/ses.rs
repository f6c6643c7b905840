//! What Amazon SES tells of a mail through Amazon SNS, in both shapes it has for that: published events (`eventType`),
//! and plain notifications (`notificationType`). Only the former bring the tags back that a mail was sent with, which say
//! which delivery it was.
//!
//! Whoever may send mail from the same account can set such tags, so they are not proof of anything but that: what is
//! said counts against a reader only if it is about the reader's address.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tidings_domain::delivery::{
    BounceClass, BounceReason, EnhancedStatus, Feedback, FeedbackSource,
};
use tidings_domain::value::EmailAddress;
use tidings_event_store::RETRY_AFTER;
use tidings_service::Problem;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::{Origin, Report, complaint_kind, dsn, plausible, record};
use crate::commands::Commands;

/// The tag with the delivery's id.
const DELIVERY_TAG: &str = "tidings-delivery";
/// The tag with the attempt's number.
const ATTEMPT_TAG: &str = "tidings-attempt";
/// Receivers of one event that are looked at; SES sends no mail to more.
const RECIPIENTS_MAX: usize = 50;

/// Takes what a notification says. Everything that is no report of ours is passed over, and counted.
///
/// # Errors
/// 503 when the log does not take it: worth another try. 400 when it is a report and cannot be read.
pub(crate) async fn take(commands: &Commands, origin: &Origin, text: &str) -> Result<(), Problem> {
    let ignored = |why: &str| {
        commands.count_feedback(FeedbackSource::Ses, why);
        Ok(())
    };
    let told = match read(text) {
        Ok(told) => told,
        Err(Unread::Ignored(why)) => return ignored(why),
        Err(Unread::Malformed) => {
            commands.count_feedback(FeedbackSource::Ses, "malformed");
            let detail = "It says that it is a report of Amazon SES, and cannot be read as one.";
            return Err(Problem::bad_request(detail));
        }
    };
    let Some(delivery_id) = told.delivery_id else {
        return ignored("uncorrelated");
    };
    let now = commands.clock.now();
    let mut failed = None;
    for said in told.said.into_iter().take(RECIPIENTS_MAX) {
        let report = Report {
            delivery_id,
            attempt: told.attempt,
            what: said.what,
            reported_at: plausible(told.at, now),
            event_id: said.event_id,
            recipients: Some(address(&said.recipient).into_iter().collect()),
            source: FeedbackSource::Ses,
        };
        // One that cannot be taken keeps no other from it.
        failed = record(commands, origin, report).await.err().or(failed);
    }
    failed.map_or(Ok(()), |problem| Err(come_again(&problem)))
}

/// What is answered instead: SNS tries again after this alone, and after no 4xx but 429.
fn come_again(problem: &Problem) -> Problem {
    tracing::warn!(%problem, "a report of SES was not taken");
    let detail = "It could not be put on record. It is taken when it comes again.";
    Problem::unavailable(detail, RETRY_AFTER.as_secs(), None)
}

/// What an event tells.
#[derive(Debug, PartialEq)]
struct Told {
    delivery_id: Option<Uuid>,
    attempt: Option<u32>,
    at: Option<OffsetDateTime>,
    said: Vec<Said>,
}

/// What it says of one receiver.
#[derive(Debug, PartialEq)]
struct Said {
    what: Feedback,
    recipient: String,
    event_id: String,
}

/// Why there is nothing to take.
#[derive(Debug, PartialEq)]
enum Unread {
    /// It is nothing of what is taken; counted under this name.
    Ignored(&'static str),
    /// It is, and it cannot be read.
    Malformed,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    event_type: Option<String>,
    notification_type: Option<String>,
}

#[derive(Deserialize)]
struct Mailed<T> {
    mail: Mail,
    #[serde(
        alias = "bounce",
        alias = "complaint",
        alias = "delivery",
        alias = "reject"
    )]
    event: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mail {
    message_id: String,
    timestamp: Option<String>,
    #[serde(default)]
    destination: Vec<String>,
    #[serde(default)]
    tags: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bounce {
    bounce_type: String,
    bounce_sub_type: Option<String>,
    bounced_recipients: Vec<Recipient>,
    timestamp: Option<String>,
    feedback_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Complaint {
    complained_recipients: Vec<Recipient>,
    complaint_feedback_type: Option<String>,
    timestamp: Option<String>,
    feedback_id: String,
}

#[derive(Deserialize)]
struct Delivery {
    recipients: Vec<String>,
    timestamp: Option<String>,
}

#[derive(Deserialize)]
struct Reject {
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recipient {
    email_address: String,
    status: Option<String>,
    diagnostic_code: Option<String>,
}

fn read(text: &str) -> Result<Told, Unread> {
    // When a topic is chosen, SES writes to it: "Successfully validated SNS topic …".
    let Ok(named) = serde_json::from_str::<Named>(text) else {
        return Err(Unread::Ignored("other"));
    };
    let name = named.event_type.or(named.notification_type);
    match name.as_deref() {
        Some("Bounce") => parse(text).map(bounced),
        Some("Complaint") => parse(text).and_then(complained),
        Some("Delivery") => parse(text).map(delivered),
        Some("Reject") => parse(text).map(|event| rejected(&event)),
        _ => Err(Unread::Ignored("other")),
    }
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<Mailed<T>, Unread> {
    serde_json::from_str(text).map_err(|_| Unread::Malformed)
}

fn bounced(event: Mailed<Bounce>) -> Told {
    let Bounce {
        bounce_type,
        bounce_sub_type,
        bounced_recipients,
        timestamp,
        feedback_id,
    } = event.event;
    let sub_type = bounce_sub_type.unwrap_or_default();
    let said = bounced_recipients.into_iter().map(|it| Said {
        what: bounce(&bounce_type, &sub_type, &it),
        event_id: event_id("bounce", &feedback_id, &it.email_address),
        recipient: it.email_address,
    });
    Told::of(&event.mail, timestamp, said.collect())
}

fn complained(event: Mailed<Complaint>) -> Result<Told, Unread> {
    let Complaint {
        complained_recipients,
        complaint_feedback_type,
        timestamp,
        feedback_id,
    } = event.event;
    let kind = complaint_kind(complaint_feedback_type.as_deref().unwrap_or("other"));
    let kind = kind.ok_or(Unread::Ignored("nothing"))?;
    let said = complained_recipients.into_iter().map(|it| Said {
        what: Feedback::Complained { kind },
        event_id: event_id("complaint", &feedback_id, &it.email_address),
        recipient: it.email_address,
    });
    Ok(Told::of(&event.mail, timestamp, said.collect()))
}

fn delivered(event: Mailed<Delivery>) -> Told {
    let message_id = &event.mail.message_id;
    let said = event.event.recipients.into_iter().map(|recipient| Said {
        what: Feedback::Delivered,
        event_id: event_id("delivery", message_id, &recipient),
        recipient,
    });
    Told::of(&event.mail, event.event.timestamp, said.collect())
}

/// SES accepted the mail, and then threw it away, since it found a virus in it: nobody gets it, whoever the receiver is.
fn rejected(event: &Mailed<Reject>) -> Told {
    let Mail {
        message_id,
        timestamp,
        destination,
        ..
    } = &event.mail;
    let words = event.event.reason.as_deref();
    let reason = BounceReason::ContentRejected;
    let said = destination.iter().map(|recipient| Said {
        what: Feedback::bounced(BounceClass::Soft, reason, None, words),
        event_id: event_id("reject", message_id, recipient),
        recipient: recipient.clone(),
    });
    Told::of(&event.mail, timestamp.clone(), said.collect())
}

/// SES's own name for what happened to one receiver. Not the `MessageId` of SNS: an event that is published to two topics,
/// or in both shapes, has two of them. An arrival has no name of its own, but happens once to each mail and receiver.
fn event_id(kind: &str, name: &str, recipient: &str) -> String {
    format!("{kind}\n{name}\n{}", recipient.to_lowercase())
}

/// What a bounce means. Only what SES holds against the address itself is hard, as it says in its own table.
fn bounce(bounce_type: &str, sub_type: &str, recipient: &Recipient) -> Feedback {
    use BounceReason as R;
    let status = recipient.status.as_deref();
    let status = status.and_then(|it| EnhancedStatus::parse(it).ok());
    let words = recipient.diagnostic_code.as_deref().map(dsn::without_type);
    let (hard, reason) = match (bounce_type, sub_type) {
        ("Permanent", "NoEmail") => (true, Some(R::NoSuchAddress)),
        ("Permanent", "Suppressed" | "OnAccountSuppressionList") => {
            (true, Some(R::SuppressedByProvider))
        }
        ("Permanent", "General") => (!words.is_some_and(dsn::is_pace), None),
        ("Transient", "MailboxFull") => (false, Some(R::MailboxFull)),
        ("Transient", "MessageTooLarge") => (false, Some(R::MessageTooLarge)),
        ("Transient", "ContentRejected" | "AttachmentRejected") => {
            (false, Some(R::ContentRejected))
        }
        _ => (false, None),
    };
    let class = match hard {
        true => BounceClass::Hard,
        false => BounceClass::Soft,
    };
    let reason = reason.unwrap_or_else(|| dsn::meaning(status.as_ref(), words).1);
    Feedback::bounced(class, reason, status, words.filter(|it| !it.is_empty()))
}

impl Told {
    fn of(mail: &Mail, at: Option<String>, said: Vec<Said>) -> Self {
        let tag = |name| match mail.tags.get(name).map(Vec::as_slice) {
            Some([value]) => Some(value.as_str()),
            _ => None,
        };
        Self {
            delivery_id: tag(DELIVERY_TAG).and_then(|it| Uuid::try_parse(it).ok()),
            attempt: tag(ATTEMPT_TAG).and_then(|it| it.parse().ok()),
            at: at.and_then(|it| OffsetDateTime::parse(&it, &Rfc3339).ok()),
            said,
        }
    }
}

/// The address, of which some servers have made one with a name before it.
fn address(text: &str) -> Option<EmailAddress> {
    let inner = text.rsplit_once('<').map_or(text, |(_, it)| it);
    EmailAddress::parse(inner.trim_end_matches('>').trim()).ok()
}

#[cfg(test)]
mod tests;
