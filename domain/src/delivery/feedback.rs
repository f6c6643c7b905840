//! What the receiving side says afterwards of a message it took: that it arrived, that it came back, that the
//! receiver called it spam.

use uuid::Uuid;

use super::{Delivery, Event, Outcome, Refusal, Reply};
use crate::id::IdKey;
use crate::personal::Personal;
use crate::value::{Code, Invalid, code_enum, cut};

/// How much is taken of one delivery, of what is grave and of what is not; whatever comes after that is passed over.
/// They are counted apart, so that no number of other reports hides a complaint.
pub const HEARD_MAX: usize = 8;

/// What somebody says afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Feedback {
    /// The receiver's own server has it.
    Delivered,
    /// It was not delivered after all.
    Bounced {
        /// Whether the address takes no mail at all.
        class: BounceClass,
        /// Why.
        reason: BounceReason,
        /// The code it came with.
        status: Option<EnhancedStatus>,
        /// The receiving side's words.
        detail: Option<Personal<String>>,
    },
    /// The receiver called it spam.
    Complained {
        /// What kind of complaint.
        kind: ComplaintKind,
    },
}

impl Feedback {
    /// Whether the address must get no more mail.
    pub const fn is_grave(&self) -> bool {
        matches!(
            self,
            Self::Complained { .. }
                | Self::Bounced {
                    class: BounceClass::Hard,
                    ..
                }
        )
    }

    /// The same, but nothing that the address is judged by.
    pub fn softened(self) -> Self {
        match self {
            Self::Bounced {
                reason,
                status,
                detail,
                ..
            } => Self::Bounced {
                class: BounceClass::Soft,
                reason,
                status,
                detail,
            },
            other => other,
        }
    }

    /// A bounce; of the words, [`Reply::TEXT_CHARS_MAX`] characters are kept.
    pub fn bounced(
        class: BounceClass,
        reason: BounceReason,
        status: Option<EnhancedStatus>,
        detail: Option<&str>,
    ) -> Self {
        let kept = |words| Personal::Known(cut(words, Reply::TEXT_CHARS_MAX).to_owned());
        Self::Bounced {
            class,
            reason,
            status,
            detail: detail.map(kept),
        }
    }
}

/// What a report is known by, so that each is taken once: keyed, since its name may tell who it is about.
pub fn report_digest(
    key: &IdKey,
    delivery_id: Uuid,
    source: FeedbackSource,
    name: &str,
) -> [u8; 32] {
    let parts = [
        delivery_id.as_bytes(),
        source.as_str().as_bytes(),
        name.as_bytes(),
    ];
    key.digest("delivery.feedback", &parts)
}

/// One report of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The attempt it names; 0: not known.
    pub attempt: u32,
    /// Keyed digest of what the reporter calls it.
    pub digest: [u8; 32],
    /// Whether it was [`Feedback::is_grave`].
    pub grave: bool,
}

code_enum! {
    /// Who says so.
    FeedbackSource {
        /// A report by mail (RFC 3464):
        Dsn = "dsn",
        /// A complaint passed on by mail (RFC 5965):
        Arf = "arf",
        /// Amazon SES:
        Ses = "ses",
    }
}

code_enum! {
    /// What a bounce means for the address.
    BounceClass {
        /// It takes no mail:
        Hard = "hard",
        /// This one mail did not get there:
        Soft = "soft",
    }
}

code_enum! {
    /// Why a message came back.
    BounceReason {
        /// Nobody has the address:
        NoSuchAddress = "no_such_address",
        /// The mailbox is closed:
        MailboxDisabled = "mailbox_disabled",
        /// The mailbox is full:
        MailboxFull = "mailbox_full",
        /// It is larger than they take:
        MessageTooLarge = "message_too_large",
        /// They do not like what is in it:
        ContentRejected = "content_rejected",
        /// They take nothing of the kind, or nothing from us:
        Policy = "policy",
        /// Whoever carries our mail does not send to the address:
        SuppressedByProvider = "suppressed_by_provider",
        /// It was tried for too long:
        Expired = "expired",
        /// Something else:
        Other = "other",
    }
}

code_enum! {
    /// What kind of complaint it is. That something is no spam ("not-spam") is none.
    ComplaintKind {
        /// Not asked for:
        Abuse = "abuse",
        /// Fraud or phishing:
        Fraud = "fraud",
        /// Harmful:
        Virus = "virus",
        /// Something else, or not said:
        Other = "other",
    }
}

