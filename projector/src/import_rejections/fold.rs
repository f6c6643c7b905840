//! One row for each rejected line; what the line says stays in the log, sealed.

use tidings_event_store::feed::Item;
use tidings_event_store::vault::KeyRing;
use tidings_event_store::view::{Definition, Merge, View};
use tidings_event_store::{UnderstandError, view_row};
use tidings_proto::Event;
use uuid::Uuid;

use crate::fields::of_nouns;

/// The view `import_rejections`.
pub struct ImportRejections;

view_row! {
    /// A rejected line.
    pub struct RejectionRow {
        key {
            /// The import.
            import_id: Uuid,
            /// Line in the file, 1-based, header included.
            line: i64,
        }
        /// Why, a stable code.
        reason: String,
    }
}

impl View for ImportRejections {
    type Row = RejectionRow;
    const DEFINITION: Definition = Definition {
        name: "import_rejections",
        sql: tidings_schema::views::IMPORT_REJECTIONS,
    };
    const NOUNS: &'static [&'static str] = &["subscriber_import"];

    fn fold(
        item: &Item,
        _ring: &KeyRing,
        rows: &mut Vec<Self::Row>,
    ) -> Result<(), UnderstandError> {
        if let Some(Event::SubscriberImportAdvanced(it)) = of_nouns(item, Self::NOUNS)? {
            rows.extend(it.rejected.iter().map(|rejected| RejectionRow {
                import_id: item.recorded.stream_id,
                line: rejected.line,
                reason: rejected.reason.clone(),
            }));
        }
        Ok(())
    }
}

impl Merge for RejectionRow {
    fn merge(self, later: Self) -> Self {
        later
    }
}
