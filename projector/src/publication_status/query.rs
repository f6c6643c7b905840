//! Reads publications.

use serde::{Deserialize, Serialize};
use tidings_event_store::restore::is_sending_held;
use tidings_service::Problem;
use time::OffsetDateTime;
use tokio_postgres::Row;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::explanation::explanation;
use crate::reader::{Reader, unloadable};

/// A publication and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Publication {
    /// Its id.
    pub id: Uuid,
    /// Its title; null once the text was taken down.
    #[schema(example = "Spring news")]
    pub title: Option<String>,
    /// draft, scheduled, published, frozen (its audience), planned, completed (everything is settled) or cancelled.
    #[schema(example = "completed")]
    pub state: String,
    /// Version of the content that goes out.
    pub content_version: i32,
    /// The channels it goes to, in the editor's order.
    pub channel_ids: Vec<Uuid>,
    /// The topics it is about, in the editor's order; none: it is for everybody.
    pub topic_ids: Vec<Uuid>,
    /// Of those who get it otherwise, only whom any of these segments picks; none: everybody.
    pub segment_ids: Vec<Uuid>,
    /// Nobody whom any of these segments picks.
    pub excluded_segment_ids: Vec<Uuid>,
    /// ordinary or urgent.
    #[schema(example = "ordinary")]
    pub priority: String,
    /// When it was drafted.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was published.
    #[serde(with = "time::serde::rfc3339::option")]
    pub published_at: Option<OffsetDateTime>,
    /// When the last delivery was settled; null again while some are tried once more.
    #[serde(with = "time::serde::rfc3339::option")]
    pub completed_at: Option<OffsetDateTime>,
    /// When it was cancelled. If `deliveries` says that its audience was frozen before, these are still being settled until
    /// `completed_at` is set too; otherwise there are none.
    #[serde(with = "time::serde::rfc3339::option")]
    pub cancelled_at: Option<OffsetDateTime>,
    /// Why it was cancelled.
    pub cancel_reason: Option<String>,
    /// When it goes out by itself; null once it is published or a draft again.
    pub schedule: Option<Schedule>,
    /// Why it did not go out at its time, so that it is a draft again: `late` (more than an hour had passed when somebody
    /// looked) or `restored` (it may have gone out in what the log has lost).
    pub missed_reason: Option<String>,
    /// Why nothing goes out for now: `requested`, or an editor's own code.
    pub paused_reason: Option<String>,
    /// What keeps it, or has ended it, in words: why it was cancelled, is paused, or did not go out at its time, or that nothing is
    /// sent at all since the log was restored; null when nothing does. Why a published one has no audience yet is told by `GET …/audience`.
    #[schema(example = "Nothing of it goes out until somebody resumes it: it was paused.")]
    pub explanation: Option<String>,
    /// Whether deliveries that were to be tried again are still being reopened.
    pub retrying: bool,
    /// Subscribers in the frozen audience.
    pub subscribers: Option<i64>,
    /// Deliveries the frozen audience comes to.
    pub deliveries: Option<i64>,
    /// Of these: planned.
    pub planned: Option<i64>,
    /// Of these: left unplanned by a cancellation.
    pub not_planned: Option<i64>,
    /// Its version.
    pub version: i32,
    /// Orders the list.
    #[serde(skip)]
    pub(crate) created_position: i64,
    /// Its last event.
    #[serde(skip)]
    pub(crate) position: i64,
}

/// When a publication goes out by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Schedule {
    /// What a clock there shows.
    #[schema(example = "2026-12-24T08:00:00")]
    pub local_time: String,
    /// IANA name of the time zone.
    #[schema(example = "Europe/Berlin")]
    pub zone: String,
    /// The instant that was, by the zone's rules when it was scheduled.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// Which publications.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Only those in this state: draft, scheduled, published, frozen, planned, completed or cancelled.
    pub state: Option<String>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// Rows of a page, 100 unless said otherwise.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// A `Log-Position`: the answer waits for the view to reach it. 503 if it does not in time.
    #[param(minimum = 0)]
    pub at_least: Option<i64>,
}

