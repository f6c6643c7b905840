//! Whether the log was restored since it was witnessed last.

use uuid::Uuid;

use crate::log::{Log, ReadError};

/// The log's incarnation; and, if it was restored since the witnessed one (none: there was none yet), the lowest position
/// up to which it is known to be the log that was witnessed. `None`: a restored log remembers what it was before, and this
/// one does not know the witnessed incarnation; it is another log.
pub(super) async fn since(
    log: &Log,
    witnessed: Option<Uuid>,
) -> Result<Option<(Uuid, Option<i64>)>, ReadError> {
    let sql = "select incarnation, parted_after from publishing_incarnations order by ordinal";
    let rows = log.query(sql, &[]).await?;
    let all: Vec<(Uuid, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let Some((incarnation, _)) = all.last() else {
        return Ok(None);
    };
    let Some(witnessed) = witnessed else {
        return Ok(Some((*incarnation, None)));
    };
    let known = all.iter().position(|(it, _)| *it == witnessed);
    let since = known.map(|at| &all[at + 1..]);
    let parted = since.map(|since| since.iter().map(|(_, parted)| *parted).min());
    Ok(parted.map(|parted| (*incarnation, parted)))
}
