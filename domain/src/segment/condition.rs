//! What picks subscribers. Every condition holds of somebody or does not: what is not known of them passes no test.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::subscriber::{Choices, Standing};
use crate::topic::ByDefault;
use crate::value::{AttributeKey, AttributeValue, Tag, code_enum};

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// All of them hold.
    All(Vec<Condition>),
    /// At least one of them holds.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// What an attribute says.
    Attribute {
        /// Which.
        key: AttributeKey,
        /// What it has to be.
        test: AttributeTest,
    },
    /// They have it.
    Tag(Tag),
    /// They want it.
    Topic {
        /// Which.
        topic_id: Uuid,
        /// Who gets it without a word from them; it never changes.
        by_default: ByDefault,
    },
    /// Whether they want mail.
    State(Standing),
}

code_enum! {
    /// How a number or a date is compared.
    Ordering {
        /// Smaller, earlier.
        Below = "below",
        /// Not greater, not later.
        AtMost = "at_most",
        /// Greater, later.
        Above = "above",
        /// Not smaller, not earlier.
        AtLeast = "at_least",
    }
}

impl Ordering {
    fn allows(self, compared: std::cmp::Ordering) -> bool {
        match self {
            Self::Below => compared.is_lt(),
            Self::AtMost => compared.is_le(),
            Self::Above => compared.is_gt(),
            Self::AtLeast => compared.is_ge(),
        }
    }
}

/// What an attribute has to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttributeTest {
    /// Anything.
    Has,
    /// Any of these.
    Is(Vec<AttributeValue>),
    /// A number or a date that compares so with this one.
    Compares(Ordering, AttributeValue),
    /// A text with this in it, as it is written.
    Contains(String),
}

/// What is known of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Whether they want mail.
    pub standing: Standing,
    /// Their attributes.
    pub attributes: BTreeMap<AttributeKey, AttributeValue>,
    /// Their tags.
    pub tags: BTreeSet<Tag>,
    /// What they left or asked for one by one.
    pub choices: Choices,
}

impl Condition {
    /// Conditions within conditions, at most.
    pub const DEPTH_MAX: usize = 8;
    /// Conditions in all, at most.
    pub const COUNT_MAX: usize = 100;
    /// Values of one test, at most.
    pub const VALUES_MAX: usize = 100;

    /// How many values it compares with in all.
    pub fn values(&self) -> usize {
        match self {
            Self::All(several) | Self::Any(several) => several.iter().map(Self::values).sum(),
            Self::Not(condition) => condition.values(),
            Self::Attribute {
                test: AttributeTest::Is(any),
                ..
            } => any.len(),
            Self::Attribute { .. } | Self::Tag(_) | Self::Topic { .. } | Self::State(_) => 1,
        }
    }

    /// Whether it picks somebody.
    pub fn holds(&self, of: &Person) -> bool {
        match self {
            Self::All(all) => all.iter().all(|condition| condition.holds(of)),
            Self::Any(any) => any.iter().any(|condition| condition.holds(of)),
            Self::Not(condition) => !condition.holds(of),
            Self::Attribute { key, test } => of
                .attributes
                .get(key)
                .is_some_and(|value| test.passes(value)),
            Self::Tag(tag) => of.tags.contains(tag),
            Self::Topic {
                topic_id,
                by_default,
            } => of.choices.wants(*topic_id, *by_default),
            Self::State(standing) => of.standing == *standing,
        }
    }
}

impl AttributeTest {
    fn passes(&self, value: &AttributeValue) -> bool {
        match self {
            Self::Has => true,
            Self::Is(any) => any.contains(value),
            Self::Compares(how, with) => {
                let compared = match (value, with) {
                    (AttributeValue::Number(number), AttributeValue::Number(with)) => {
                        Some(number.cmp(with))
                    }
                    (AttributeValue::Date(date), AttributeValue::Date(with)) => {
                        Some(date.cmp(with))
                    }
                    _ => None,
                };
                compared.is_some_and(|compared| how.allows(compared))
            }
            Self::Contains(part) => {
                matches!(value, AttributeValue::Text(text) if text.contains(part))
            }
        }
    }
}
