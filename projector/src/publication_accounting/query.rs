//! Reads the accounting of a publication.

use serde::Serialize;
use tidings_service::Problem;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::reader::Reader;

/// Deliveries by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Counts {
    /// All of them.
    pub planned: i64,
    /// Not settled yet: counted, not what is left over.
    pub pending: i64,
    /// The receiving side took it.
    pub sent: i64,
    /// Given up.
    pub failed: i64,
    /// The receiver must not get it.
    pub suppressed: i64,
    /// Cancelled with the publication.
    pub cancelled: i64,
    /// Nobody knows whether the receiver has it.
    pub in_doubt: i64,
}

/// What receiving sides said afterwards, each delivery once by the gravest. Beside the classes, not one of them: most of
/// these were sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct FeedbackCounts {
    /// The receiver's own server has it. Not everybody reports that.
    pub delivered: i64,
    /// It came back.
    pub bounced: i64,
    /// The receiver called it spam.
    pub complained: i64,
}

impl FeedbackCounts {
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            delivered: self.delivered + other.delivered,
            bounced: self.bounced + other.bounced,
            complained: self.complained + other.complained,
        }
    }
}

/// The deliveries of one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChannelCounts {
    /// The channel.
    pub channel_id: Uuid,
    /// Its deliveries.
    #[serde(flatten)]
    pub counts: Counts,
    /// What was said of them afterwards.
    pub feedback: FeedbackCounts,
    /// What all that are pending wait for, in words; null when none is. Each delivery's own `explanation` says more.
    #[schema(
        example = "the channel “News” is switched off (somebody switched it off), until somebody enables it"
    )]
    pub waits_for: Option<String>,
}

impl Counts {
    /// Whether every planned delivery is in exactly one class.
    pub fn balanced(&self) -> bool {
        let classes = [
            self.pending,
            self.sent,
            self.failed,
            self.suppressed,
            self.cancelled,
            self.in_doubt,
        ];
        self.planned == classes.iter().sum::<i64>()
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            planned: self.planned + other.planned,
            pending: self.pending + other.pending,
            sent: self.sent + other.sent,
            failed: self.failed + other.failed,
            suppressed: self.suppressed + other.suppressed,
            cancelled: self.cancelled + other.cancelled,
            in_doubt: self.in_doubt + other.in_doubt,
        }
    }
}

const SELECT: &str = "select channel_id, planned, pending, sent, failed, suppressed, cancelled, in_doubt, \
     delivered, bounced, complained \
     from publishing_publication_accounting where publication_id = $1 order by channel_id";

/// The counts of each channel of a publication.
pub(super) async fn channels(reader: &Reader, id: Uuid) -> Result<Vec<ChannelCounts>, Problem> {
    Ok(reader
        .rows(SELECT, &[&id])
        .await?
        .iter()
        .map(channel)
        .collect())
}

fn channel(row: &Row) -> ChannelCounts {
    ChannelCounts {
        channel_id: row.get("channel_id"),
        counts: Counts {
            planned: row.get("planned"),
            pending: row.get("pending"),
            sent: row.get("sent"),
            failed: row.get("failed"),
            suppressed: row.get("suppressed"),
            cancelled: row.get("cancelled"),
            in_doubt: row.get("in_doubt"),
        },
        feedback: FeedbackCounts {
            delivered: row.get("delivered"),
            bounced: row.get("bounced"),
            complained: row.get("complained"),
        },
        waits_for: None,
    }
}
