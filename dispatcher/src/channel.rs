//! What a channel is: a way out of the house that renders one delivery and sends it, honestly.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use serde_json::Value;
use thiserror::Error;
use tidings_domain::access::NoticeKind;
use tidings_domain::delivery::DoubtPolicy;
use tidings_domain::delivery::retry::Family;
use tidings_domain::topic;
use tidings_proto::Reason;
use tidings_service::{clock::Clock, outbound::Outbound};
use time::OffsetDateTime;
use tokio_rustls::rustls::ClientConfig;
use uuid::Uuid;

use crate::channels::{Accounts, Opened, Paces};
use crate::content::Composed;
use crate::senders::Sender;
use crate::tracking::Tracking;

/// How many deliveries one publication makes on a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// One delivery per subscriber.
    Addressed,
    /// One delivery per channel, with no subscriber.
    Broadcast,
}

/// One kind of channel, as listed in [`crate::channels`].
#[derive(Debug)]
pub struct Kind {
    /// The name in `Configured.kind`.
    pub name: &'static str,
    /// One delivery per subscriber, or one in all.
    pub reach: Reach,
    /// When its deliveries are tried again, and when they are given up.
    pub family: Family,
    /// What to do about an attempt nobody knows the outcome of, unless the settings say otherwise.
    pub doubt: DoubtPolicy,
    /// When a channel that takes nothing is disabled.
    pub left_alone: LeftAlone,
    /// Builds a channel of this kind out of its settings (a JSON object), its credentials
    /// (the text of a JSON object, if it has any) and its surroundings. Touches no network.
    pub build: Build,
}

/// When a channel that takes nothing is left alone for good: until somebody enables it. Its deliveries wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftAlone {
    /// Never: it is tried from time to time.
    Never,
    /// When it says `gone`, or has taken nothing for this long.
    Failing {
        /// In which every attempt failed, and there were some all along.
        after: time::Duration,
    },
    /// When it was refused too often since it last worked: whoever insists is shut out altogether.
    Refused {
        /// Outcomes' reasons that count.
        reasons: &'static [Reason],
        /// So many are too many.
        times: usize,
    },
}

/// See [`Kind::build`].
pub type Build = fn(
    settings: &Value,
    credentials: Option<&str>,
    environment: &Environment,
) -> Result<Arc<dyn Channel>, ConfigError>;

/// What the process gives to every channel it builds.
#[derive(Clone)]
pub struct Environment {
    /// The only way to speak HTTP to the outside.
    pub outbound: Outbound,
    /// The time, for answers that say when to come back.
    pub clock: Clock,
    /// Trust for TLS connections that are not HTTP; see [`crate::channels::email::system_trust`].
    pub tls: Arc<ClientConfig>,
    /// The folder no `file` channel can leave.
    pub file_root: PathBuf,
    /// Whether webhooks may be plain HTTP to this machine (demo and tests).
    pub allow_loopback: bool,
    /// The name this process gives itself in an SMTP greeting.
    pub hello_name: String,
    /// The longest that each phase of an SMTP dialogue may take; none: as long as a server may need (tests are in a hurry).
    pub smtp_phase_max: Option<Duration>,
    /// Rests that channels take together.
    pub paces: Paces,
    /// What channels share that use one account.
    pub accounts: Accounts,
}

/// A configured channel. Cheap to share; builds its connections when first needed.
pub trait Channel: fmt::Debug + Send + Sync {
    /// Renders one delivery. Pure: the same job gives the same bytes, and two attempts differ in nothing but
    /// [`Rendered::from`] and [`Rendered::attempt`].
    ///
    /// # Errors
    /// The job itself cannot be rendered: this delivery fails, no other does.
    fn render(&self, job: &Job<'_>) -> Result<Rendered, RenderError>;

    /// Makes one attempt. Never takes longer than [`Channel::attempt_time_max`].
    ///
    /// [`Warrant::is_fresh`] is asked immediately before the first byte that goes to the receiving side, and, where a dialogue
    /// lies between, [`Warrant::holds`] before what commits the receiver. When one says no, nothing is sent and the outcome is
    /// [`Outcome::Abandoned`].
    /// Dropping the future before it ends leaves the attempt in doubt, and harms no other.
    fn send<'a>(
        &'a self,
        rendered: &'a Rendered,
        warrant: &'a dyn Warrant,
    ) -> BoxFuture<'a, Outcome>;

    /// The longest one attempt can take; the `deadline` of an `Attempted` is at least this far.
    fn attempt_time_max(&self) -> Duration;

    /// How many attempts are worth making at once; more only wait for each other.
    fn concurrency(&self) -> usize;

    /// How long from now no attempt should be opened, as the receiving side's rate limit has it; none: now
    /// is fine. Asked before each attempt is opened, which counts nothing: a channel counts in [`Channel::send`], and can
    /// meet up to [`Channel::concurrency`] attempts that were opened before it knew.
    fn ready_after(&self) -> Option<Duration> {
        None
    }

