//! What a request wants changed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use tidings_domain::record::{self, TagPatch, Tags};
use tidings_domain::subscriber::Profile;
use tidings_domain::value::{
    AttributeKey, AttributeValue, DisplayName, EmailAddress, Invalid, Tag,
};
use tidings_service::Problem;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::refusal::Values;

/// What is other than before; what is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "email": "ada@example.net",
    "attributes": { "city": "London", "age": 36, "member": true, "born": { "date": "1815-12-10" }, "trial": null },
    "tags": { "add": ["early_bird"], "remove": ["trial"] },
}))]
pub(crate) struct SubscriberPatch {
    /// Where mail goes from here on.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    email: Option<Option<String>>,
    /// How to address them; null: they have no name.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    name: Option<Option<String>>,
    /// By key: a text (at most 1,000 characters), a number, true, false, `{"date": "2026-03-01"}`, or `{"number": "0.1"}`
    /// where a JSON number would lose digits; null takes it away. At most 64 in all, keys of lower-case letters, digits
    /// and underscores.
    #[serde(default)]
    attributes: Map<String, Value>,
    /// An object with `add` and `remove`, or a list of all there are to be; null: none. At most 50.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<Object>)]
    tags: Option<Value>,
}

/// That a field is there although it is null.
fn given<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// The same for any value.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

/// The same, right by its types.
pub(super) struct Wanted {
    pub(super) email: Option<EmailAddress>,
    name: Option<Option<DisplayName>>,
    attributes: BTreeMap<AttributeKey, Option<AttributeValue>>,
    tags: Option<Tags>,
}

impl Wanted {
    pub(super) fn record(&self, subscriber_id: Uuid, profile: Profile) -> record::Command {
        record::Command::Change {
            subscriber_id,
            profile: Box::new(profile),
            name: self.name.clone(),
            attributes: self.attributes.clone(),
            tags: self.tags.clone(),
        }
    }
}

impl SubscriberPatch {
    /// # Errors
    /// 422 that names every wrong value.
    pub(super) fn judge(self) -> Result<Wanted, Problem> {
        let mut values = Values::default();
        let email = match self.email {
            None => None,
            Some(Some(email)) => values.take("#/email", EmailAddress::parse(&email)),
            Some(None) => {
                values.wrong(
                    "#/email",
                    "an address can be changed, not taken away; whoever wants no mail unsubscribes",
                );
                None
            }
        };
        let name = self
            .name
            .map(|name| name.and_then(|name| values.take("#/name", DisplayName::parse(&name))));
        let attributes = attributes(&mut values, &self.attributes);
        let tags = self.tags.and_then(|tags| patch(&mut values, &tags));
        values.all(Some(Wanted {
            email,
            name,
            attributes,
            tags,
        }))
    }
}

/// Attributes by key; null: away with it. Whatever somebody may have brought along can be taken away.
pub(in crate::subscribers) fn attributes(
    values: &mut Values,
    given: &Map<String, Value>,
) -> BTreeMap<AttributeKey, Option<AttributeValue>> {
    let mut all = BTreeMap::new();
    for (name, value) in given {
        let pointer = format!("#/attributes/{}", escaped(name));
        let (key, value) = match value {
            Value::Null => (AttributeKey::parse_any(name), Ok(None)),
            value => (
                AttributeKey::parse(name),
                AttributeValue::parse(value).map(Some),
            ),
        };
        let key = values.take(&pointer, key);
        if let Some((key, value)) = key.zip(values.take(&pointer, value)) {
            all.insert(key, value);
        }
    }
    all
}

/// A name within a JSON pointer (RFC 6901).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn patch(values: &mut Values, given: &Value) -> Option<Tags> {
    match given {
        Value::Null => Some(Tags::All(BTreeSet::new())),
        Value::Array(_) => tags(values, "#/tags", given).map(Tags::All),
        Value::Object(fields) if fields.keys().all(|name| name == "add" || name == "remove") => {
            let of = |values: &mut Values, name: &str| match fields.get(name) {
                None => Some(BTreeSet::new()),
                Some(given) => tags(values, &format!("#/tags/{name}"), given),
            };
            let (added, removed) = (of(values, "add"), of(values, "remove"));
            let (added, removed) = added.zip(removed)?;
            Some(Tags::Patch(TagPatch { added, removed }))
        }
        _ => {
            let what = "tags are a list of all there are to be, or an object with the lists `add` and `remove`";
            values.wrong("#/tags", what);
            None
        }
    }
}

/// A list of tags; what is wrong is noted.
pub(in crate::subscribers) fn tags(
    values: &mut Values,
    pointer: &str,
    given: &Value,
) -> Option<BTreeSet<Tag>> {
    let Some(items) = given.as_array() else {
        values.wrong(pointer, "this must be a list of tags");
        return None;
    };
    let mut all = BTreeSet::new();
    let mut are_right = true;
    for (index, item) in items.iter().enumerate() {
        let tag = item.as_str().map_or_else(
            || {
                Err(Invalid {
                    detail: "a tag is a text".to_owned(),
                })
            },
            Tag::parse,
        );
        match values.take(&format!("{pointer}/{index}"), tag) {
            Some(tag) => {
                all.insert(tag);
            }
            None => are_right = false,
        }
    }
    are_right.then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn judge(body: Value) -> Result<Wanted, Vec<String>> {
        let patch: SubscriberPatch = serde_json::from_value(body).unwrap();
        patch.judge().map_err(|problem| {
            let errors = problem.errors().iter();
            errors.map(|error| error.pointer.clone()).collect()
        })
    }

    #[test]
    fn every_wrong_value_is_named() {
        let wrong = judge(json!({
            "email": null,
            "name": "A\nB",
            "attributes": { "City": "Kyiv", "a/b": 1, "list": [], "Age": null },
            "tags": { "add": ["vip", "no tag"], "remove": "trial" },
        }));
        assert_eq!(
            wrong.err().unwrap(),
            [
                "#/email",
                "#/name",
                "#/attributes/City",
                "#/attributes/a~1b",
                "#/attributes/list",
                "#/tags/add/1",
                "#/tags/remove",
            ]
        );
        assert_eq!(
            judge(json!({ "tags": { "set": [] } })).err().unwrap(),
            ["#/tags"]
        );
    }

    #[test]
    fn what_is_left_out_stays_and_null_takes_away() {
        let nothing = judge(json!({})).unwrap();
        assert!(nothing.email.is_none() && nothing.name.is_none());
        assert!(nothing.attributes.is_empty() && nothing.tags.is_none());
        let taken =
            judge(json!({ "name": null, "attributes": { "Age": null }, "tags": [] })).unwrap();
        assert_eq!(taken.name, Some(None));
        assert_eq!(taken.attributes.into_values().collect::<Vec<_>>(), [None]);
        assert_eq!(taken.tags, Some(Tags::All(BTreeSet::new())));
        let none = judge(json!({ "tags": null })).unwrap();
        assert_eq!(none.tags, taken.tags);
    }
}
