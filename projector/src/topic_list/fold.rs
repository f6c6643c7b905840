//! Folds topic streams into one row each.

use serde_json::{Map, Value};
use tidings_event_store::feed::Item;
use tidings_event_store::vault::KeyRing;
use tidings_event_store::view::{Definition, Merge, View};
use tidings_event_store::{UnderstandError, view_row};
use tidings_proto::Event;
use uuid::Uuid;

use crate::fields::of_nouns;

/// The view `topic_list`.
pub struct TopicList;

view_row! {
    /// A topic.
    pub struct TopicRow {
        key {
            /// The stream.
            topic_id: Uuid,
        }
        /// How editors name it.
        slug: Option<String>,
        /// in or out.
        by_default: Option<String>,
        /// What readers see it called.
        name: Option<String>,
        /// One line about it; empty when there is none.
        description: Option<String>,
        /// What its mails bear: an object with from, reply_to, list_id, as far as they are given.
        sender: Option<Value>,
        /// Whether nothing new is published about it.
        archived: bool,
        /// Stream version.
        version: i32,
        /// Log position.
        position: i64,
    }
}

impl View for TopicList {
    type Row = TopicRow;
    const DEFINITION: Definition = Definition {
        name: "topic_list",
        sql: tidings_schema::views::TOPIC_LIST,
    };
    const NOUNS: &'static [&'static str] = &["topic"];

    fn fold(item: &Item, _: &KeyRing, rows: &mut Vec<Self::Row>) -> Result<(), UnderstandError> {
        let Some(event) = of_nouns(item, Self::NOUNS)? else {
            return Ok(());
        };
        let row = TopicRow::nothing(item);
        rows.push(match event {
            Event::TopicDefined(it) => TopicRow {
                slug: Some(it.slug.clone()),
                by_default: Some(it.by_default.clone()),
                name: Some(it.name.clone()),
                description: Some(it.description.clone()),
                sender: Some(sender(&it.from, &it.reply_to, &it.list_id)),
                ..row
            },
            Event::TopicRevised(it) => TopicRow {
                name: Some(it.name.clone()),
                description: Some(it.description.clone()),
                sender: Some(sender(&it.from, &it.reply_to, &it.list_id)),
                ..row
            },
            Event::TopicArchived(_) => TopicRow {
                archived: true,
                ..row
            },
            _ => return Ok(()),
        });
        Ok(())
    }
}

fn sender(from: &str, reply_to: &str, list_id: &str) -> Value {
    let all = [("from", from), ("reply_to", reply_to), ("list_id", list_id)];
    let given = all.iter().filter(|(_, text)| !text.is_empty());
    let given: Map<String, Value> = given
        .map(|(name, text)| ((*name).to_owned(), (*text).into()))
        .collect();
    given.into()
}

impl TopicRow {
    fn nothing(item: &Item) -> Self {
        Self {
            topic_id: item.recorded.stream_id,
            slug: None,
            by_default: None,
            name: None,
            description: None,
            sender: None,
            archived: false,
            version: item.recorded.version,
            position: item.position(),
        }
    }
}

impl Merge for TopicRow {
    fn merge(self, later: Self) -> Self {
        Self {
            topic_id: self.topic_id,
            // Neither ever changes.
            slug: self.slug.or(later.slug),
            by_default: self.by_default.or(later.by_default),
            name: later.name.or(self.name),
            description: later.description.or(self.description),
            sender: later.sender.or(self.sender),
            archived: self.archived || later.archived,
            version: later.version,
            position: later.position,
        }
    }
}
