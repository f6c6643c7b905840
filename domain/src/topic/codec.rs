//! Topic events on the wire. Nothing in them is sealed.

use tidings_proto::{Event as Wire, EventMessage as _, topic as wire};

use super::{ByDefault, Card, Event, Sender, Topic};
use crate::aggregate::{Aggregate as _, CodecError};
use crate::personal::{Open, Seal};
use crate::value::{Code, Description, ListId, Mailbox, Slug, TopicName};
use crate::wire::Fields;

pub(super) fn event_type(event: &Event) -> &'static str {
    match event {
        Event::Defined { .. } => wire::Defined::TYPE,
        Event::Revised { .. } => wire::Revised::TYPE,
        Event::Archived { .. } => wire::Archived::TYPE,
    }
}

pub(super) fn encode(event: &Event, _: &dyn Seal) -> Wire {
    match event {
        Event::Defined {
            slug,
            by_default,
            card,
        } => wire::Defined {
            slug: slug.to_string(),
            name: card.name.to_string(),
            description: text(card.description.as_ref()),
            by_default: by_default.to_string(),
            from: text(card.sender.from.as_ref()),
            reply_to: text(card.sender.reply_to.as_ref()),
            list_id: text(card.sender.list_id.as_ref()),
        }
        .into(),
        Event::Revised { card } => wire::Revised {
            name: card.name.to_string(),
            description: text(card.description.as_ref()),
            from: text(card.sender.from.as_ref()),
            reply_to: text(card.sender.reply_to.as_ref()),
            list_id: text(card.sender.list_id.as_ref()),
        }
        .into(),
        Event::Archived { reason } => wire::Archived {
            reason: reason.to_string(),
        }
        .into(),
    }
}

/// Absent is empty.
fn text(value: Option<&impl ToString>) -> String {
    value.map_or_else(String::new, ToString::to_string)
}

pub(super) fn decode(event: &Wire, _: &dyn Open) -> Result<Event, CodecError> {
    let fields = Fields(event.event_type());
    match event {
        Wire::TopicDefined(e) => Ok(Event::Defined {
            slug: Slug::recorded(e.slug.clone()),
            by_default: ByDefault::parse(&e.by_default)
                .map_err(|_| fields.impossible("by_default"))?,
            card: card(
                fields,
                (&e.name, &e.description),
                (&e.from, &e.reply_to, &e.list_id),
            )?,
        }),
        Wire::TopicRevised(e) => Ok(Event::Revised {
            card: card(
                fields,
                (&e.name, &e.description),
                (&e.from, &e.reply_to, &e.list_id),
            )?,
        }),
        Wire::TopicArchived(e) => Ok(Event::Archived {
            reason: Code::recorded(e.reason.clone()),
        }),
        other => Err(CodecError::WrongStream {
            noun: Topic::NOUN,
            found: other.event_type(),
        }),
    }
}

fn card(
    fields: Fields,
    (name, description): (&str, &str),
    (from, reply_to, list_id): (&str, &str, &str),
) -> Result<Card, CodecError> {
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let mailbox = |field, text| {
        let read = |text: String| Mailbox::recorded(&text).ok_or_else(|| fields.impossible(field));
        given(text).map(read).transpose()
    };
    Ok(Card {
        name: TopicName::recorded(name.to_owned()),
        description: given(description).map(Description::recorded),
        sender: Sender {
            from: mailbox("from", from)?,
            reply_to: mailbox("reply_to", reply_to)?,
            list_id: given(list_id).map(ListId::recorded),
        },
    })
}
