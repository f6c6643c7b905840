//! How and when readers want to get what they get, as the views have it.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use tidings_domain::preferences::Preferences;
use tidings_domain::subscriber::Choices;
use tidings_event_store::{Log, ReadError};
use uuid::Uuid;

/// Of these subscribers: of those who said something.
pub(crate) async fn of(
    log: &Log,
    subscribers: &[Uuid],
) -> Result<HashMap<Uuid, Preferences>, ReadError> {
    if subscribers.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = "select subscriber_id, preferences from publishing_subscriber_profile \
               where subscriber_id = any($1) and preferences is not null";
    let rows = log.query(sql, &[&subscribers]).await?;
    let read = rows.iter().filter_map(|row| {
        let preferences = Preferences::recorded_value(&row.get::<_, Value>(1))?;
        Some((row.get(0), preferences))
    });
    Ok(read.collect())
}

/// What somebody left or asked for one by one; each a JSON object of ids, with whether it is wanted, or left.
pub(crate) fn choices(topics: Option<Value>, left_channels: Option<Value>) -> Choices {
    let channels = ids(left_channels).into_iter();
    let left = channels.filter(|(_, left)| *left).map(|(id, _)| id);
    Choices::new(ids(topics), left.collect())
}

fn ids(object: Option<Value>) -> BTreeMap<Uuid, bool> {
    object
        .and_then(|object| serde_json::from_value(object).ok())
        .unwrap_or_default()
}
