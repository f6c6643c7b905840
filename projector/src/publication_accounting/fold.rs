//! Counts the rows of the delivery log.

use tidings_event_store::view::{Definition, DerivedView, Merge};
use tidings_event_store::view_row;
use uuid::Uuid;

use crate::delivery_log::{Class, DeliveryRow, Feedback};

/// The view `publication_accounting`, derived from `delivery_log`.
pub struct PublicationAccounting;

view_row! {
    /// Deliveries of one publication to one channel, by class; and, of all of them, what was said afterwards.
    pub struct AccountingRow {
        key {
            /// The publication.
            publication_id: Uuid,
            /// The channel.
            channel_id: Uuid,
        }
        /// All of them.
        planned: i64,
        /// Not settled yet.
        pending: i64,
        /// Taken by the receiving side.
        sent: i64,
        /// Given up.
        failed: i64,
        /// Must not go out.
        suppressed: i64,
        /// Cancelled with the publication.
        cancelled: i64,
        /// Nobody knows.
        in_doubt: i64,
        /// Arrived at the receiver's own server, and nothing graver was said.
        delivered: i64,
        /// Came back.
        bounced: i64,
        /// Called spam.
        complained: i64,
    }
}

impl AccountingRow {
    fn count(publication_id: Uuid, channel_id: Uuid, delivery: &DeliveryRow) -> Self {
        let (class, feedback) = (delivery.class(), delivery.feedback());
        let one = |of| i64::from(class == of);
        let said = |what| i64::from(feedback == Some(what));
        Self {
            publication_id,
            channel_id,
            planned: 1,
            pending: one(Class::Pending),
            sent: one(Class::Sent),
            failed: one(Class::Failed),
            suppressed: one(Class::Suppressed),
            cancelled: one(Class::Cancelled),
            in_doubt: one(Class::InDoubt),
            delivered: said(Feedback::Delivered),
            bounced: said(Feedback::Bounced),
            complained: said(Feedback::Complained),
        }
    }

    fn counts(&mut self) -> [&mut i64; 10] {
        [
            &mut self.planned,
            &mut self.pending,
            &mut self.sent,
            &mut self.failed,
            &mut self.suppressed,
            &mut self.cancelled,
            &mut self.in_doubt,
            &mut self.delivered,
            &mut self.bounced,
            &mut self.complained,
        ]
    }
}

impl Merge for AccountingRow {
    fn merge(mut self, mut later: Self) -> Self {
        for (mine, theirs) in self.counts().into_iter().zip(later.counts()) {
            *mine += *theirs;
        }
        self
    }

    fn is_gone(&self) -> bool {
        self.clone().counts().into_iter().all(|count| *count == 0)
    }
}

impl DerivedView<DeliveryRow> for PublicationAccounting {
    type Row = AccountingRow;
    const DEFINITION: Definition = Definition {
        name: "publication_accounting",
        sql: tidings_schema::views::PUBLICATION_ACCOUNTING,
    };

    fn contributions(delivery: &DeliveryRow) -> Vec<Self::Row> {
        let of = delivery.publication_id.zip(delivery.channel_id);
        let counted = of.map(|(publication_id, channel_id)| {
            AccountingRow::count(publication_id, channel_id, delivery)
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
