//! Reads channels.

use serde::Serialize;
use tidings_service::Problem;
use time::OffsetDateTime;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::reader::Reader;

/// A way out of the house. Its credentials are never shown.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Channel {
    /// Its id.
    pub id: Uuid,
    /// email, ses, slack, discord, webhook or file.
    #[schema(example = "email")]
    pub kind: String,
    /// What people call it.
    #[schema(example = "Newsletter")]
    pub name: String,
    /// The kind's public settings.
    #[schema(value_type = Object)]
    pub settings: serde_json::Value,
    /// Whether credentials are on record.
    pub has_credentials: bool,
    /// Whether anything goes out.
    pub enabled: bool,
    /// Why not.
    pub disabled_reason: Option<String>,
    /// Whether anything gets through: closed (it does), open (deliveries wait) or probing (one attempt is finding
    /// out).
    #[schema(example = "closed")]
    pub circuit: String,
    /// What opened it: a code.
    pub circuit_reason: Option<String>,
    /// When it came to be so.
    #[serde(with = "time::serde::rfc3339::option")]
    pub circuit_since: Option<OffsetDateTime>,
    /// When one attempt finds out whether it works again, or has to be done with it.
    #[serde(with = "time::serde::rfc3339::option")]
    pub probe_at: Option<OffsetDateTime>,
    /// Its version.
    pub version: i32,
}

const SELECT: &str = "select channel_id, kind, name, settings, has_credentials, enabled, disabled_reason, circuit, \
     circuit_reason, circuit_since, probe_at, version from publishing_channel_list where kind is not null";

/// One channel.
pub(super) async fn get(reader: &Reader, id: Uuid) -> Result<Option<Channel>, Problem> {
    let rows = reader
        .rows(&format!("{SELECT} and channel_id = $1"), &[&id])
        .await?;
    Ok(rows.first().map(channel))
}

/// Up to `limit` channels behind an id, in order.
pub(super) async fn list(
    reader: &Reader,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Channel>, Problem> {
    let sql = format!("{SELECT} and channel_id > $1 order by channel_id limit $2");
    let rows = reader
        .rows(&sql, &[&after.unwrap_or(Uuid::nil()), &limit])
        .await?;
    Ok(rows.iter().map(channel).collect())
}

/// Those of these kinds that take messages, by name.
///
/// # Errors
/// 503 when the view can not be read.
pub async fn enabled(reader: &Reader, kinds: &[&str]) -> Result<Vec<Channel>, Problem> {
    let sql = format!("{SELECT} and enabled and kind = any($1) order by name, channel_id");
    let rows = reader.rows(&sql, &[&kinds]).await?;
    Ok(rows.iter().map(channel).collect())
}

fn channel(row: &Row) -> Channel {
    Channel {
        id: row.get("channel_id"),
        kind: row.get("kind"),
        name: row.get("name"),
        settings: row.get("settings"),
        has_credentials: row.get("has_credentials"),
        enabled: row.get("enabled"),
        disabled_reason: row.get("disabled_reason"),
        circuit: row.get::<_, Option<String>>("circuit").unwrap_or_default(),
        circuit_reason: row
            .get::<_, Option<String>>("circuit_reason")
            .filter(|reason| !reason.is_empty()),
        circuit_since: row.get("circuit_since"),
        probe_at: row.get("probe_at"),
        version: row.get("version"),
    }
}