const SELECT: &str = "select publication_id, title, state, content_version, channel_ids, topic_ids, segment_ids, \
     excluded_segment_ids, priority, created_at, published_at, completed_at, cancelled_at, cancel_reason, local_time, zone, \
     scheduled_at, missed_reason, paused_reason, retries, \
     completed_position >= under_way_since as is_over, subscribers, deliveries, planned, not_planned, \
     version, created_position, position from publishing_publication_status";

/// One publication.
pub(crate) async fn get(reader: &Reader, id: Uuid) -> Result<Option<Publication>, Problem> {
    let sql = format!("{SELECT} where publication_id = $1 and created_position is not null");
    let rows = reader.rows(&sql, &[&id]).await?;
    let publications = rows.iter().map(publication).collect();
    Ok(explained(reader, publications).await?.pop())
}

/// Up to `limit` publications drafted before the one at a position, newest first.
pub(super) async fn list(
    reader: &Reader,
    state: Option<&str>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<Publication>, Problem> {
    let sql = format!(
        "{SELECT} where created_position < $1 and ($2::text is null or state = $2) \
         order by created_position desc limit $3"
    );
    let rows = reader
        .rows(&sql, &[&before.unwrap_or(i64::MAX), &state, &limit])
        .await?;
    explained(reader, rows.iter().map(publication).collect()).await
}

/// The publications, each with what keeps it.
async fn explained(
    reader: &Reader,
    mut publications: Vec<Publication>,
) -> Result<Vec<Publication>, Problem> {
    // What is sent, or will be by itself.
    let goes_out = |it: &Publication| !matches!(it.state.as_str(), "draft" | "completed");
    let held = match publications.iter().any(goes_out) {
        true => is_sending_held(reader.store()).await,
        false => Ok(false),
    };
    let held = held.map_err(|error| unloadable(&error))?;
    for it in &mut publications {
        it.explanation = explanation(it, held && goes_out(it));
    }
    Ok(publications)
}

fn publication(row: &Row) -> Publication {
    let priority: Option<String> = row.get("priority");
    Publication {
        id: row.get("publication_id"),
        title: row.get("title"),
        state: row.get("state"),
        content_version: row.get("content_version"),
        channel_ids: ids(row, "channel_ids"),
        topic_ids: ids(row, "topic_ids"),
        segment_ids: ids(row, "segment_ids"),
        excluded_segment_ids: ids(row, "excluded_segment_ids"),
        priority: priority
            .filter(|priority| !priority.is_empty())
            .unwrap_or_else(|| "ordinary".to_owned()),
        created_at: row.get("created_at"),
        published_at: row.get("published_at"),
        completed_at: row
            .get::<_, Option<OffsetDateTime>>("completed_at")
            .filter(|_| row.get::<_, Option<bool>>("is_over") == Some(true)),
        cancelled_at: row.get("cancelled_at"),
        cancel_reason: row.get("cancel_reason"),
        schedule: schedule(row),
        missed_reason: reason(row, "missed_reason"),
        paused_reason: reason(row, "paused_reason"),
        explanation: None,
        // A cancellation ends retries too.
        retrying: row.get::<_, i32>("retries") > 0
            && row
                .get::<_, Option<OffsetDateTime>>("cancelled_at")
                .is_none(),
        subscribers: row.get("subscribers"),
        deliveries: row.get("deliveries"),
        planned: row.get("planned"),
        not_planned: row.get("not_planned"),
        version: row.get("version"),
        created_position: row.get("created_position"),
        position: row.get("position"),
    }
}

fn ids(row: &Row, column: &str) -> Vec<Uuid> {
    let ids: Option<serde_json::Value> = row.get(column);
    ids.and_then(|ids| serde_json::from_value(ids).ok())
        .unwrap_or_default()
}

/// Empty: it holds no longer.
fn reason(row: &Row, column: &str) -> Option<String> {
    let reason: Option<String> = row.get(column);
    reason.filter(|reason| !reason.is_empty())
}

/// It is of no interest any more once it has served.
fn schedule(row: &Row) -> Option<Schedule> {
    if row.get::<_, Option<&str>>("state") != Some("scheduled") {
        return None;
    }
    Some(Schedule {
        local_time: row.get::<_, Option<String>>("local_time")?,
        zone: row.get::<_, Option<String>>("zone")?,
        at: row.get::<_, Option<OffsetDateTime>>("scheduled_at")?,
    })
}
