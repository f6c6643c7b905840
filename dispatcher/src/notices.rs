//! By which channel the platform itself writes to subscribers.

use tidings_event_store::{Log, ReadError};
use uuid::Uuid;

use crate::channels::addressed_kinds;
use crate::working::working;

/// Events at the end of the log that are looked at for what works.
const LOOKED_AT: i64 = 1_000;

/// The channel named, or the first by id that is enabled, if it has single receivers; as the view has it: of those whose circuit is
/// closed, if there is one, and of these one by which something gets through. Where whoever is written to wants nothing by the named one, it is that first one too, of those
/// they have not `left`.
///
/// # Errors
/// When the view can not be read.
pub async fn channel(
    log: &Log,
    named: Option<Uuid>,
    left: &[Uuid],
) -> Result<Option<Uuid>, ReadError> {
    let named = named.filter(|id| !left.contains(id));
    let kinds = addressed_kinds();
    let sql = "select channel_id, coalesce(circuit, 'closed') <> 'closed' from publishing_channel_list \
               where kind = any($1) and channel_id <> all($3) and (channel_id = $2 or $2 is null and enabled) \
               order by channel_id";
    let rows = log.query(sql, &[&kinds, &named, &left]).await?;
    let found: Vec<(Uuid, bool)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    if let [] | [_] = found[..] {
        return Ok(found.first().map(|(channel_id, _)| *channel_id));
    }
    let ids: Vec<Uuid> = found.iter().map(|(channel_id, _)| *channel_id).collect();
    let mut failing = working(log, &ids, LOOKED_AT).await?;
    failing.retain(|it| it.failing.is_some());
    let fails = |channel_id| failing.iter().any(|it| it.channel_id == channel_id);
    let best = found
        .iter()
        .min_by_key(|(channel_id, is_open)| (*is_open, fails(*channel_id), *channel_id));
    Ok(best.map(|(channel_id, _)| *channel_id))
}
