//! Reads rejected lines.

use tidings_service::Problem;
use uuid::Uuid;

use crate::reader::Reader;

/// A rejected line: its number and why.
pub(crate) struct Rejection {
    pub(crate) line: i64,
    pub(crate) reason: String,
}

const SELECT: &str = "select line, reason from publishing_import_rejections \
     where import_id = $1 and line > $2 order by line limit $3";

/// Up to `limit` rejected lines of an import behind a line, in order.
pub(crate) async fn list(
    reader: &Reader,
    import_id: Uuid,
    after: Option<i64>,
    limit: i64,
) -> Result<Vec<Rejection>, Problem> {
    let rows = reader
        .rows(SELECT, &[&import_id, &after.unwrap_or(0), &limit])
        .await?;
    let rejection = |row: &tokio_postgres::Row| Rejection {
        line: row.get("line"),
        reason: row.get("reason"),
    };
    Ok(rows.iter().map(rejection).collect())
}
