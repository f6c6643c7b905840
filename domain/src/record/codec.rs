//! Record events on the wire. All that is personal is sealed under the subscriber's own key.

use tidings_proto::{Event as Wire, EventMessage as _, record as wire};

use super::{AttributePatch, Event, NameChange, Record, TagPatch};
use crate::aggregate::{Aggregate as _, CodecError};
use crate::personal::{Open, Personal, Seal};
use crate::value::DisplayName;
use crate::wire::{Fields, id};

pub(super) fn event_type(event: &Event) -> &'static str {
    match event {
        Event::Changed { .. } => wire::Changed::TYPE,
    }
}

pub(super) fn encode(event: &Event, seal: &dyn Seal) -> Wire {
    let Event::Changed {
        subscriber_id,
        name,
        attributes,
        tags,
    } = event;
    let set = match name {
        NameChange::Set(name) => name.known(),
        NameChange::Unchanged | NameChange::Removed => None,
    };
    let attributes = attributes.as_ref().and_then(Personal::known);
    let tags = tags.as_ref().and_then(Personal::known);
    wire::Changed {
        subscriber_id: id(*subscriber_id),
        name: seal.seal_text("name", set.map(DisplayName::as_str)),
        name_removed: *name == NameChange::Removed,
        attributes: attributes.map(|it| seal.seal("attributes", it.to_json().as_bytes())),
        tags: tags.map(|it| seal.seal("tags", it.to_json().as_bytes())),
    }
    .into()
}

pub(super) fn decode(event: &Wire, open: &dyn Open) -> Result<Event, CodecError> {
    let fields = Fields(event.event_type());
    let Wire::RecordChanged(e) = event else {
        return Err(CodecError::WrongStream {
            noun: Record::NOUN,
            found: event.event_type(),
        });
    };
    let name = match open.open_optional_text("name", e.name.as_ref())? {
        Some(name) => NameChange::Set(name.map(DisplayName::recorded)),
        None if e.name_removed => NameChange::Removed,
        None => NameChange::Unchanged,
    };
    let attributes = open.open_optional_text("attributes", e.attributes.as_ref())?;
    let attributes = read(attributes, AttributePatch::recorded);
    let tags = open.open_optional_text("tags", e.tags.as_ref())?;
    let tags = read(tags, TagPatch::recorded);
    Ok(Event::Changed {
        subscriber_id: fields.id("subscriber_id", &e.subscriber_id)?,
        name,
        attributes: attributes.map_err(|()| fields.impossible("attributes"))?,
        tags: tags.map_err(|()| fields.impossible("tags"))?,
    })
}

fn read<T>(
    text: Option<Personal<String>>,
    recorded: impl Fn(&str) -> Option<T>,
) -> Result<Option<Personal<T>>, ()> {
    match text {
        None => Ok(None),
        Some(Personal::Erased) => Ok(Some(Personal::Erased)),
        Some(Personal::Known(text)) => recorded(&text).map(Personal::Known).map(Some).ok_or(()),
    }
}
