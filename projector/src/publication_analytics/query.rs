//! Reads the analytics of a publication.

use serde::Serialize;
use tidings_service::Problem;
use time::OffsetDateTime;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::reader::Reader;

/// Deliveries settled on one channel in one hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Hour {
    /// The channel.
    pub channel_id: Uuid,
    /// Start of the hour, UTC.
    #[serde(with = "time::serde::rfc3339")]
    pub hour: OffsetDateTime,
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

const SELECT: &str = "select channel_id, hour, sent, failed, suppressed, cancelled, in_doubt \
     from publishing_publication_analytics \
     where publication_id = $1 and ($2::timestamptz is null or (hour, channel_id) > ($2, $3::uuid)) \
     order by hour, channel_id limit $4";

/// Up to `limit` hours of a publication behind a key, in order.
pub(super) async fn hours(
    reader: &Reader,
    id: Uuid,
    after: Option<(OffsetDateTime, Uuid)>,
    limit: i64,
) -> Result<Vec<Hour>, Problem> {
    let (hour, channel_id) = after.unzip();
    let rows = reader
        .rows(SELECT, &[&id, &hour, &channel_id, &limit])
        .await?;
    Ok(rows.iter().map(of_row).collect())
}

fn of_row(row: &Row) -> Hour {
    Hour {
        channel_id: row.get("channel_id"),
        hour: row.get("hour"),
        sent: row.get("sent"),
        failed: row.get("failed"),
        suppressed: row.get("suppressed"),
        cancelled: row.get("cancelled"),
        in_doubt: row.get("in_doubt"),
    }
}
