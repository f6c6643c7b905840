//! A subscriber: who they are to us and what they agreed to.

mod choices;
mod codec;
mod codes;
mod consent;
mod decide;
mod evolve;
#[cfg(test)]
mod tests;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::aggregate::{Aggregate, CodecError};
use crate::personal::{Open, Personal, Seal};
use crate::preferences::{Part, Preferences};
use crate::value::{Attributes, Code, DisplayName, EmailAddress, Evidence};

pub use choices::{Choices, What};
pub use codes::{
    ConfirmMethod, ContactMethod, ErasureBasis, PreferencesMethod, Remains, ResubscribeMethod,
    Shreddable, Source, Standing, UnsubscribeMethod,
};

pub use consent::Consent;
pub(crate) use consent::{decode_consent, open_evidence, seal_evidence};

/// A key that was destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shredded {
    /// What it sealed.
    pub kind: Shreddable,
    /// The key.
    pub key_id: Uuid,
    /// When.
    pub at: OffsetDateTime,
}

/// Whether mail may go out from the sign-up on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// At once: whoever signed them up answers for the consent.
    NotRequired,
    /// Not before a later event says so.
    Pending(Code),
}

/// A subscriber as signed up, and what they chose since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Where mail goes.
    pub email: Personal<EmailAddress>,
    /// How they want to be called.
    pub name: Option<Personal<DisplayName>>,
    /// Custom attributes.
    pub attributes: Option<Personal<Attributes>>,
    /// Id of the address's `address` stream.
    pub address_id: Uuid,
    /// Id of the address's `suppression` stream.
    pub address_suppression_id: Uuid,
    /// Id of the `suppression` stream of the address's domain.
    pub domain_suppression_id: Uuid,
    /// How consent came.
    pub source: Source,
    /// The import they came with.
    pub import_id: Option<Uuid>,
    /// The words they signed up with, or were signed up with, as far as these are on record.
    pub consent: Option<Consent>,
    /// Whether mail may go out while they are subscribed.
    pub confirmed: bool,
    /// Whether they said so themselves, by the link of a mail to an address they had.
    pub confirmed_by_link: bool,
    /// What they left or asked for one by one.
    pub choices: Choices,
    /// How they want to get what they get; none: they never said.
    pub preferences: Option<Personal<Preferences>>,
    /// How often they left everything.
    pub departures: u32,
    /// The addresses they had before, oldest first.
    pub former: Vec<FormerAddress>,
}

impl Profile {
    /// Addresses somebody may have had before the present one: their erasure gives up all of them in one commit.
    pub const FORMER_MAX: usize = 100;

    /// Id of the `suppression` stream of the address they had before it was changed for the nth time, counted from 0; of
    /// the present one, when it was not changed so often.
    pub fn suppression_before_change(&self, nth: usize) -> Uuid {
        let former = self.former.get(nth);
        former.map_or(self.address_suppression_id, |it| it.address_suppression_id)
    }

    /// Whether the address with this `suppression` stream, to which a link to them went, is not the one they have. Who has
    /// its mailbox by now nobody knows: they can leave for them, and nothing else. Nor need it be among the former ones: a
    /// restore may have lost the change.
    pub fn has_another_than(&self, address_suppression_id: Uuid) -> bool {
        self.address_suppression_id != address_suppression_id
    }
}

/// An address that somebody has given up for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormerAddress {
    /// Id of its `address` stream.
    pub address_id: Uuid,
    /// Id of its `suppression` stream.
    pub address_suppression_id: Uuid,
}

/// State of a `subscriber` stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Subscriber {
    /// There is no such subscriber.
    #[default]
    Unknown,
    /// Signed up, but mail may not go out yet.
    Pending(Profile),
    /// Mail may go out.
    Active(Profile),
    /// Left everything.
    Unsubscribed(Profile),
    /// Their data are being destroyed.
    Erasing(Profile),
    /// Their data are destroyed.
    Erased(Profile),
}

impl Subscriber {
    /// What is known of them.
    pub fn profile(&self) -> Option<&Profile> {
        match self {
            Self::Unknown => None,
            Self::Pending(profile)
            | Self::Active(profile)
            | Self::Unsubscribed(profile)
            | Self::Erasing(profile)
            | Self::Erased(profile) => Some(profile),
        }
    }

