//! Folds segment streams into one row each.

use serde_json::Value;
use tidings_event_store::feed::Item;
use tidings_event_store::vault::KeyRing;
use tidings_event_store::view::{Condition, Definition, Merge, View};
use tidings_event_store::{UnderstandError, view_row};
use tidings_proto::Event;
use tidings_proto::common::Sealed;
use uuid::Uuid;

use crate::fields::{Fields, Opened, of_nouns};

/// The view `segment_list`.
pub struct SegmentList;

view_row! {
    /// A segment.
    pub struct SegmentRow {
        key {
            /// The stream.
            segment_id: Uuid,
        }
        /// How editors name it.
        slug: Option<String>,
        /// What they see it called.
        name: Option<String>,
        /// One line about it; empty when there is none.
        description: Option<String>,
        /// Whom it picks, as requests write it; none once erased.
        conditions: Option<Value>,
        /// Whether nothing new may use it.
        archived: bool,
        /// Stream version.
        version: i32,
        /// Log position.
        position: i64,
    }
}

impl View for SegmentList {
    type Row = SegmentRow;
    const DEFINITION: Definition = Definition {
        name: "segment_list",
        sql: tidings_schema::views::SEGMENT_LIST,
    };
    const NOUNS: &'static [&'static str] = &["segment"];
    const OPENS: &'static [&'static str] = &["segment"];

    fn fold(item: &Item, ring: &KeyRing, rows: &mut Vec<Self::Row>) -> Result<(), UnderstandError> {
        let Some(event) = of_nouns(item, Self::NOUNS)? else {
            return Ok(());
        };
        let fields = Fields::of(event);
        let conditions = |sealed| conditions(fields, &Opened::of(item, ring), sealed);
        let row = SegmentRow::nothing(item);
        rows.push(match event {
            Event::SegmentDefined(it) => SegmentRow {
                slug: Some(it.slug.clone()),
                name: Some(it.name.clone()),
                description: Some(it.description.clone()),
                conditions: conditions(it.condition.as_ref())?,
                ..row
            },
            Event::SegmentRevised(it) => SegmentRow {
                name: Some(it.name.clone()),
                description: Some(it.description.clone()),
                conditions: conditions(it.condition.as_ref())?,
                ..row
            },
            Event::SegmentArchived(_) => SegmentRow {
                archived: true,
                ..row
            },
            _ => return Ok(()),
        });
        Ok(())
    }
}

/// What this build does not wholly understand stops the view; none: they are erased.
fn conditions(
    fields: Fields,
    opened: &Opened<'_>,
    sealed: Option<&Sealed>,
) -> Result<Option<Value>, UnderstandError> {
    let impossible = || fields.impossible("condition");
    let sealed = sealed.ok_or_else(impossible)?;
    let Some(bytes) = opened.bytes("condition", sealed)? else {
        return Ok(None);
    };
    let condition = Condition::read(&bytes).ok_or_else(impossible)?;
    Ok(Some(condition.to_json()))
}

impl SegmentRow {
    fn nothing(item: &Item) -> Self {
        Self {
            segment_id: item.recorded.stream_id,
            slug: None,
            name: None,
            description: None,
            conditions: None,
            archived: false,
            version: item.recorded.version,
            position: item.position(),
        }
    }
}

impl Merge for SegmentRow {
    fn merge(self, later: Self) -> Self {
        Self {
            segment_id: self.segment_id,
            // It never changes.
            slug: self.slug.or(later.slug),
            name: later.name.or(self.name),
            description: later.description.or(self.description),
            conditions: later.conditions.or(self.conditions),
            archived: self.archived || later.archived,
            version: later.version,
            position: later.position,
        }
    }
}
