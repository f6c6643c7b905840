//! Folds import streams into one row each.

use tidings_event_store::feed::Item;
use tidings_event_store::vault::KeyRing;
use tidings_event_store::view::{Definition, Merge, View};
use tidings_event_store::{UnderstandError, view_row};
use tidings_proto::Event;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::fields::of_nouns;

/// The view `import_status`.
pub struct ImportStatus;

const RUNNING: &str = "running";
const COMPLETED: &str = "completed";

view_row! {
    /// An import.
    pub struct ImportRow {
        key {
            /// The stream.
            import_id: Uuid,
        }
        /// Records in the file.
        lines: Option<i64>,
        /// Records worked off.
        through: i64,
        /// Subscribers signed up.
        accepted: i64,
        /// Records whose address belonged to a subscriber already.
        existing: i64,
        /// Records by which somebody gets no mail.
        suppressed: i64,
        /// Records not taken.
        rejected: i64,
        /// running or completed.
        state: String,
        /// When it was started.
        started_at: Option<OffsetDateTime>,
        /// When it was done.
        completed_at: Option<OffsetDateTime>,
        /// Stream version.
        version: i32,
        /// Log position.
        position: i64,
    }
}

impl View for ImportStatus {
    type Row = ImportRow;
    const DEFINITION: Definition = Definition {
        name: "import_status",
        sql: tidings_schema::views::IMPORT_STATUS,
    };
    const NOUNS: &'static [&'static str] = &["subscriber_import"];

    fn fold(
        item: &Item,
        _ring: &KeyRing,
        rows: &mut Vec<Self::Row>,
    ) -> Result<(), UnderstandError> {
        let Some(event) = of_nouns(item, Self::NOUNS)? else {
            return Ok(());
        };
        let at = Some(item.recorded.occurred_at);
        let row = ImportRow::nothing(item);
        rows.push(match event {
            Event::SubscriberImportStarted(it) => ImportRow {
                lines: Some(it.lines),
                started_at: at,
                ..row
            },
            Event::SubscriberImportAdvanced(it) => ImportRow {
                through: it.through,
                accepted: it.accepted,
                existing: it.existing,
                suppressed: it.suppressed,
                rejected: i64::try_from(it.rejected.len()).unwrap_or(i64::MAX),
                ..row
            },
            Event::SubscriberImportCompleted(_) => ImportRow {
                state: COMPLETED.to_owned(),
                completed_at: at,
                ..row
            },
            _ => return Ok(()),
        });
        Ok(())
    }
}

impl ImportRow {
    fn nothing(item: &Item) -> Self {
        Self {
            import_id: item.recorded.stream_id,
            lines: None,
            through: 0,
            accepted: 0,
            existing: 0,
            suppressed: 0,
            rejected: 0,
            state: RUNNING.to_owned(),
            started_at: None,
            completed_at: None,
            version: item.recorded.version,
            position: item.position(),
        }
    }
}

impl Merge for ImportRow {
    fn merge(self, later: Self) -> Self {
        let done = self.state == COMPLETED || later.state == COMPLETED;
        Self {
            import_id: self.import_id,
            lines: self.lines.or(later.lines),
            through: self.through.max(later.through),
            accepted: self.accepted + later.accepted,
            existing: self.existing + later.existing,
            suppressed: self.suppressed + later.suppressed,
            rejected: self.rejected + later.rejected,
            state: if done { COMPLETED } else { RUNNING }.to_owned(),
            started_at: self.started_at.or(later.started_at),
            completed_at: self.completed_at.or(later.completed_at),
            version: later.version,
            position: later.position,
        }
    }
}
