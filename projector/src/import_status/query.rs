//! Reads imports.

use tidings_service::Problem;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::reader::Reader;

/// An import's row.
pub(super) struct Import {
    pub(super) lines: i64,
    pub(super) through: i64,
    pub(super) accepted: i64,
    pub(super) existing: i64,
    pub(super) suppressed: i64,
    pub(super) rejected: i64,
    pub(super) state: String,
    pub(super) started_at: OffsetDateTime,
    pub(super) completed_at: Option<OffsetDateTime>,
    pub(super) version: i32,
}

const SELECT: &str = "select lines, through, accepted, existing, suppressed, rejected, state, started_at, completed_at, version \
     from publishing_import_status where import_id = $1 and started_at is not null";

/// One import.
pub(super) async fn get(reader: &Reader, id: Uuid) -> Result<Option<Import>, Problem> {
    let rows = reader.rows(SELECT, &[&id]).await?;
    Ok(rows.first().map(|row| Import {
        lines: row.get("lines"),
        through: row.get("through"),
        accepted: row.get("accepted"),
        existing: row.get("existing"),
        suppressed: row.get("suppressed"),
        rejected: row.get("rejected"),
        state: row.get("state"),
        started_at: row.get("started_at"),
        completed_at: row.get("completed_at"),
        version: row.get("version"),
    }))
}
