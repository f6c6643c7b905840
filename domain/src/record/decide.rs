//! What of a record changes: only what is not so already goes into an event.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ATTRIBUTES_MAX, AttributePatch, Command, Event, NameChange, Record, Refusal, TAGS_MAX,
    TagPatch, Tags,
};
use crate::personal::Personal;
use crate::subscriber::Profile;
use crate::value::{AttributeKey, AttributeValue, DisplayName, Tag};

pub(super) fn decide(state: &Record, command: Command) -> Result<Vec<Event>, Refusal> {
    let Command::Change {
        subscriber_id,
        profile,
        name,
        attributes,
        tags,
    } = command;
    let name = name_change(state, &profile, name);
    let attributes = attribute_patch(state, &profile, attributes)?;
    let tags = tag_patch(state, tags)?;
    if name == NameChange::Unchanged && attributes.is_none() && tags.is_none() {
        return Ok(vec![]);
    }
    Ok(vec![Event::Changed {
        subscriber_id,
        name,
        attributes: attributes.map(Personal::Known),
        tags: tags.map(Personal::Known),
    }])
}

fn name_change(
    state: &Record,
    profile: &Profile,
    wanted: Option<Option<DisplayName>>,
) -> NameChange {
    match wanted {
        None => NameChange::Unchanged,
        Some(wanted) if wanted.as_ref() == state.name(profile) => NameChange::Unchanged,
        Some(None) => NameChange::Removed,
        Some(Some(name)) => NameChange::Set(Personal::Known(name)),
    }
}

fn attribute_patch(
    state: &Record,
    profile: &Profile,
    mut wanted: BTreeMap<AttributeKey, Option<AttributeValue>>,
) -> Result<Option<AttributePatch>, Refusal> {
    let before = state.attributes(profile);
    wanted.retain(|key, value| before.get(key) != value.as_ref());
    let gone = wanted.values().filter(|value| value.is_none()).count();
    let new = wanted
        .iter()
        .filter(|(key, value)| value.is_some() && !before.contains_key(key));
    let after = before.len() + new.count() - gone;
    // Whoever has too many may have fewer.
    if after > ATTRIBUTES_MAX && after > before.len() {
        return Err(Refusal::TooManyAttributes(after));
    }
    Ok((!wanted.is_empty()).then(|| AttributePatch::new(wanted)))
}

fn tag_patch(state: &Record, wanted: Option<Tags>) -> Result<Option<TagPatch>, Refusal> {
    let before = &state.tags;
    let less = |some: &BTreeSet<Tag>, others: &BTreeSet<Tag>| some - others;
    let patch = match wanted {
        None => return Ok(None),
        Some(Tags::All(all)) => TagPatch {
            added: less(&all, before),
            removed: less(before, &all),
        },
        // What is both is added.
        Some(Tags::Patch(patch)) => TagPatch {
            removed: before & &less(&patch.removed, &patch.added),
            added: less(&patch.added, before),
        },
    };
    let after = before.len() + patch.added.len() - patch.removed.len();
    if after > TAGS_MAX {
        return Err(Refusal::TooManyTags(after));
    }
    Ok((patch != TagPatch::default()).then_some(patch))
}
