//! Conditions as requests write them and answers show them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::condition::{AttributeTest, Condition, Ordering};
use crate::subscriber::Standing;
use crate::topic::ByDefault;
use crate::value::{AttributeKey, AttributeValue, Invalid, Tag};

const KINDS: &str =
    "a condition is an object with one of all, any, not, attribute, tag, topic and state";
const TESTS: &str =
    "beside its key an attribute may have one of is, below, at_most, above, at_least and contains";

/// What is wrong, and where in the condition: `/all/0/tag`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// A JSON pointer.
    pub pointer: String,
    /// What is wrong with what stands there.
    pub detail: String,
}

impl Condition {
    /// The topics that a condition as requests write it names: whoever parses it has to know who gets them without a word.
    pub fn topics_named_in(value: &Value) -> Vec<Uuid> {
        let mut found = Vec::new();
        let mut left = vec![(value, 0)];
        while let Some((value, depth)) = left.pop() {
            let fields = value.as_object().into_iter().flatten();
            for (name, value) in fields.filter(|_| depth <= Self::DEPTH_MAX) {
                match (name.as_str(), value) {
                    ("topic", Value::String(id)) => found.extend(Uuid::parse_str(id)),
                    ("not", inner) => left.push((inner, depth + 1)),
                    ("all" | "any", Value::Array(items)) => {
                        left.extend(items.iter().map(|item| (item, depth + 1)));
                    }
                    _ => {}
                }
            }
        }
        found.truncate(Self::COUNT_MAX);
        found
    }

    /// Takes a condition as requests write it. `topics`: those there are, by id.
    ///
    /// # Errors
    /// All that is wrong with it, and where.
    pub fn parse(value: &Value, topics: &BTreeMap<Uuid, ByDefault>) -> Result<Self, Vec<Wrong>> {
        let mut reader = Reader {
            topics,
            count: 0,
            wrong: Vec::new(),
        };
        let read = reader.condition(value, "", 1);
        match read {
            Some(condition) if reader.wrong.is_empty() => Ok(condition),
            _ => Err(reader.wrong),
        }
    }

    /// As [`Self::parse`] takes it.
    pub fn to_json(&self) -> Value {
        let several = |all: &[Self]| all.iter().map(Self::to_json).collect::<Vec<_>>();
        match self {
            Self::All(all) => json!({ "all": several(all) }),
            Self::Any(any) => json!({ "any": several(any) }),
            Self::Not(condition) => json!({ "not": condition.to_json() }),
            Self::Tag(tag) => json!({ "tag": tag.as_str() }),
            Self::Topic { topic_id, .. } => json!({ "topic": topic_id }),
            Self::State(standing) => json!({ "state": standing.as_str() }),
            Self::Attribute { key, test } => {
                let mut fields = Map::new();
                fields.insert("attribute".to_owned(), json!(key.as_str()));
                let (name, value) = match test {
                    AttributeTest::Has => return fields.into(),
                    AttributeTest::Is(any) => match any.as_slice() {
                        [value] => ("is", value.to_json()),
                        several => ("is", several.iter().map(AttributeValue::to_json).collect()),
                    },
                    AttributeTest::Compares(how, value) => (how.as_str(), value.to_json()),
                    AttributeTest::Contains(part) => ("contains", json!(part)),
                };
                fields.insert(name.to_owned(), value);
                fields.into()
            }
        }
    }
}

struct Reader<'a> {
    topics: &'a BTreeMap<Uuid, ByDefault>,
    count: usize,
    wrong: Vec<Wrong>,
}

