//! What the kinds that speak HTTP share: which URLs they take, how they post, and what an answer or the lack of
//! one means where the vendor says no more about it.

#[cfg(test)]
mod tests;

use std::error::Error as StdError;
use std::time::Duration;

use reqwest::{Url, header::HeaderMap};
use tidings_proto::Reason;
use tidings_service::outbound::{Outbound, OutboundError, Response};
use time::OffsetDateTime;

use crate::channel::{Blame, Environment, Outcome, Warrant, one_line};

/// No receiver makes us wait for less or longer than this.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);
/// Longest id of a message that is kept, in characters.
const MESSAGE_ID_LENGTH_MAX: usize = 128;
/// What an attempt takes beside its request: rendering, and the commits before and after.
const ATTEMPT_MARGIN: Duration = Duration::from_secs(15);

/// Checks a URL that somebody configured: https to where requests may go, or this machine where that is allowed.
pub(super) fn acceptable(url: &str, environment: &Environment) -> Result<Url, &'static str> {
    let url = environment
        .outbound
        .vet(url)
        .map_err(|_| {
            "must be an https:// URL, and not on this machine or in a private network: those are reached only where \
             `outbound.allow_loopback` or `outbound.allow_private` is set"
        })?;
    if url.scheme() == "https" || (environment.allow_loopback && is_loopback(&url)) {
        Ok(url)
    } else {
        Err("must start with https://")
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// The longest an attempt of one request can take.
pub(super) fn attempt_time_max(outbound: &Outbound) -> Duration {
    outbound.policy().timeout + ATTEMPT_MARGIN
}

/// Posts JSON, unless the attempt is too old by now.
///
/// # Errors
/// The outcome of an attempt without an answer.
pub(super) async fn post(
    outbound: &Outbound,
    url: &str,
    body: Vec<u8>,
    headers: HeaderMap,
    warrant: &dyn Warrant,
) -> Result<Response, Outcome> {
    // `Outbound` lets no byte of a request out later than its connect timeout (a few seconds) after the call, which
    // is as near as HTTP lets us ask.
    if !warrant.is_fresh() {
        return Err(Outcome::Abandoned {
            reason: Reason::Stale,
        });
    }
    let answer = outbound.post_json(url, body, headers).await;
    answer.map_err(|error| unanswered(&error))
}

fn unanswered(error: &OutboundError) -> Outcome {
    let (reason, blame) = match error {
        OutboundError::NoAnswer(cause) if cause.is_timeout() => {
            (Reason::ReplyTimeout, Blame::Network)
        }
        OutboundError::NoAnswer(_) => (Reason::ConnectionLost, Blame::Network),
        OutboundError::Connect(_) => (Reason::ConnectFailed, Blame::Network),
        OutboundError::Url(_) | OutboundError::Refused { .. } | OutboundError::Setup(_) => {
            (Reason::DestinationNotAllowed, Blame::Channel)
        }
    };
    if error.may_have_been_sent() {
        return Outcome::InDoubt { reason };
    }
    Outcome::Deferred {
        reason,
        code: 0,
        reply: one_line(&said(error)),
        retry_after: None,
        blame,
    }
}

/// What is wrong, and what is at the bottom of it: the layers in between name themselves only.
fn said(error: &OutboundError) -> String {
    let mut bottom = error.source();
    while let Some(cause) = bottom.and_then(StdError::source) {
        bottom = Some(cause);
    }
    match bottom {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// An answer, on its way to an outcome.
pub(super) struct Answer {
    pub(super) status: u16,
    /// The body as one printable line.
    pub(super) reply: String,
    /// What the receiving side asks us to wait, within bounds.
    pub(super) retry_after: Option<Duration>,
}

impl Answer {
    pub(super) fn new(response: &Response, now: OffsetDateTime) -> Self {
        Self {
            status: response.status,
            reply: one_line(&String::from_utf8_lossy(&response.body)),
            retry_after: response.retry_after(now).map(within_bounds),
        }
    }

    pub(super) fn sent(self, provider_message_id: Option<String>) -> Outcome {
        Outcome::Sent {
            code: i32::from(self.status),
            reply: self.reply,
            provider_message_id,
        }
    }

    pub(super) fn deferred(self, reason: Reason, blame: Blame) -> Outcome {
        Outcome::Deferred {
            reason,
            code: i32::from(self.status),
            reply: self.reply,
            retry_after: self.retry_after,
            blame,
        }
    }

    pub(super) fn failed(self, reason: Reason) -> Outcome {
        Outcome::Failed {
            reason,
            code: i32::from(self.status),
            reply: self.reply,
            blame: Blame::Receiver,
        }
    }

    /// What the status means by itself. A 2xx is no proof: who has one knows more.
    pub(super) fn by_status(self) -> Outcome {
        match self.status {
            200..=299 => unexpected(),
            // We follow no redirect: a webhook that moves is a webhook to configure anew.
            300..=399 => self.deferred(Reason::Redirected, Blame::Channel),
            400 => self.failed(Reason::InvalidPayload),
            401 | 403 => self.deferred(Reason::NotAllowed, Blame::Channel),
            404 => self.deferred(Reason::WebhookNotFound, Blame::Channel),
            413 => self.failed(Reason::MessageTooLarge),
            429 => self.deferred(Reason::RateLimited, Blame::Pace),
            // A gateway gave up waiting: whoever stands behind it may have taken the message.
            502 | 504 => Outcome::InDoubt {
                reason: Reason::ReplyTimeout,
            },
            500..=599 => self.deferred(Reason::ServerError, Blame::Network),
            _ => self.failed(Reason::Rejected),
        }
    }
}

/// An answer that means neither yes nor no.
pub(super) fn unexpected() -> Outcome {
    Outcome::InDoubt {
        reason: Reason::UnexpectedReply,
    }
}

/// A wait the receiving side asks for, as far as we go along with it.
pub(super) fn within_bounds(wait: Duration) -> Duration {
    wait.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX)
}

/// How long a channel rests after this outcome: as long as a rate limit said, at least a second.
pub(super) fn rest_after(outcome: &Outcome) -> Option<Duration> {
    match outcome {
        Outcome::Deferred {
            reason: Reason::RateLimited,
            retry_after,
            ..
        } => Some(within_bounds(retry_after.unwrap_or_default())),
        _ => None,
    }
}

/// The id of a message, if it is one: foreign words that will stand in the log.
pub(super) fn message_id(id: &str) -> Option<String> {
    let fits = (1..=MESSAGE_ID_LENGTH_MAX).contains(&id.len());
    (fits && id.bytes().all(|byte| byte.is_ascii_graphic())).then(|| id.to_owned())
}
