//! What asks for deliveries, and what each of them needs of its receiver.

use uuid::Uuid;

/// What asked for a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// `publication`: this one, for its audience.
    Publication(Uuid),
    /// `notice`: the platform itself writes to one subscriber, on whose `access` stream it is on record.
    Notice(Uuid),
}

impl Cause {
    /// The code of its kind.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Publication(_) => "publication",
            Self::Notice(_) => "notice",
        }
    }

    /// Its stream.
    pub fn id(self) -> Uuid {
        match self {
            Self::Publication(id) | Self::Notice(id) => id,
        }
    }

    /// As the log holds it; `None`: of a kind that is not known here.
    pub fn recorded(kind: &str, id: Uuid) -> Option<Self> {
        match kind {
            "publication" => Some(Self::Publication(id)),
            "notice" => Some(Self::Notice(id)),
            _ => None,
        }
    }
}

/// What a message is for, which decides whom it may go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It goes to whoever wants mail.
    Mail,
    /// It asks somebody whether they want mail: so it may go out before they have said so, and to whoever had left.
    AskForConsent,
    /// It brings somebody what is held about them: so it may go to whoever has left, too, but to nobody whose address is not
    /// known to be theirs.
    OwnData,
}