    /// What a delivery needs to know of them.
    pub fn standing(&self) -> Standing {
        match self {
            // A stream that is not there can only be one that was erased.
            Self::Unknown | Self::Erasing(_) | Self::Erased(_) => Standing::Erased,
            Self::Pending(_) => Standing::Pending,
            Self::Unsubscribed(_) => Standing::Unsubscribed,
            Self::Active(Profile {
                email: Personal::Erased,
                ..
            }) => Standing::Erased,
            Self::Active(_) => Standing::Active,
        }
    }
}

/// What somebody wants of a subscriber.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Become one.
    SignUp {
        /// Where mail goes.
        email: EmailAddress,
        /// How they want to be called.
        name: Option<DisplayName>,
        /// Custom attributes.
        attributes: Option<Attributes>,
        /// Id of the address's `address` stream.
        address_id: Uuid,
        /// Id of the address's `suppression` stream.
        address_suppression_id: Uuid,
        /// Id of the `suppression` stream of the address's domain.
        domain_suppression_id: Uuid,
        /// How consent came.
        source: Source,
        /// The import they came with.
        import_id: Option<Uuid>,
        /// Mail may go out only once they have confirmed.
        confirm: bool,
        /// What they agreed to.
        consent: Option<Consent>,
        /// What the request looked like.
        evidence: Option<Evidence>,
    },
    /// Say that they want mail.
    Confirm {
        /// The delivery that asked them.
        delivery_id: Uuid,
        /// How often they had left everything when they were asked.
        departures: u32,
        /// Id of the `suppression` stream of the address they were asked at.
        address_suppression_id: Uuid,
        /// What the request looked like.
        evidence: Option<Evidence>,
    },
    /// Be signed up once more by somebody who answers for their consent, before they have confirmed.
    Vouch {
        /// Who says so.
        method: ConfirmMethod,
        /// What they agreed to.
        consent: Option<Consent>,
    },
    /// Leave.
    Unsubscribe {
        /// How.
        method: UnsubscribeMethod,
        /// The delivery whose link was used.
        delivery_id: Option<Uuid>,
        /// What the request looked like.
        evidence: Option<Evidence>,
        /// What they leave.
        what: What,
    },
    /// Come back.
    Resubscribe {
        /// How.
        method: ResubscribeMethod,
        /// What the request looked like.
        evidence: Option<Evidence>,
        /// What they come back to.
        what: What,
    },
    /// Say how they want to get what they get.
    ChangePreferences {
        /// All of it.
        preferences: Preferences,
        /// How.
        method: PreferencesMethod,
        /// What the request looked like.
        evidence: Option<Evidence>,
    },
    /// Get mail at another address.
    ChangeContact {
        /// Where mail goes.
        email: EmailAddress,
        /// Id of its `address` stream.
        address_id: Uuid,
        /// Id of its `suppression` stream.
        address_suppression_id: Uuid,
        /// Id of the `suppression` stream of its domain.
        domain_suppression_id: Uuid,
        /// How.
        method: ContactMethod,
    },
    /// Have their data destroyed.
    RequestErasure {
        /// Why.
        basis: ErasureBasis,
        /// When they asked, if not now.
        asked_at: Option<OffsetDateTime>,
        /// The event that was lost, for [`ErasureBasis::Restored`].
        restored_event_id: Option<Uuid>,
    },
    /// Their data are destroyed.
    CompleteErasure {
        /// The keys that were destroyed.
        shredded: Vec<Shredded>,
    },
}

