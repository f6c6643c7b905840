//! Whether channels work, as the end of the log and the views have it.

use tidings_event_store::{Log, ReadError};
use tidings_service::hindrance::Slowed;
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::channels::RETRY_AFTER_MAX;

const WORKING: &str = include_str!("working.sql");

/// How a channel has worked lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Working {
    /// The channel.
    pub channel_id: Uuid,
    /// When it last sent something, for anybody; to the hour, if that is long ago and was one of very many.
    pub last_success_at: Option<OffsetDateTime>,
    /// What was tried since and did not get through, for reasons that are not its own.
    pub failing: Option<Failing>,
    /// That since then the receiving side has asked for fewer messages.
    pub slowed: Option<Slowed>,
}

/// That nothing gets through, as far as was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    /// Since when.
    pub since: OffsetDateTime,
    /// What the last attempt met: a code.
    pub reason: String,
}

/// Of each of these channels, in no order. Looks at so many events at the end of the log at most, and where they do not tell at
/// as many deliveries.
///
/// # Errors
/// When the log can not be read.
pub async fn working(
    log: &Log,
    channels: &[Uuid],
    looks_at: i64,
) -> Result<Vec<Working>, ReadError> {
    let rests_s = RETRY_AFTER_MAX.as_secs_f64();
    let rows = log
        .query(WORKING, &[&channels, &looks_at, &rests_s])
        .await?;
    Ok(rows.iter().map(of_row).collect())
}

fn of_row(row: &Row) -> Working {
    let text = |column| row.get::<_, Option<String>>(column).unwrap_or_default();
    let since: Option<OffsetDateTime> = row.get("failing_since");
    let until: Option<OffsetDateTime> = row.get("slowed_until");
    Working {
        channel_id: row.get("channel_id"),
        last_success_at: row.get("last_success_at"),
        failing: since.map(|since| Failing {
            since,
            reason: text("failing_reason"),
        }),
        slowed: until.map(|until| Slowed {
            until,
            reason: text("slowed_reason"),
        }),
    }
}
