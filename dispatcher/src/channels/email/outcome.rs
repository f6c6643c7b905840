//! What a reply, or a dialogue that broke off, means for the delivery.

use std::{io, time::Duration};

use tidings_domain::delivery::EnhancedStatus;
use tidings_proto::Reason;
use tokio_rustls::rustls;

use super::{reply::Reply, wire::Fault};
use crate::channel::{Blame, Outcome, one_line};

/// What a reply answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Everything before we are logged in.
    Hello,
    Login,
    Mail,
    Rcpt,
    /// The DATA command, not the data.
    Data,
    FinalDot,
}

/// How long an overloaded provider is left alone.
const THROTTLE_PAUSE: Duration = Duration::from_secs(60);
/// What servers say that will not take our mail for others: to none of them, or not to this one.
const NO_RELAY: [&str; 5] = [
    "relay access denied",
    "relay denied",
    "relaying denied",
    "relaying not allowed",
    "unable to relay",
];
/// What servers call it when they put off whoever they do not know yet.
const GREYLISTING: [&str; 2] = ["greylist", "graylist"];

/// A fault before the final dot was written: the receiver cannot have the message.
pub(super) fn broken_off(fault: &Fault) -> Outcome {
    let (reason, words, blame) = match fault {
        Fault::Timeout => (
            Reason::Timeout,
            "the server did not answer in time".to_owned(),
            Blame::Network,
        ),
        Fault::Garbled => (
            Reason::ProtocolError,
            "the server does not speak SMTP as it should".to_owned(),
            Blame::Network,
        ),
        Fault::Lost(error) if is_certificate(error) => (
            Reason::CertificateRefused,
            error.to_string(),
            Blame::Channel,
        ),
        Fault::Lost(error) => (Reason::ConnectionLost, error.to_string(), Blame::Network),
    };
    deferred(reason, &words, blame)
}

/// A fault after the final dot may have left: nobody knows.
pub(super) fn in_doubt(fault: &Fault) -> Outcome {
    Outcome::InDoubt {
        reason: match fault {
            Fault::Timeout => Reason::ReplyTimeout,
            Fault::Lost(_) => Reason::ConnectionLost,
            Fault::Garbled => Reason::UnexpectedReply,
        },
    }
}

/// No reply to go by, and the message not sent.
pub(super) fn deferred(reason: Reason, words: &str, blame: Blame) -> Outcome {
    Outcome::Deferred {
        reason,
        code: 0,
        reply: one_line(words),
        retry_after: None,
        blame,
    }
}

/// A reply other than the one expected, before the message was accepted.
pub(super) fn refused(step: Step, reply: &Reply) -> Outcome {
    match reply.code {
        400..600 if step == Step::Rcpt && is_no_relay(reply) => {
            defer(reply, Reason::RelayRefused, Blame::ChannelOrReceiver)
        }
        400..500 => later(step, reply),
        500..600 => never(step, reply),
        // Neither yes nor no: we are out of step with the server.
        _ => defer(reply, Reason::ProtocolError, Blame::Network),
    }
}

fn later(step: Step, reply: &Reply) -> Outcome {
    let words = reply.words().to_ascii_lowercase();
    let of_receiver = matches!(step, Step::Rcpt | Step::FinalDot);
    let subject = reply.enhanced().map(|(_, subject, _)| subject);
    // Greylisting: each receiver's first mail is put off once, and all may come back together.
    if of_receiver && GREYLISTING.iter().any(|word| words.contains(word)) {
        return defer(reply, Reason::TryLater, Blame::Receiver);
    }
    // The relay's own pace, whichever mail it is said of (Amazon SES: "454 Throttling failure"). With 421 it hangs up on us.
    let throttles = words.contains("throttl") || words.contains("rate exceeded");
    let of_relay = reply.code == 454 || subject != Some(7) || !of_receiver;
    if reply.code != 421 && throttles && of_relay {
        return Outcome::Deferred {
            reason: Reason::Throttled,
            code: i32::from(reply.code),
            reply: reply.words(),
            retry_after: Some(THROTTLE_PAUSE),
            blame: Blame::Pace,
        };
    }
    // Pace and policy (RFC 3463, x.7), said by the receiver's domain or by a relay that has it from there.
    if of_receiver && subject == Some(7) {
        return defer(reply, Reason::TryLater, Blame::Domain);
    }
    if reply.code == 421 {
        return defer(reply, Reason::ServiceUnavailable, Blame::Network);
    }
    match (step, reply.enhanced()) {
        // But for its size nothing was said of the mail yet.
        (Step::Hello | Step::Login | Step::Mail, enhanced)
            if !matches!(enhanced, Some((_, 3, 4))) =>
        {
            defer(reply, Reason::ServiceUnavailable, Blame::Network)
        }
        (Step::Rcpt | Step::FinalDot, Some((_, 2, 2))) => {
            defer(reply, Reason::MailboxFull, Blame::Receiver)
        }
        // Of one mailbox, or of the server we speak to.
        (Step::Rcpt, Some((_, 1..=3, _))) | (Step::FinalDot, _) => {
            defer(reply, Reason::TryLater, Blame::Receiver)
        }
        (Step::Rcpt, _) => defer(reply, Reason::TryLater, Blame::Domain),
        _ => defer(reply, Reason::TryLater, Blame::Network),
    }
}