/// What happened to a subscriber.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// They became one.
    SignedUp {
        /// Where mail goes.
        email: Personal<EmailAddress>,
        /// How they want to be called.
        name: Option<Personal<DisplayName>>,
        /// Custom attributes.
        attributes: Option<Personal<Attributes>>,
        /// Id of the address's `address` stream.
        address_id: Uuid,
        /// Id of the address's `suppression` stream.
        address_suppression_id: Uuid,
        /// Id of the `suppression` stream of the address's domain.
        domain_suppression_id: Uuid,
        /// How consent came.
        source: Source,
        /// The import they came with.
        import_id: Option<Uuid>,
        /// Whether mail may go out at once.
        confirmation: Confirmation,
        /// What they agreed to.
        consent: Option<Consent>,
        /// What the request looked like.
        evidence: Option<Personal<Evidence>>,
    },
    /// They said that they want mail.
    Confirmed {
        /// How.
        method: ConfirmMethod,
        /// The delivery that asked them.
        delivery_id: Option<Uuid>,
        /// What they agreed to, where the sign-up or the notice does not say it.
        consent: Option<Consent>,
        /// What the request looked like.
        evidence: Option<Personal<Evidence>>,
    },
    /// They left.
    Unsubscribed {
        /// How.
        method: UnsubscribeMethod,
        /// The delivery whose link was used.
        delivery_id: Option<Uuid>,
        /// What the request looked like.
        evidence: Option<Personal<Evidence>>,
        /// What they leave.
        what: What,
    },
    /// They came back.
    Resubscribed {
        /// How.
        method: ResubscribeMethod,
        /// What the request looked like.
        evidence: Option<Personal<Evidence>>,
        /// What they came back to.
        what: What,
    },
    /// They said how they want to get what they get.
    PreferencesChanged {
        /// All of it.
        preferences: Personal<Preferences>,
        /// What of it is not as before.
        changed: Vec<Part>,
        /// How.
        method: PreferencesMethod,
        /// What the request looked like.
        evidence: Option<Personal<Evidence>>,
    },
    /// Mail goes to another address.
    ContactChanged {
        /// Where mail goes.
        email: Personal<EmailAddress>,
        /// Id of its `address` stream.
        address_id: Uuid,
        /// Id of its `suppression` stream.
        address_suppression_id: Uuid,
        /// Id of the `suppression` stream of its domain.
        domain_suppression_id: Uuid,
        /// The address they had until then.
        former: FormerAddress,
        /// How.
        method: ContactMethod,
    },
    /// Their data are to be destroyed.
    ErasureRequested {
        /// Why.
        basis: ErasureBasis,
        /// When they asked, if not when this was recorded.
        asked_at: Option<OffsetDateTime>,
        /// Id of the address's `address` stream.
        address_id: Uuid,
        /// Id of the address's `suppression` stream.
        address_suppression_id: Uuid,
        /// The event that was lost, for [`ErasureBasis::Restored`].
        restored_event_id: Option<Uuid>,
    },
    /// Their data are destroyed.
    Erased {
        /// The keys that were destroyed.
        shredded: Vec<Shredded>,
        /// What is kept, or out of reach.
        remains: Vec<Remains>,
    },
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such stream.
    #[error("there is no such subscriber")]
    NotFound,
    /// Signed up twice.
    #[error("the subscriber signed up already")]
    AlreadySignedUp,
    /// There is nobody left who could come back.
    #[error("the subscriber was erased; whoever wants mail signs up anew")]
    Erased,
    /// Who has yet to confirm can not come back: there is nothing they left.
    #[error("the subscriber has yet to confirm the sign-up; they do it by the link they were sent")]
    NotConfirmed,
    /// A confirmation of what they have taken back since.
    #[error("the subscriber has left since they were asked")]
    LeftSince,
    /// A confirmation by whoever has the mailbox they gave up.
    #[error("the subscriber has another address than the one that was asked")]
    MovedSince,
    /// Nobody asked for it.
    #[error("nobody asked for the subscriber's erasure")]
    ErasureNotRequested,
    /// Their erasure would have to give up more addresses than one commit has room for.
    #[error(
        "the subscriber's address was changed {} times, which is the most there is; erase them and sign them up anew",
        Profile::FORMER_MAX
    )]
    MovedTooOften,
}

impl Aggregate for Subscriber {
    const NOUN: &'static str = "subscriber";
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

    fn min_reader(event: &Event) -> u32 {
        codec::min_reader(event)
    }

    fn encode(event: &Event, seal: &dyn Seal) -> tidings_proto::Event {
        codec::encode(event, seal)
    }

    fn decode(event: &tidings_proto::Event, open: &dyn Open) -> Result<Event, CodecError> {
        codec::decode(event, open)
    }
}
