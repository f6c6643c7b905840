//! An API key: how another program gets in, until it expires or is revoked.

mod codec;
mod decide;
mod evolve;
#[cfg(test)]
mod tests;

use time::OffsetDateTime;

use crate::aggregate::{Aggregate, CodecError};
use crate::personal::{Open, Seal};
use crate::value::{Code, KeyName, Scope};

/// Secrets of one key that may let somebody in at the same time.
pub const SECRETS_MAX: usize = 5;

/// What never changes about a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// What it is called.
    pub name: KeyName,
    /// The roles it may never go beyond, as tokens name them.
    pub roles: Vec<Code>,
    /// What it may do of that.
    pub scopes: Vec<Scope>,
}

/// A secret of a key, as the log knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secret {
    /// What [`crate::token::ApiKeyToken::hash`] makes of it.
    pub hash: [u8; 32],
    /// From then on it lets nobody in.
    pub until: OffsetDateTime,
}

/// State of an `api_key` stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ApiKey {
    /// There is no such key.
    #[default]
    Unknown,
    /// It lets somebody in, until its secrets' time is over.
    Issued {
        /// What it is.
        card: Card,
        /// The newest secret; with its end, the key's.
        current: Secret,
        /// Those of before, oldest first.
        earlier: Vec<Secret>,
    },
    /// It lets nobody in.
    Revoked {
        /// What it was.
        card: Card,
    },
}

/// Why a key lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shut {
    /// No such stream.
    #[error("there is no such API key")]
    Unknown,
    /// Somebody revoked it.
    #[error("the API key was revoked")]
    Revoked,
    /// Its time is over.
    #[error("the API key has expired")]
    Expired,
}

impl ApiKey {
    /// The secrets that let somebody in at this time, the newest first.
    ///
    /// # Errors
    /// When none does, whatever is presented.
    pub fn secrets(&self, now: OffsetDateTime) -> Result<Vec<Secret>, Shut> {
        match self {
            Self::Unknown => Err(Shut::Unknown),
            Self::Revoked { .. } => Err(Shut::Revoked),
            Self::Issued { current, .. } if current.until <= now => Err(Shut::Expired),
            Self::Issued {
                current, earlier, ..
            } => {
                let earlier = earlier.iter().rev().filter(|it| it.until > now);
                Ok(std::iter::once(current).chain(earlier).copied().collect())
            }
        }
    }

    /// What it is, if it exists.
    pub fn card(&self) -> Option<&Card> {
        match self {
            Self::Unknown => None,
            Self::Issued { card, .. } | Self::Revoked { card } => Some(card),
        }
    }
}

/// What an administrator wants of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Have one.
    Create {
        /// What it is.
        card: Card,
        /// Its first secret, and with it the key's end.
        secret: Secret,
        /// What its tokens begin with.
        prefix: String,
    },
    /// Have another secret.
    Rotate {
        /// Hash of the new one.
        hash: [u8; 32],
        /// When those of before end; none: at once.
        previous_until: Option<OffsetDateTime>,
        /// When the key ends; none: as before.
        expires_at: Option<OffsetDateTime>,
        /// What its tokens begin with from now on.
        prefix: String,
        /// Now.
        at: OffsetDateTime,
    },
    /// Let nobody in with it any more.
    Revoke {
        /// Why, as a code.
        reason: Code,
    },
}

/// What happened to a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// There is one.
    Created {
        /// What it is.
        card: Card,
        /// Its first secret, and with it the key's end.
        secret: Secret,
        /// What its tokens begin with.
        prefix: String,
    },
    /// It has another secret.
    Rotated {
        /// The new one, and with it the key's end.
        secret: Secret,
        /// When those of before end, if not sooner; none: at once, whatever any clock says.
        previous_until: Option<OffsetDateTime>,
        /// What its tokens begin with from now on.
        prefix: String,
    },
    /// It lets nobody in any more.
    Revoked {
        /// Why, as a code.
        reason: Code,
    },
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such stream.
    #[error("there is no such API key")]
    NotFound,
    /// Created twice.
    #[error("there is an API key of that id already")]
    Exists,
    /// It was revoked.
    #[error("the API key was revoked, which is for ever; create another one")]
    Revoked,
    /// Its time is over.
    #[error("the API key has expired; create another one")]
    Expired,
    /// Too many secrets let somebody in already.
    #[error(
        "{SECRETS_MAX} secrets of the API key let somebody in already; wait until the oldest ends, or end them all with an overlap of 0"
    )]
    TooManySecrets,
}

impl Aggregate for ApiKey {
    const NOUN: &'static str = "api_key";
    const SEALS: bool = false;
    type Command = Command;
    type Event = Event;
    type Refusal = Refusal;

    fn decide(&self, command: Command) -> Result<Vec<Event>, Refusal> {
        decide::decide(self, command)
    }

    fn evolve(self, event: &Event) -> Self {
        evolve::evolve(self, event)
    }

    fn event_type(event: &Event) -> &'static str {
        codec::event_type(event)
    }

    fn encode(event: &Event, _: &dyn Seal) -> tidings_proto::Event {
        codec::encode(event)
    }

    fn decode(event: &tidings_proto::Event, _: &dyn Open) -> Result<Event, CodecError> {
        codec::decode(event)
    }
}
