//! What of attributes and tags is other than before, and how an event holds it: as JSON, so that whoever gets an export can
//! read it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::value::{AttributeKey, AttributeValue, Tag};

const SET: &str = "set";
const ADDED: &str = "added";
const REMOVED: &str = "removed";

/// By key the value from here on; none: away with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttributePatch(BTreeMap<AttributeKey, Option<AttributeValue>>);

impl AttributePatch {
    /// Of these.
    pub fn new(changes: BTreeMap<AttributeKey, Option<AttributeValue>>) -> Self {
        Self(changes)
    }

    /// By key the value from here on; none: away with it.
    pub fn changes(&self) -> &BTreeMap<AttributeKey, Option<AttributeValue>> {
        &self.0
    }

    /// `{"set": {"age": {"number": "7"}}, "removed": ["city"]}`
    pub fn to_json(&self) -> String {
        let set = self.0.iter().filter_map(|(key, value)| {
            let value = value.as_ref()?;
            Some((key.to_string(), value.to_typed()))
        });
        let set: Map<String, Value> = set.collect();
        let removed = self.0.iter().filter(|(_, value)| value.is_none());
        let removed: Vec<&str> = removed.map(|(key, _)| key.as_str()).collect();
        let mut fields = Map::new();
        if !set.is_empty() {
            fields.insert(SET.to_owned(), set.into());
        }
        if !removed.is_empty() {
            fields.insert(REMOVED.to_owned(), json!(removed));
        }
        // Keys in one order, whatever the build does with maps.
        written(fields)
    }

    /// What [`Self::to_json`] has written; `None`: it holds what it may not hold.
    pub fn recorded(text: &str) -> Option<Self> {
        let fields: Value = serde_json::from_str(text).ok()?;
        let mut changes = BTreeMap::new();
        if let Some(set) = fields.get(SET) {
            for (key, value) in set.as_object()? {
                let value = AttributeValue::from_typed(value)?;
                changes.insert(AttributeKey::recorded(key.clone()), Some(value));
            }
        }
        for key in texts(&fields, REMOVED)? {
            changes.insert(AttributeKey::recorded(key), None);
        }
        Some(Self(changes))
    }
}

/// Tags they have from here on, and tags they have no more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagPatch {
    /// From here on.
    pub added: BTreeSet<Tag>,
    /// No more.
    pub removed: BTreeSet<Tag>,
}

impl TagPatch {
    /// `{"added": ["vip"], "removed": ["trial"]}`
    pub fn to_json(&self) -> String {
        let mut fields = Map::new();
        for (name, tags) in [(ADDED, &self.added), (REMOVED, &self.removed)] {
            if !tags.is_empty() {
                let tags: Vec<&str> = tags.iter().map(Tag::as_str).collect();
                fields.insert(name.to_owned(), json!(tags));
            }
        }
        written(fields)
    }

    /// What [`Self::to_json`] has written; `None`: it holds what it may not hold.
    pub fn recorded(text: &str) -> Option<Self> {
        let fields: Value = serde_json::from_str(text).ok()?;
        let tags = |name| -> Option<BTreeSet<Tag>> {
            Some(
                texts(&fields, name)?
                    .into_iter()
                    .map(Tag::recorded)
                    .collect(),
            )
        };
        Some(Self {
            added: tags(ADDED)?,
            removed: tags(REMOVED)?,
        })
    }
}

/// An array of texts; none where there is no such field.
fn texts(fields: &Value, name: &str) -> Option<Vec<String>> {
    let Some(items) = fields.get(name) else {
        return Some(Vec::new());
    };
    let texts = items.as_array()?.iter().map(|item| item.as_str());
    texts.map(|text| text.map(str::to_owned)).collect()
}

fn written(fields: Map<String, Value>) -> String {
    let sorted: BTreeMap<String, Value> = fields.into_iter().collect();
    serde_json::to_string(&sorted).expect("a JSON object can be written as text")
}
