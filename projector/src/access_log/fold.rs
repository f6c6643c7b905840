//! Folds each look into one row.

use tidings_event_store::feed::Item;
use tidings_event_store::vault::KeyRing;
use tidings_event_store::view::{Definition, Merge, View};
use tidings_event_store::{UnderstandError, view_row};
use tidings_proto::Event;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::fields::{Fields, of_nouns};

/// The view `access_log`.
pub struct AccessLog;

/// What an export is called beside the looks.
const EXPORT: &str = "export";

view_row! {
    /// A look.
    pub struct AccessRow {
        key {
            /// Log position.
            position: i64,
        }
        /// Whose data.
        subscriber_id: Uuid,
        /// Who looked.
        actor: String,
        /// At what: `profile`, `search`, `timeline`, `bulk_export`, …; `export`: all of it, in a file.
        what: String,
        /// When.
        at: OffsetDateTime,
        /// SHA-256 of the file.
        digest: Option<Vec<u8>>,
        /// Events that the file tells of.
        events: Option<i64>,
    }
}

impl View for AccessLog {
    type Row = AccessRow;
    const DEFINITION: Definition = Definition {
        name: "access_log",
        sql: tidings_schema::views::ACCESS_LOG,
    };
    const NOUNS: &'static [&'static str] = &["access"];

    fn fold(
        item: &Item,
        _ring: &KeyRing,
        rows: &mut Vec<Self::Row>,
    ) -> Result<(), UnderstandError> {
        let Some(event) = of_nouns(item, Self::NOUNS)? else {
            return Ok(());
        };
        let fields = Fields::of(event);
        let row = |subscriber_id: &[u8], what: &str| {
            Ok::<_, UnderstandError>(AccessRow {
                position: item.position(),
                subscriber_id: fields.id("subscriber_id", subscriber_id)?,
                actor: item.recorded.actor.clone(),
                what: what.to_owned(),
                at: item.recorded.occurred_at,
                digest: None,
                events: None,
            })
        };
        match event {
            Event::AccessViewed(it) => rows.push(row(&it.subscriber_id, &it.what)?),
            Event::AccessExported(it) => rows.push(AccessRow {
                digest: Some(it.digest.to_vec()),
                events: Some(it.events),
                ..row(&it.subscriber_id, EXPORT)?
            }),
            _ => {}
        }
        Ok(())
    }
}

impl Merge for AccessRow {
    /// Each event has its own row.
    fn merge(self, later: Self) -> Self {
        later
    }
}
