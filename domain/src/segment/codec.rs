//! Segment events on the wire. A condition that is not wholly understood is none at all.

use tidings_proto::Message as _;
use tidings_proto::common::condition::attribute::Value as WireValue;
use tidings_proto::common::condition::attribute::value::Value as WireOneOf;
use tidings_proto::common::condition::{Attribute, Several, Test, Topic};
use tidings_proto::common::{self as wire_common, Sealed};
use tidings_proto::{Event as Wire, EventMessage as _, segment as wire};
use uuid::Uuid;

use super::condition::{AttributeTest, Condition, Ordering};
use super::{Definition, Event, Segment};
use crate::aggregate::{Aggregate as _, CodecError};
use crate::personal::{Open, Personal, Seal};
use crate::subscriber::Standing;
use crate::topic::ByDefault;
use crate::value::{
    AttributeKey, AttributeValue, Code, Decimal, Description, SegmentName, Slug, Tag,
};
use crate::wire::{Fields, id};

const CONDITION: &str = "condition";
const HAS: &str = "has";
const IS: &str = "is";
const CONTAINS: &str = "contains";

pub(super) fn event_type(event: &Event) -> &'static str {
    match event {
        Event::Defined { .. } => wire::Defined::TYPE,
        Event::Revised(_) => wire::Revised::TYPE,
        Event::Archived { .. } => wire::Archived::TYPE,
    }
}

pub(super) fn encode(event: &Event, seal: &dyn Seal) -> Wire {
    let condition = |definition: &Definition| {
        let condition = definition.condition.known();
        condition.map(|it| seal.seal(CONDITION, &it.to_wire().encode_to_vec()))
    };
    match event {
        Event::Defined { slug, definition } => wire::Defined {
            slug: slug.to_string(),
            name: definition.name.to_string(),
            description: description(definition),
            condition: condition(definition),
        }
        .into(),
        Event::Revised(definition) => wire::Revised {
            name: definition.name.to_string(),
            description: description(definition),
            condition: condition(definition),
        }
        .into(),
        Event::Archived { reason } => wire::Archived {
            reason: reason.to_string(),
        }
        .into(),
    }
}

/// Absent is empty.
fn description(definition: &Definition) -> String {
    let description = definition.description.as_ref();
    description.map_or_else(String::new, ToString::to_string)
}

pub(super) fn decode(event: &Wire, open: &dyn Open) -> Result<Event, CodecError> {
    let fields = Fields(event.event_type());
    let definition = |name: &str, description: &str, sealed: Option<&Sealed>| {
        let sealed = sealed.ok_or_else(|| fields.impossible(CONDITION))?;
        let condition = match open.open(CONDITION, sealed)? {
            Some(bytes) => Condition::read(&bytes).map(Personal::Known),
            None => Some(Personal::Erased),
        };
        Ok::<_, CodecError>(Definition {
            name: SegmentName::recorded(name.to_owned()),
            description: (!description.is_empty())
                .then(|| Description::recorded(description.to_owned())),
            condition: condition.ok_or_else(|| fields.impossible(CONDITION))?,
        })
    };
    match event {
        Wire::SegmentDefined(e) => Ok(Event::Defined {
            slug: Slug::recorded(e.slug.clone()),
            definition: definition(&e.name, &e.description, e.condition.as_ref())?,
        }),
        Wire::SegmentRevised(e) => {
            definition(&e.name, &e.description, e.condition.as_ref()).map(Event::Revised)
        }
        Wire::SegmentArchived(e) => Ok(Event::Archived {
            reason: Code::recorded(e.reason.clone()),
        }),
        other => Err(CodecError::WrongStream {
            noun: Segment::NOUN,
            found: other.event_type(),
        }),
    }
}

