//! What a row holds of a record: attributes and tags as objects in which a later word replaces an earlier one, so that rows
//! merge as patches do.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use tidings_event_store::UnderstandError;
use tidings_event_store::view::{AttributePatch, AttributeValue, Attributes, Tag, TagPatch};
use tidings_proto::record::Changed;

use crate::fields::{Fields, Opened};

/// What an event says of a record, in the columns of a row.
pub(super) struct Patch {
    pub(super) named: Option<bool>,
    pub(super) name: Option<String>,
    pub(super) attributes: Option<Value>,
    pub(super) tags: Option<Value>,
}

pub(super) fn patch(
    fields: Fields,
    it: &Changed,
    opened: &Opened<'_>,
) -> Result<Patch, UnderstandError> {
    let attributes = opened.text("attributes", it.attributes.as_ref())?;
    let attributes = attributes.map(|text| {
        let patch = AttributePatch::recorded(&text);
        patch.ok_or_else(|| fields.impossible("attributes"))
    });
    let tags = opened.text("tags", it.tags.as_ref())?;
    let tags = tags.map(|text| TagPatch::recorded(&text).ok_or_else(|| fields.impossible("tags")));
    Ok(Patch {
        named: match it.name.is_some() {
            true => Some(true),
            false => it.name_removed.then_some(false),
        },
        name: opened.text("name", it.name.as_ref())?,
        attributes: attributes.transpose()?.map(|patch| of_attributes(&patch)),
        tags: tags.transpose()?.map(|patch| of_tags(&patch)),
    })
}

fn of_attributes(patch: &AttributePatch) -> Value {
    let changes = patch.changes().iter().map(|(key, value)| {
        let value = value.as_ref().map_or(Value::Null, AttributeValue::to_typed);
        (key.to_string(), value)
    });
    Value::Object(changes.collect())
}

fn of_tags(patch: &TagPatch) -> Value {
    let said = |tags: &BTreeSet<Tag>, has: bool| {
        let said = tags.iter().map(|tag| (tag.to_string(), Value::Bool(has)));
        said.collect::<Vec<_>>()
    };
    let all = said(&patch.added, true).into_iter();
    Value::Object(all.chain(said(&patch.removed, false)).collect())
}

/// The attributes of a sign-up, which are plain JSON.
pub(super) fn of_sign_up(fields: Fields, text: &str) -> Result<Value, UnderstandError> {
    let attributes = Attributes::recorded(text).ok_or_else(|| fields.impossible("attributes"))?;
    let typed = attributes
        .typed()
        .map(|(key, value)| (key.to_string(), value.to_typed()));
    Ok(Value::Object(typed.collect()))
}

/// Attributes of a row as answers show them: those they have. None: they never had any.
pub(super) fn shown_attributes(attributes: Option<&Value>) -> Option<Value> {
    let shown = attributes?.as_object()?.iter().filter_map(|(key, value)| {
        let value = AttributeValue::from_typed(value)?;
        Some((key.clone(), value.to_json()))
    });
    Some(Value::Object(shown.collect::<Map<_, _>>()))
}

/// Tags of a row as answers show them: those they have.
pub(super) fn shown_tags(tags: Option<&Value>) -> Vec<String> {
    let tags = tags.and_then(Value::as_object).into_iter().flatten();
    let has = tags.filter(|(_, has)| **has == Value::Bool(true));
    has.map(|(tag, _)| tag.clone()).collect()
}
