//! What SES's answer means for the delivery.
//!
//! <https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html#API_SendEmail_Errors>,
//! <https://docs.aws.amazon.com/ses/latest/APIReference-V2/CommonErrors.html>,
//! <https://docs.aws.amazon.com/ses/latest/dg/manage-sending-quotas-errors.html>.

use serde::Deserialize;
use serde_json::Value;
use tidings_proto::Reason;
use tidings_service::outbound::Response;
use time::OffsetDateTime;

use crate::{
    channel::{Blame, Outcome, one_line},
    channels::http::{Answer, message_id, unexpected},
};

const TYPE_HEADER: &str = "x-amzn-errortype";

/// What is said to a mail that was taken.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Taken {
    message_id: String,
}

pub(super) fn of_response(response: &Response, now: OffsetDateTime) -> Outcome {
    let mut answer = Answer::new(response, now);
    if answer.status == 200 {
        let taken = serde_json::from_slice::<Taken>(&response.body).ok();
        return match taken.and_then(|taken| message_id(&taken.message_id)) {
            Some(id) => answer.sent(Some(id)),
            // Whoever says yes without an id need not be SES.
            None => unexpected(),
        };
    }
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let text = |name: &str| body[name].as_str();
    // Amazon's services do not agree on where the type stands, nor on how the words' field is spelt.
    let header = response.headers.get(TYPE_HEADER);
    let header = header.and_then(|value| value.to_str().ok());
    let kind = bare(header.or(text("__type")).unwrap_or_default());
    let words = text("message").or(text("Message")).unwrap_or_default();
    if !kind.is_empty() {
        answer.reply = one_line(&format!("{kind}: {words}"));
    }
    of_refusal(answer, kind, &words.to_ascii_lowercase())
}

/// Whether the day's quota is used up.
pub(super) fn is_of_the_day(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Deferred { reason, .. } if *reason == Reason::QuotaExceeded)
}

/// A type without the namespace before or behind it.
fn bare(kind: &str) -> &str {
    let kind = kind.split(':').next().unwrap_or_default();
    kind.rsplit('#').next().unwrap_or_default().trim()
}

/// What is the account's or the settings' fault is put off, for it can be mended: it must not cost a reader the mail.
fn of_refusal(answer: Answer, kind: &str, words: &str) -> Outcome {
    let says = |some: &[&str]| some.iter().any(|it| words.contains(it));
    if says(&["message quota exceeded", "sending quota exceeded"]) {
        return answer.deferred(Reason::QuotaExceeded, Blame::Pace);
    }
    if answer.status == 429 || says(&["sending rate exceeded"]) {
        return answer.deferred(Reason::Throttled, Blame::Pace);
    }
    match kind {
        "TooManyRequestsException"
        | "LimitExceededException"
        | "ThrottlingException"
        | "Throttling" => answer.deferred(Reason::Throttled, Blame::Pace),
        "AccountSuspendedException" => answer.deferred(Reason::AccountSuspended, Blame::Channel),
        "SendingPausedException" => answer.deferred(Reason::SendingPaused, Blame::Channel),
        "MailFromDomainNotVerifiedException" => {
            answer.deferred(Reason::NotVerified, Blame::Channel)
        }
        // All we name that can be missing.
        "NotFoundException" => answer.deferred(Reason::ConfigurationSetNotFound, Blame::Channel),
        // Of a mail too, SES says some things that are the account's.
        "MessageRejected" | "BadRequestException" if says(&["not verified"]) => {
            answer.deferred(Reason::NotVerified, Blame::Channel)
        }
        "MessageRejected" | "BadRequestException" if says(&["sending suspended"]) => {
            answer.deferred(Reason::AccountSuspended, Blame::Channel)
        }
        "MessageRejected" | "BadRequestException"
            if says(&["sending paused", "sending is disabled"]) =>
        {
            answer.deferred(Reason::SendingPaused, Blame::Channel)
        }
        "BadRequestException" if says(&["configuration set"]) => {
            answer.deferred(Reason::ConfigurationSetNotFound, Blame::Channel)
        }
        "MessageRejected" | "BadRequestException" if says(&["message length"]) => {
            answer.failed(Reason::MessageTooLarge)
        }
        "MessageRejected" => answer.failed(Reason::Rejected),
        "BadRequestException" => answer.failed(Reason::InvalidPayload),
        "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "RequestExpired" => answer.deferred(Reason::AuthenticationRefused, Blame::Channel),
        "AccessDenied" | "AccessDeniedException" | "NotAuthorized" | "OptInRequired" => {
            answer.deferred(Reason::NotAllowed, Blame::Channel)
        }
        _ => of_status(answer, kind),
    }
}

/// No type that we know.
fn of_status(answer: Answer, kind: &str) -> Outcome {
    match answer.status {
        // Not even SES need have said it: whoever broke down may have taken the mail before.
        500 if kind.is_empty() => unexpected(),
        404 => answer.deferred(Reason::ApiNotFound, Blame::Channel),
        401 | 403 | 413 | 300..=399 | 500..=599 => answer.by_status(),
        200..=299 => unexpected(),
        408 => answer.deferred(Reason::Timeout, Blame::Network),
        // Not taken, for a reason we do not know: it may pass, and if not, the schedule ends.
        _ => answer.deferred(Reason::Rejected, Blame::Receiver),
    }
}
