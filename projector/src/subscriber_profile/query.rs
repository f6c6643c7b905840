//! Reads subscribers.

use serde::Serialize;
use tidings_service::Problem;
use time::OffsetDateTime;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use super::record;
use crate::reader::Reader;

/// A subscriber.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Subscriber {
    /// Their id.
    pub id: Uuid,
    /// Their address; null once erased.
    #[schema(example = "ada@example.com")]
    pub email: Option<String>,
    /// Their name; null when not given or erased.
    #[schema(example = "Ada")]
    pub name: Option<String>,
    /// Their attributes by key: texts, numbers, true or false, `{"date": "2026-03-01"}`, or `{"number": "0.1"}` where a JSON
    /// number would lose digits; null when never given or erased.
    #[schema(value_type = Option<Object>)]
    pub attributes: Option<serde_json::Value>,
    /// Their tags.
    #[schema(example = json!(["early_bird"]))]
    pub tags: Vec<String>,
    /// active, pending (mail waits for a confirmation), unsubscribed or erased.
    #[schema(example = "active")]
    pub state: String,
    /// Whether nothing may be sent to their address, or its whole domain.
    pub suppressed: bool,
    /// How consent came: api, import or form.
    #[schema(example = "api")]
    pub source: String,
    /// When they signed up.
    #[serde(with = "time::serde::rfc3339")]
    pub signed_up_at: OffsetDateTime,
    /// When they left; null unless unsubscribed.
    #[serde(with = "time::serde::rfc3339::option")]
    pub unsubscribed_at: Option<OffsetDateTime>,
    /// When their erasure was requested; null unless erased.
    #[serde(with = "time::serde::rfc3339::option")]
    pub erasure_requested_at: Option<OffsetDateTime>,
    /// When it was done: their data are destroyed. Null before.
    #[serde(with = "time::serde::rfc3339::option")]
    pub erased_at: Option<OffsetDateTime>,
    /// Their version.
    pub version: i32,
    /// The version of their record: name, attributes and tags as changed since they signed up; 0: they never were.
    pub record_version: i32,
}

const SELECT: &str = "select s.subscriber_id, s.email, s.name, s.attributes, s.tags, s.state, s.source, s.signed_up_at, \
     s.unsubscribed_at, s.erasure_requested_at, s.erased_at, s.version, s.record_version, exists ( \
         select from publishing_suppression_list l where l.suppressed \
         and l.suppression_id in (s.address_suppression_id, s.domain_suppression_id) \
     ) as suppressed \
     from publishing_subscriber_profile s where s.subscriber_id = $1 and s.signed_up_at is not null";

/// One subscriber.
pub(crate) async fn get(reader: &Reader, id: Uuid) -> Result<Option<Subscriber>, Problem> {
    Ok(reader.rows(SELECT, &[&id]).await?.first().map(subscriber))
}

fn subscriber(row: &Row) -> Subscriber {
    Subscriber {
        id: row.get("subscriber_id"),
        email: row.get("email"),
        name: row.get("name"),
        attributes: record::shown_attributes(
            row.get::<_, Option<serde_json::Value>>("attributes")
                .as_ref(),
        ),
        tags: record::shown_tags(row.get::<_, Option<serde_json::Value>>("tags").as_ref()),
        state: row.get("state"),
        suppressed: row.get("suppressed"),
        source: row.get("source"),
        signed_up_at: row.get("signed_up_at"),
        unsubscribed_at: row.get("unsubscribed_at"),
        erasure_requested_at: row.get("erasure_requested_at"),
        erased_at: row.get("erased_at"),
        version: row.get("version"),
        record_version: row.get::<_, Option<i32>>("record_version").unwrap_or(0),
    }
}