impl Reader<'_> {
    /// Notes what is wrong; nothing can be made of it.
    fn no<T>(&mut self, pointer: &str, detail: impl Into<String>) -> Option<T> {
        self.wrong.push(Wrong {
            pointer: pointer.to_owned(),
            detail: detail.into(),
        });
        None
    }

    fn take<T>(&mut self, pointer: &str, parsed: Result<T, Invalid>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(invalid) => self.no(pointer, invalid.detail),
        }
    }

    fn condition(&mut self, value: &Value, at: &str, depth: usize) -> Option<Condition> {
        self.count += 1;
        if depth > Condition::DEPTH_MAX {
            let most = Condition::DEPTH_MAX;
            return self.no(
                at,
                format!("conditions stand at most {most} deep in each other"),
            );
        }
        if self.count > Condition::COUNT_MAX {
            let most = Condition::COUNT_MAX;
            return match self.count == most + 1 {
                true => self.no(at, format!("there are more than {most} conditions")),
                false => None,
            };
        }
        let Some(fields) = value.as_object() else {
            return self.no(at, KINDS);
        };
        if let Some(key) = fields.get("attribute") {
            return self.attribute(key, fields, at);
        }
        let mut of_it = fields.iter();
        let (Some((name, value)), None) = (of_it.next(), of_it.next()) else {
            return self.no(at, KINDS);
        };
        let at = format!("{at}/{name}");
        match name.as_str() {
            "all" => self.several(value, &at, depth).map(Condition::All),
            "any" => self.several(value, &at, depth).map(Condition::Any),
            "not" => {
                let condition = self.condition(value, &at, depth + 1)?;
                Some(Condition::Not(Box::new(condition)))
            }
            "tag" => {
                let tag = self.text(value, &at)?;
                self.take(&at, Tag::parse(tag)).map(Condition::Tag)
            }
            "state" => {
                let state = self.text(value, &at)?;
                self.take(&at, Standing::parse(state)).map(Condition::State)
            }
            "topic" => self.topic(value, &at),
            _ => self.no(&at, KINDS),
        }
    }

    fn several(&mut self, value: &Value, at: &str, depth: usize) -> Option<Vec<Condition>> {
        let Some(items) = value.as_array().filter(|items| !items.is_empty()) else {
            return self.no(at, "this is a list of at least one condition");
        };
        let mut all = Some(Vec::new());
        for (index, item) in items.iter().enumerate() {
            let condition = self.condition(item, &format!("{at}/{index}"), depth + 1);
            all = all.zip(condition).map(|(mut all, condition)| {
                all.push(condition);
                all
            });
        }
        all
    }

    fn text<'v>(&mut self, value: &'v Value, at: &str) -> Option<&'v str> {
        match value.as_str() {
            Some(text) => Some(text),
            None => self.no(at, "this must be a text"),
        }
    }

    fn topic(&mut self, value: &Value, at: &str) -> Option<Condition> {
        let id = self.text(value, at)?;
        let known = Uuid::parse_str(id).ok();
        let known = known.and_then(|id| Some((id, *self.topics.get(&id)?)));
        match known {
            Some((topic_id, by_default)) => Some(Condition::Topic {
                topic_id,
                by_default,
            }),
            None => self.no(at, "there is no topic with this id"),
        }
    }

    fn attribute(
        &mut self,
        key: &Value,
        fields: &Map<String, Value>,
        at: &str,
    ) -> Option<Condition> {
        let of_key = format!("{at}/attribute");
        let key = self.text(key, &of_key)?;
        let key = self.take(&of_key, AttributeKey::parse_any(key));
        let mut others = fields.iter().filter(|(name, _)| *name != "attribute");
        let test = match (others.next(), others.next()) {
            (None, _) => Some(AttributeTest::Has),
            (Some((name, value)), None) => self.test(name, value, &format!("{at}/{name}")),
            _ => self.no(at, TESTS),
        };
        let (key, test) = key.zip(test)?;
        Some(Condition::Attribute { key, test })
    }

    fn test(&mut self, name: &str, value: &Value, at: &str) -> Option<AttributeTest> {
        if name == "is" {
            return self.values(value, at).map(AttributeTest::Is);
        }
        if name == "contains" {
            let text = self.text(value, at)?;
            let parsed = self.take(at, AttributeValue::parse(&json!(text)))?;
            return match parsed {
                AttributeValue::Text(text) if !text.is_empty() => {
                    Some(AttributeTest::Contains(text))
                }
                _ => self.no(at, "the text is empty: it would be in all of them"),
            };
        }
        let Ok(how) = Ordering::parse(name) else {
            return self.no(at, TESTS);
        };
        match self.take(at, AttributeValue::parse(value))? {
            value @ (AttributeValue::Number(_) | AttributeValue::Date(_)) => {
                Some(AttributeTest::Compares(how, value))
            }
            _ => self.no(at, "this must be a number, or {\"date\": \"2026-03-01\"}"),
        }
    }

    fn values(&mut self, value: &Value, at: &str) -> Option<Vec<AttributeValue>> {
        let Some(items) = value.as_array() else {
            let value = self.take(at, AttributeValue::parse(value))?;
            return Some(vec![value]);
        };
        if items.is_empty() || items.len() > Condition::VALUES_MAX {
            let most = Condition::VALUES_MAX;
            return self.no(at, format!("this is a value, or a list of 1 to {most}"));
        }
        let mut all = Some(Vec::new());
        for (index, item) in items.iter().enumerate() {
            let value = self.take(&format!("{at}/{index}"), AttributeValue::parse(item));
            all = all.zip(value).map(|(mut all, value)| {
                all.push(value);
                all
            });
        }
        all
    }
}
