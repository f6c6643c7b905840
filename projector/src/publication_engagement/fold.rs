//! Counts the rows of the view of each message.

use tidings_event_store::view::{Definition, DerivedView, Merge};
use tidings_event_store::view_row;
use uuid::Uuid;

use crate::delivery_engagement::EngagementRow;

/// The view `publication_engagement`, derived from `delivery_engagement`.
pub struct PublicationEngagement;

view_row! {
    /// What was done with the messages of one publication by one channel.
    pub struct TotalsRow {
        key {
            /// The publication.
            publication_id: Uuid,
            /// The channel.
            channel_id: Uuid,
        }
        /// Deliveries that people opened, or followed a link of.
        opened: i64,
        /// Deliveries that people followed a link of.
        clicked: i64,
        /// Deliveries that only programs fetched anything of.
        machine_only: i64,
        /// Times that people fetched a picture.
        opens: i64,
        /// Times that programs did by themselves.
        machine_opens: i64,
        /// Times that people followed a link.
        clicks: i64,
        /// Times that programs did by themselves.
        machine_clicks: i64,
    }
}

impl TotalsRow {
    fn counts(&mut self) -> [&mut i64; 7] {
        [
            &mut self.opened,
            &mut self.clicked,
            &mut self.machine_only,
            &mut self.opens,
            &mut self.machine_opens,
            &mut self.clicks,
            &mut self.machine_clicks,
        ]
    }
}

impl Merge for TotalsRow {
    fn merge(mut self, mut later: Self) -> Self {
        for (sum, more) in self.counts().into_iter().zip(later.counts()) {
            *sum += *more;
        }
        self
    }

    fn is_gone(&self) -> bool {
        self.clone().counts().iter().all(|count| **count == 0)
    }
}

impl DerivedView<EngagementRow> for PublicationEngagement {
    type Row = TotalsRow;
    const DEFINITION: Definition = Definition {
        name: "publication_engagement",
        sql: tidings_schema::views::PUBLICATION_ENGAGEMENT,
    };

    fn contributions(message: &EngagementRow) -> Vec<Self::Row> {
        let is_opened = message.is_opened();
        let counted = message.publication_id.map(|publication_id| TotalsRow {
            publication_id,
            channel_id: message.channel_id,
            opened: i64::from(is_opened),
            clicked: i64::from(message.clicks > 0),
            machine_only: i64::from(!is_opened),
            opens: message.opens,
            machine_opens: message.machine_opens,
            clicks: message.clicks,
            machine_clicks: message.machine_clicks,
        });
        counted.into_iter().collect()
    }

    fn negate(mut row: Self::Row) -> Self::Row {
        for count in row.counts() {
            *count = -*count;
        }
        row
    }
}
