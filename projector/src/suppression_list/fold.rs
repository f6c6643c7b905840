//! Folds suppression streams into one row each.

use tidings_event_store::feed::Item;
use tidings_event_store::vault::KeyRing;
use tidings_event_store::view::{Definition, Merge, View};
use tidings_event_store::{UnderstandError, view_row};
use tidings_proto::Event;
use uuid::Uuid;

use crate::fields::{Fields, of_nouns};

/// The view `suppression_list`.
pub struct SuppressionList;

view_row! {
    /// An address or a domain. Each reason: whether it stands; none when it never did. The column
    /// `suppressed` is computed by the database.
    pub struct SuppressionRow {
        key {
            /// The stream: keyed hash of the address or domain.
            suppression_id: Uuid,
        }
        /// address or domain.
        scope: Option<String>,
        /// Somebody asked for it.
        manual: Option<bool>,
        /// The address does not exist.
        hard_bounce: Option<bool>,
        /// The receiver called it spam.
        complaint: Option<bool>,
        /// It came in a list.
        import: Option<bool>,
        /// They left, and the log that knew them was lost.
        unsubscribed: Option<bool>,
        /// Whoever had the address was erased.
        erased: Option<bool>,
        /// Whoever had the address gave it up for another.
        moved: Option<bool>,
        /// Stream version.
        version: i32,
        /// Log position.
        position: i64,
    }
}

impl View for SuppressionList {
    // Who must get nothing is looked up here: overlooking one would let mail out.
    const MAY_SKIP: bool = false;
    type Row = SuppressionRow;
    const DEFINITION: Definition = Definition {
        name: "suppression_list",
        sql: tidings_schema::views::SUPPRESSION_LIST,
    };
    const NOUNS: &'static [&'static str] = &["suppression"];

    fn fold(
        item: &Item,
        _ring: &KeyRing,
        rows: &mut Vec<Self::Row>,
    ) -> Result<(), UnderstandError> {
        let Some(event) = of_nouns(item, Self::NOUNS)? else {
            return Ok(());
        };
        let fields = Fields::of(event);
        let mut row = SuppressionRow::nothing(item);
        match event {
            Event::SuppressionAdded(it) => {
                row.scope = Some(it.scope.clone());
                row.set(&it.reason, true)
                    .ok_or_else(|| fields.impossible("reason"))?;
            }
            Event::SuppressionLifted(it) => {
                for reason in &it.reasons {
                    row.set(reason, false)
                        .ok_or_else(|| fields.impossible("reasons"))?;
                }
            }
            _ => return Ok(()),
        }
        rows.push(row);
        Ok(())
    }
}

impl SuppressionRow {
    fn nothing(item: &Item) -> Self {
        Self {
            suppression_id: item.recorded.stream_id,
            scope: None,
            manual: None,
            hard_bounce: None,
            complaint: None,
            import: None,
            unsubscribed: None,
            erased: None,
            moved: None,
            version: item.recorded.version,
            position: item.position(),
        }
    }

    /// `None`: no such reason. The view then stops, since overlooking one would let mail out.
    fn set(&mut self, reason: &str, stands: bool) -> Option<()> {
        let place = match reason {
            "manual" => &mut self.manual,
            "hard_bounce" => &mut self.hard_bounce,
            "complaint" => &mut self.complaint,
            "import" => &mut self.import,
            "unsubscribed" => &mut self.unsubscribed,
            "erased" => &mut self.erased,
            "moved" => &mut self.moved,
            _ => return None,
        };
        *place = Some(stands);
        Some(())
    }
}

impl Merge for SuppressionRow {
    fn merge(self, later: Self) -> Self {
        Self {
            suppression_id: self.suppression_id,
            scope: later.scope.or(self.scope),
            manual: later.manual.or(self.manual),
            hard_bounce: later.hard_bounce.or(self.hard_bounce),
            complaint: later.complaint.or(self.complaint),
            import: later.import.or(self.import),
            unsubscribed: later.unsubscribed.or(self.unsubscribed),
            erased: later.erased.or(self.erased),
            moved: later.moved.or(self.moved),
            version: later.version,
            position: later.position,
        }
    }
}
