//! By which channel the platform itself writes to subscribers.

use tidings_event_store::{Log, ReadError};
use uuid::Uuid;

use crate::channels::addressed_kinds;

/// The channel named, or the first by id that is enabled, if it has single receivers; as the view has it: of those whose circuit is
/// closed, if there is one. Where whoever is written to wants nothing by the named one, it is that first one too, of those
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
    let sql = "select channel_id from publishing_channel_list \
               where kind = any($1) and channel_id <> all($3) and (channel_id = $2 or $2 is null and enabled) \
               order by coalesce(circuit, 'closed') <> 'closed', channel_id limit 1";
    let found = log.ids(sql, &[&kinds, &named, &left]).await?;
    Ok(found.first().copied())
}
