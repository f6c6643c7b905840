//! A subscriber's record: what is known of them beside what they agreed to. The stream is apart from the subscriber's, so
//! that a corrected name moves no version that an attempt is guarded on. What is known of them since they signed up stands
//! in the subscriber's own first event; a record is laid over it.

mod codec;
mod decide;
mod evolve;
mod patch;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::aggregate::{Aggregate, CodecError};
use crate::personal::{Open, Personal, Seal};
use crate::subscriber::Profile;
use crate::value::{AttributeKey, AttributeValue, DisplayName, Tag};

pub use patch::{AttributePatch, TagPatch};

/// The most attributes somebody has.
pub const ATTRIBUTES_MAX: usize = 64;
/// The most tags somebody has.
pub const TAGS_MAX: usize = 50;

/// What an event says of a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NameChange {
    /// Nothing.
    #[default]
    Unchanged,
    /// They have none.
    Removed,
    /// This is it.
    Set(Personal<DisplayName>),
}

/// State of a `record` stream: what is laid over the sign-up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// The last word on the name.
    name: NameChange,
    /// The last word on each attribute; none: taken away.
    attributes: BTreeMap<AttributeKey, Option<AttributeValue>>,
    /// Those they have.
    tags: BTreeSet<Tag>,
}

impl Record {
    /// How they want to be called, by this record over what they signed up with; none too when it was erased.
    pub fn name<'a>(&'a self, profile: &'a Profile) -> Option<&'a DisplayName> {
        match &self.name {
            NameChange::Unchanged => profile.name.as_ref().and_then(Personal::known),
            NameChange::Removed => None,
            NameChange::Set(name) => name.known(),
        }
    }

    /// Their attributes, by this record over what they signed up with.
    pub fn attributes(&self, profile: &Profile) -> BTreeMap<AttributeKey, AttributeValue> {
        let signed_up = profile.attributes.as_ref().and_then(Personal::known);
        let mut all: BTreeMap<AttributeKey, AttributeValue> = signed_up
            .map(|attributes| attributes.typed().collect())
            .unwrap_or_default();
        for (key, value) in &self.attributes {
            match value {
                Some(value) => all.insert(key.clone(), value.clone()),
                None => all.remove(key),
            };
        }
        all
    }

    /// Their tags.
    pub fn tags(&self) -> &BTreeSet<Tag> {
        &self.tags
    }
}

/// What is to become of the tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tags {
    /// These more, those no more.
    Patch(TagPatch),
    /// These and no others.
    All(BTreeSet<Tag>),
}

/// What somebody wants of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// To have it otherwise.
    Change {
        /// Whose it is.
        subscriber_id: Uuid,
        /// What they signed up with.
        profile: Box<Profile>,
        /// The outer none: as it is. The inner: they have none.
        name: Option<Option<DisplayName>>,
        /// By key; none: away with it.
        attributes: BTreeMap<AttributeKey, Option<AttributeValue>>,
        /// None: as they are.
        tags: Option<Tags>,
    },
}

/// What became of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Something of it is other than before.
    Changed {
        /// Whose it is.
        subscriber_id: Uuid,
        /// How they want to be called.
        name: NameChange,
        /// Their attributes; none: as they were.
        attributes: Option<Personal<AttributePatch>>,
        /// Their tags; none: as they were.
        tags: Option<Personal<TagPatch>>,
    },
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too much to keep of one person.
    #[error("the subscriber would have {0} attributes; at most {ATTRIBUTES_MAX} are allowed")]
    TooManyAttributes(usize),
    /// Too much to keep of one person.
    #[error("the subscriber would have {0} tags; at most {TAGS_MAX} are allowed")]
    TooManyTags(usize),
}

impl Aggregate for Record {
    const NOUN: &'static str = "record";
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

    fn encode(event: &Event, seal: &dyn Seal) -> tidings_proto::Event {
        codec::encode(event, seal)
    }

    fn decode(event: &tidings_proto::Event, open: &dyn Open) -> Result<Event, CodecError> {
        codec::decode(event, open)
    }
}