impl Condition {
    /// What an event holds, opened; `None`: there is something in it that this build does not know.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        Self::from_wire(&wire_common::Condition::decode(bytes).ok()?)
    }

    /// As events hold it.
    pub fn to_wire(&self) -> wire_common::Condition {
        let several = |all: &[Self]| Several {
            conditions: all.iter().map(Self::to_wire).collect(),
        };
        let test = match self {
            Self::All(all) => Test::All(several(all)),
            Self::Any(any) => Test::Any(several(any)),
            Self::Not(condition) => Test::Not(Box::new(condition.to_wire())),
            Self::Attribute { key, test } => Test::Attribute(attribute(key, test)),
            Self::Tag(tag) => Test::Tag(tag.to_string()),
            Self::Topic {
                topic_id,
                by_default,
            } => Test::Topic(Topic {
                topic_id: id(*topic_id),
                by_default: by_default.to_string(),
            }),
            Self::State(standing) => Test::State(standing.to_string()),
        };
        wire_common::Condition { test: Some(test) }
    }

    /// What an event holds; `None`: there is something in it that this build does not know.
    fn from_wire(condition: &wire_common::Condition) -> Option<Self> {
        let several = |several: &Several| -> Option<Vec<Self>> {
            several.conditions.iter().map(Self::from_wire).collect()
        };
        Some(match condition.test.as_ref()? {
            Test::All(all) => Self::All(several(all)?),
            Test::Any(any) => Self::Any(several(any)?),
            Test::Not(condition) => Self::Not(Box::new(Self::from_wire(condition)?)),
            Test::Attribute(attribute) => Self::Attribute {
                key: AttributeKey::recorded(attribute.key.clone()),
                test: of_attribute(attribute)?,
            },
            Test::Tag(tag) => Self::Tag(Tag::recorded(tag.clone())),
            Test::Topic(topic) => Self::Topic {
                topic_id: Uuid::from_slice(&topic.topic_id).ok()?,
                by_default: ByDefault::parse(&topic.by_default).ok()?,
            },
            Test::State(state) => Self::State(Standing::parse(state).ok()?),
        })
    }
}

fn attribute(key: &AttributeKey, test: &AttributeTest) -> Attribute {
    let (test, values) = match test {
        AttributeTest::Has => (HAS, vec![]),
        AttributeTest::Is(any) => (IS, any.iter().map(value).collect()),
        AttributeTest::Compares(how, with) => (how.as_str(), vec![value(with)]),
        AttributeTest::Contains(part) => {
            let part = AttributeValue::Text(part.clone());
            (CONTAINS, vec![value(&part)])
        }
    };
    Attribute {
        key: key.to_string(),
        test: test.to_owned(),
        values,
    }
}

fn value(value: &AttributeValue) -> WireValue {
    let value = match value {
        AttributeValue::Text(text) => WireOneOf::Text(text.clone()),
        AttributeValue::Number(number) => WireOneOf::Number(number.to_string()),
        AttributeValue::YesNo(yes) => WireOneOf::YesNo(*yes),
        AttributeValue::Date(date) => WireOneOf::Date(AttributeValue::written_date(*date)),
    };
    WireValue { value: Some(value) }
}

fn of_attribute(attribute: &Attribute) -> Option<AttributeTest> {
    let values: Vec<AttributeValue> = attribute
        .values
        .iter()
        .map(of_value)
        .collect::<Option<_>>()?;
    Some(match (attribute.test.as_str(), values.as_slice()) {
        (HAS, []) => AttributeTest::Has,
        (IS, [_, ..]) => AttributeTest::Is(values),
        (CONTAINS, [AttributeValue::Text(part)]) => AttributeTest::Contains(part.clone()),
        (how, [value @ (AttributeValue::Number(_) | AttributeValue::Date(_))]) => {
            AttributeTest::Compares(Ordering::parse(how).ok()?, value.clone())
        }
        _ => return None,
    })
}

fn of_value(value: &WireValue) -> Option<AttributeValue> {
    Some(match value.value.as_ref()? {
        WireOneOf::Text(text) => AttributeValue::Text(text.clone()),
        WireOneOf::Number(number) => AttributeValue::Number(Decimal::parse(number).ok()?),
        WireOneOf::YesNo(yes) => AttributeValue::YesNo(*yes),
        WireOneOf::Date(date) => AttributeValue::read_date(date)?,
    })
}