/// An enhanced status code (RFC 3463): `5.1.1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnhancedStatus(String);

impl EnhancedStatus {
    /// Takes three numbers between dots: one of one digit, two of up to three.
    ///
    /// # Errors
    /// [`Invalid`] when it is not of that shape.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let number = |part: &str, digits_max| {
            (1..=digits_max).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
        };
        match *text.split('.').collect::<Vec<_>>() {
            [class, subject, detail]
                if number(class, 1) && number(subject, 3) && number(detail, 3) =>
            {
                Ok(Self(text.to_owned()))
            }
            _ => Err(Invalid::new(
                "an enhanced status code has the form 5.1.1 (RFC 3463)",
            )),
        }
    }

    /// The code as the log holds it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether these numbers say for good that nobody has the receiver's address: no such mailbox, no such domain, or it is
    /// written as none can be.
    pub fn is_unknown(numbers: [u16; 3]) -> bool {
        matches!(numbers, [5, 1, 1 | 2 | 3 | 6 | 10])
    }

    /// Class, subject and detail.
    pub fn numbers(&self) -> [u16; 3] {
        let mut numbers = self.0.split('.').map(|part| part.parse().unwrap_or(0));
        std::array::from_fn(|_| numbers.next().unwrap_or(0))
    }
}

/// A report that is to be recorded.
pub(super) struct Word {
    /// The attempt it names, if it does.
    pub(super) attempt: Option<u32>,
    pub(super) feedback: Feedback,
    pub(super) reported_at: time::OffsetDateTime,
    pub(super) digest: [u8; 32],
    pub(super) source: FeedbackSource,
}

/// It is taken once, and moves no class; but whoever speaks of a message has it, which ends the doubt about the
/// attempt.
pub(super) fn decide(state: &Delivery, word: Word) -> Result<Vec<Event>, Refusal> {
    let Some(tries) = state.tries() else {
        return Err(Refusal::NotFound);
    };
    if tries.attempts == 0 {
        return Err(Refusal::NeverAttempted);
    }
    let known = |heard: &Heard| heard.digest == word.digest;
    if tries.heard.iter().any(known) {
        return Ok(vec![]);
    }
    if is_full(&tries.heard, word.feedback.is_grave()) {
        return Err(Refusal::HeardEnough);
    }
    // An attempt that the log does not know was made in what a restore has lost.
    let named = word.attempt.filter(|n| (1..=tries.attempts).contains(n));
    let attempt = named.or((tries.attempts == 1).then_some(1));
    let taken = in_doubt(state, attempt).map(|attempt| Event::Sent {
        attempt,
        reply: Reply::none(),
        provider_message_id: None,
    });
    let reported = Event::Reported {
        attempt: attempt.unwrap_or(0),
        feedback: word.feedback,
        reported_at: word.reported_at,
        digest: word.digest,
        source: Code::from_static(word.source.as_str()),
    };
    Ok(taken.into_iter().chain([reported]).collect())
}

/// The attempt in doubt that is proved to have reached the receiving side, if the delivery was not settled otherwise.
fn in_doubt(state: &Delivery, attempt: Option<u32>) -> Option<u32> {
    let doubtful = &state.tries()?.doubtful;
    let named = attempt.filter(|n| doubtful.contains(n));
    match state {
        // Of the open attempt its own process tells.
        Delivery::Attempting { .. }
        | Delivery::Settled {
            outcome: Outcome::Failed { .. },
            ..
        } => named,
        Delivery::Pending { .. }
        | Delivery::Settled {
            outcome: Outcome::InDoubt { .. },
            ..
        } => match attempt {
            Some(_) => named,
            // All others were refused or given up.
            None => doubtful.last().copied(),
        },
        _ => None,
    }
}

fn is_full(all: &[Heard], grave: bool) -> bool {
    all.iter().filter(|heard| heard.grave == grave).count() >= HEARD_MAX
}

/// Remembers a report.
pub(super) fn hear(mut state: Delivery, heard: Heard) -> Delivery {
    if let Delivery::Pending { tries, .. }
    | Delivery::Attempting { tries, .. }
    | Delivery::Settled { tries, .. } = &mut state
        && !is_full(&tries.heard, heard.grave)
    {
        tries.heard.push(heard);
    }
    state
}