/// A server that knows us no more says so of each receiver.
fn is_no_relay(reply: &Reply) -> bool {
    let words = reply.words().to_ascii_lowercase();
    matches!(reply.enhanced(), Some((_, 7, 54))) || NO_RELAY.iter().any(|it| words.contains(it))
}

/// RFC 3207, 4: "530 Must issue a STARTTLS command first".
fn wants_encryption(reply: &Reply) -> bool {
    let words = reply.words().to_ascii_lowercase();
    ["starttls", "encrypt", "tls"]
        .iter()
        .any(|word| words.contains(word))
}

/// A final no. One that is about us is put off instead: it must not cost a reader the message.
fn never(step: Step, reply: &Reply) -> Outcome {
    // What is said of one receiver may be said of no other.
    let ours = match step {
        Step::Rcpt | Step::FinalDot => Blame::ChannelOrReceiver,
        _ => Blame::Channel,
    };
    let detail = reply
        .enhanced()
        .map(|(_, subject, detail)| (subject, detail));
    match (step, reply.code, detail) {
        (Step::Hello, ..) => defer(reply, Reason::ServiceRefused, Blame::Channel),
        (_, 538, _) => defer(reply, Reason::EncryptionRequired, ours),
        (Step::Login, ..) | (_, 535, _) => defer(reply, Reason::AuthenticationRefused, ours),
        (_, 530, _) if wants_encryption(reply) => defer(reply, Reason::EncryptionRequired, ours),
        (_, 530, _) => defer(reply, Reason::AuthenticationRequired, ours),
        (_, _, Some((3, 4))) | (Step::Mail, 552, _) => {
            fail(reply, Reason::MessageTooLarge, Blame::Receiver)
        }
        (Step::Mail, ..) | (_, _, Some((1, 7 | 8))) => defer(reply, Reason::SenderRefused, ours),
        (Step::Rcpt, _, Some((1, _))) if is_unknown(reply) => {
            fail(reply, Reason::BadAddress, Blame::Address)
        }
        (_, _, Some((1, _))) => fail(reply, Reason::BadAddress, Blame::Receiver),
        (_, _, Some((2, 2))) | (Step::Rcpt, 552, None) => {
            fail(reply, Reason::MailboxFull, Blame::Receiver)
        }
        (_, 552, _) => fail(reply, Reason::MessageTooLarge, Blame::Receiver),
        _ => fail(reply, Reason::Rejected, Blame::Receiver),
    }
}

fn defer(reply: &Reply, reason: Reason, blame: Blame) -> Outcome {
    Outcome::Deferred {
        reason,
        code: i32::from(reply.code),
        reply: reply.words(),
        retry_after: None,
        blame,
    }
}

/// Whether it is said of the receiver that nobody has the address. Some servers speak of the sender only now.
fn is_unknown(reply: &Reply) -> bool {
    let numbers = reply.enhanced().map(<[u16; 3]>::from);
    numbers.is_some_and(EnhancedStatus::is_unknown)
        && !reply.words().to_ascii_lowercase().contains("sender")
}

fn fail(reply: &Reply, reason: Reason, blame: Blame) -> Outcome {
    Outcome::Failed {
        reason,
        code: i32::from(reply.code),
        reply: reply.words(),
        blame,
    }
}

/// Our side does not trust the server's certificate, or does not know its name.
fn is_certificate(error: &io::Error) -> bool {
    error
        .get_ref()
        .and_then(|cause| cause.downcast_ref::<rustls::Error>())
        .is_some_and(|cause| {
            matches!(
                cause,
                rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented
            )
        })
}