    /// An attempt at this delivery is opened, and open until what is given is dropped. Where several channels share a rate,
    /// none of them is ready any more for one that this one's message would have to wait for.
    fn open(&self, _delivery_id: Uuid) -> Option<Opened> {
        None
    }

    /// Whether this delivery had better not be attempted now, although others of the channel may be. Asked before its
    /// attempt is opened; what is put off goes on record with the reason, and is never given up for it. `abandons`: how often
    /// that, or something else that kept an attempt from being made, has happened to it.
    fn put_off(&self, _rendered: &Rendered, _abandons: u32) -> Option<PutOff> {
        None
    }

    /// Who it sends mail as, about a topic that has these, for those who look that up in the DNS; none: it sends no mail.
    fn sender(&self, _topic: &topic::Sender) -> Option<Sender> {
        None
    }

    /// How the footer of its mails about a topic that has these calls whoever sends them; none for kinds without one.
    fn called(&self, _topic: &topic::Sender) -> Option<String> {
        None
    }

    /// The same channel, for a receiving side that may still know only the credentials it had `before`, the latest last; none:
    /// it is the same to this kind. Credentials that can not be read are passed over.
    fn succeeding(&self, _before: &[Former<'_>]) -> Option<Arc<dyn Channel>> {
        None
    }

    /// Whether what its settings say of the receiving side's limits holds for every channel of this process that shares them:
    /// not before deliveries go by it, nor once it is disabled or another has taken its place.
    fn bind(&self, _binds: bool) {}

    /// Somebody says that it works: what the receiving side had asked of it, or of the account that it shares, to be left in peace
    /// for a while, holds no more.
    fn wake(&self) {}

    /// Says goodbye on idle connections. The channel is not used afterwards.
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Credentials that a channel had before.
pub struct Former<'a> {
    /// The text of a JSON object.
    pub credentials: &'a str,
    /// The settings beside them, a JSON object.
    pub settings: Value,
    /// When others took their place.
    pub replaced_at: OffsetDateTime,
}

/// See [`Channel::put_off`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PutOff {
    /// A stable code and its words.
    pub reason: Reason,
    /// Not before this long.
    pub wait: Duration,
}

/// What an attempt is made by: its record.
pub trait Warrant: Send + Sync {
    /// Whether it is young enough to begin.
    fn is_fresh(&self) -> bool;

    /// Whether whoever goes on with what has begun can be sure that nobody else has put it on record as in doubt, to try it again
    /// or to let its receiver go: they would if whoever sends stood still, or was cut off from the log, for too long.
    fn holds(&self) -> bool;
}

/// Of what is on no record, such as a test message: nobody else knows of it.
impl<F: Fn() -> bool + Send + Sync> Warrant for F {
    fn is_fresh(&self) -> bool {
        self()
    }

    fn holds(&self) -> bool {
        true
    }
}

/// One delivery to render.
pub struct Job<'a> {
    /// The delivery; the same over all its attempts.
    pub delivery_id: Uuid,
    /// The attempt it is rendered for: 1, 2, 3, …; 0 for what is no delivery (a preview, a test message).
    pub attempt: u32,
    /// What asked for it.
    pub about: About,
    /// The content, composed once per revision and shared.
    pub content: &'a Composed,
    /// The receiver of an addressed delivery; none for a broadcast one.
    pub recipient: Option<Recipient>,
    /// Where this receiver leaves with one click: an https URL.
    pub unsubscribe_url: Option<String>,
    /// Where this receiver says what they want to get, and when: an https URL.
    pub preferences_url: Option<String>,
    /// What mails bear in place of what the channel's settings say.
    pub sender: &'a topic::Sender,
    /// The local part of an address that tells which delivery and attempt a report about the message means; none when
    /// nobody waits for one.
    pub return_path: Option<String>,
    /// What its mail may tell about itself, if the channel wants that; none: it is not a publication's, or goes to no single reader.
    pub tracking: Option<Tracking<'a>>,
    /// The date the message bears: that of its first attempt, so that a resend is identical.
    pub date: OffsetDateTime,
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// This publication.
    Publication(Uuid),
    /// What the platform itself says to one subscriber.
    Notice(NoticeKind),
}

impl About {
    /// The publication.
    ///
    /// # Errors
    /// There is none: the channel has no single receivers whom a notice could be for.
    pub(crate) fn publication(self) -> Result<Uuid, RenderError> {
        match self {
            Self::Publication(id) => Ok(id),
            Self::Notice(_) => Err(RenderError::NoRecipient),
        }
    }
}

/// Who receives an addressed delivery. Personal data: not printable on purpose.
pub struct Recipient {
    /// The subscriber.
    pub subscriber_id: Uuid,
    /// The e-mail address.
    pub email: String,
    /// The name to address, if known.
    pub name: Option<String>,
}

