//! One row for each rejected line; what the line says stays in the log, sealed.

use serde_json::Value;
use tidings_event_store::feed::Item;
use tidings_event_store::vault::KeyRing;
use tidings_event_store::view::{Definition, Merge, View};
use tidings_event_store::{UnderstandError, view_row};
use tidings_proto::Event;
use tidings_proto::subscriber_import::advanced::Rejected;
use uuid::Uuid;

use crate::fields::{Fields, of_nouns};

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
        /// Ids of the `address` streams of the addresses that the line quotes, an array; none when it quotes none.
        address_ids: Option<Value>,
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
        if let Some(event @ Event::SubscriberImportAdvanced(it)) = of_nouns(item, Self::NOUNS)? {
            for rejected in &it.rejected {
                rows.push(RejectionRow {
                    import_id: item.recorded.stream_id,
                    line: rejected.line,
                    reason: rejected.reason.clone(),
                    address_ids: address_ids(Fields::of(event), rejected)?,
                });
            }
        }
        Ok(())
    }
}

fn address_ids(fields: Fields, rejected: &Rejected) -> Result<Option<Value>, UnderstandError> {
    let ids = rejected.address_ids.iter();
    let ids: Vec<Value> = ids
        .map(|id| Ok(fields.id("rejected.address_ids", id)?.to_string().into()))
        .collect::<Result<_, UnderstandError>>()?;
    Ok((!ids.is_empty()).then_some(ids.into()))
}

impl Merge for RejectionRow {
    fn merge(self, later: Self) -> Self {
        later
    }
}
