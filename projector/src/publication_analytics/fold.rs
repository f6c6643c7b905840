//! Counts the settled rows of the delivery log by the hour they were settled in.

use tidings_event_store::view::{Definition, DerivedView, Merge};
use tidings_event_store::view_row;
use time::{OffsetDateTime, UtcOffset};
use uuid::Uuid;

use crate::delivery_log::{Class, DeliveryRow};

/// The view `publication_analytics`, derived from `delivery_log`.
pub struct PublicationAnalytics;

view_row! {
    /// Settled deliveries of one publication to one channel in one hour, by class.
    pub struct AnalyticsRow {
        key {
            /// The publication.
            publication_id: Uuid,
            /// The channel.
            channel_id: Uuid,
            /// Start of the hour, UTC.
            hour: OffsetDateTime,
        }
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
    }
}

impl AnalyticsRow {
    fn counts(&mut self) -> [&mut i64; 5] {
        [
            &mut self.sent,
            &mut self.failed,
            &mut self.suppressed,
            &mut self.cancelled,
            &mut self.in_doubt,
        ]
    }
}

impl Merge for AnalyticsRow {
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

impl DerivedView<DeliveryRow> for PublicationAnalytics {
    type Row = AnalyticsRow;
    const DEFINITION: Definition = Definition {
        name: "publication_analytics",
        sql: tidings_schema::views::PUBLICATION_ANALYTICS,
    };

    fn contributions(delivery: &DeliveryRow) -> Vec<Self::Row> {
        let of = delivery
            .publication_id
            .zip(delivery.channel_id)
            .zip(delivery.settled_at);
        let counted = of.map(|((publication_id, channel_id), settled_at)| {
            let one = |of| i64::from(delivery.class() == of);
            AnalyticsRow {
                publication_id,
                channel_id,
                hour: hour_of(settled_at),
                sent: one(Class::Sent),
                failed: one(Class::Failed),
                suppressed: one(Class::Suppressed),
                cancelled: one(Class::Cancelled),
                in_doubt: one(Class::InDoubt),
            }
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

fn hour_of(at: OffsetDateTime) -> OffsetDateTime {
    let at = at.to_offset(UtcOffset::UTC);
    let start = at.replace_minute(0).and_then(|at| at.replace_second(0));
    start
        .and_then(|at| at.replace_nanosecond(0))
        .expect("every hour has a minute 0")
}