/// A rendered delivery, ready to send. Personal data: not printable on purpose.
pub struct Rendered {
    /// The delivery it renders.
    pub delivery_id: Uuid,
    /// [`Job::attempt`].
    pub attempt: u32,
    /// What `body` is: `message/rfc822` or `application/json`.
    pub media_type: &'static str,
    /// The sender in the channel's own terms (an envelope address); may be empty.
    pub from: String,
    /// The receiver in the channel's own terms (an envelope address, a file name); may be empty.
    pub to: String,
    /// The message.
    pub body: Vec<u8>,
}

/// What became of one attempt. Every `reply` is one printable line, at most 500 characters,
/// and may hold personal data. `code` is the SMTP reply or HTTP status; 0 without a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiving side has accepted it.
    Sent {
        /// The receiving side's code.
        code: i32,
        /// The receiving side's words.
        reply: String,
        /// The receiving side's id of the message, where it told one: printable, at most 128 characters.
        provider_message_id: Option<String>,
    },
    /// The receiving side does not have it, and may take it later.
    Deferred {
        /// A stable code and its words.
        reason: Reason,
        /// The receiving side's code.
        code: i32,
        /// The receiving side's words, or what went wrong on the way.
        reply: String,
        /// Not before this long, when the receiving side said so.
        retry_after: Option<Duration>,
        /// Whose fault it is.
        blame: Blame,
    },
    /// The receiving side does not have it, and never will: the fault lies in the message or its receiver. What is
    /// the channel's own fault is [`Outcome::Deferred`], for settings and credentials can be mended.
    Failed {
        /// A stable code and its words.
        reason: Reason,
        /// The receiving side's code.
        code: i32,
        /// The receiving side's words.
        reply: String,
        /// Whose fault it is.
        blame: Blame,
    },
    /// No byte that commits the receiver was sent.
    Abandoned {
        /// A stable code.
        reason: Reason,
    },
    /// The receiving side may or may not have it.
    InDoubt {
        /// `connection_lost`, `reply_timeout` or `unexpected_reply`.
        reason: Reason,
    },
}

/// Whose fault an unsuccessful attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// This receiver or this message; other deliveries are not affected.
    Receiver,
    /// This receiver's address: a server that was asked for it says that nobody has it.
    Address,
    /// The receiver's domain, as far as anybody can tell: others there may meet it too, and nobody elsewhere.
    Domain,
    /// Our account, credentials or settings: every delivery of the channel would meet it.
    Channel,
    /// The same, or this receiver alone: it was said of one. Whether others meet it too tells.
    ChannelOrReceiver,
    /// The way there: the other side was out of reach, or broke off, or is in trouble itself.
    Network,
    /// We are too quick: the other side is there, and asks us to come back later.
    Pace,
}

/// Why one delivery cannot be rendered. Names no personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RenderError {
    /// An addressed kind was asked without a recipient.
    #[error("the delivery has no recipient")]
    NoRecipient,
    /// The address cannot stand in a message or envelope.
    #[error("the recipient's address cannot be written to")]
    BadAddress,
    /// The name holds control characters.
    #[error("the recipient's name holds control characters")]
    BadName,
    /// The unsubscribe link is not a plain http(s) URL.
    #[error("the unsubscribe link is not a URL")]
    BadUnsubscribeUrl,
    /// The message library refused what it was given.
    #[error("the message cannot be put together")]
    Unbuildable,
    /// What it brings would not work any more, or is not handed out any more.
    #[error("what the message brings has had its time")]
    TooLate,
    /// What it brings is for the mailbox of an address that they had then.
    #[error("the recipient has another address than the one the message was meant for")]
    Moved,
}

impl RenderError {
    /// The stable code for `Failed.reason`.
    pub fn reason(self) -> Reason {
        match self {
            Self::NoRecipient => Reason::NoRecipient,
            Self::BadAddress => Reason::BadAddress,
            Self::BadName => Reason::BadName,
            Self::BadUnsubscribeUrl => Reason::BadUnsubscribeUrl,
            Self::Unbuildable => Reason::Unbuildable,
            // As what was tried for too long.
            Self::TooLate => Reason::GaveUp,
            Self::Moved => Reason::Moved,
        }
    }
}

/// Everything wrong with a channel's settings and credentials, at once.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the channel's settings are not usable: {}", .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct ConfigError {
    /// At least one problem.
    pub problems: Vec<ConfigProblem>,
}

/// One thing wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// A JSON pointer into the settings (`/host`), or into the credentials behind
    /// `/credentials` (`/credentials/password`).
    pub pointer: String,
    /// One sentence saying what is wrong. Never holds a credential.
    pub detail: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pointer, self.detail)
    }
}

/// Makes foreign words fit an outcome: one printable line, at most 500 characters.
pub(crate) fn one_line(words: &str) -> String {
    let mut line: String = words
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(500)
        .collect();
    line.truncate(line.trim_end().len());
    line
}
