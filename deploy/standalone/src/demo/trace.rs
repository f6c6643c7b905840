//! One event's way through every room, told from the log, JetStream and the views.

use serde_json::Value;
use tidings_event_store::Recorded;
use uuid::Uuid;

use super::{DemoError, Stage};
use crate::cli::Api;

/// The way of one delivery of a publication, one line a step; empty if it has none.
pub(super) async fn way_of_one(
    stage: &Stage<'_>,
    api: &Api,
    publication_id: &str,
) -> Result<Vec<String>, DemoError> {
    let path = format!("/api/v1/publications/{publication_id}/deliveries?limit=1");
    let deliveries = api.get(&path).await?;
    let first = &deliveries.body["items"][0];
    let ids = Uuid::try_parse(publication_id).ok().zip(id_of(first));
    let Some((publication_id, delivery_id)) = ids else {
        return Ok(Vec::new());
    };
    let log = stage.platform.core().store.log();
    let publication = log.stream(publication_id).await?;
    let delivery = log.stream(delivery_id).await?;
    let mut lines = Vec::new();
    for event in publication.iter().chain(&delivery) {
        let mut line = format!("position {:>6}  {}", event.position, event.event_type);
        if event.event_type == "publication.Published" {
            line.push_str(&in_stream(stage, event).await);
        }
        if event.event_type == "delivery.Planned" {
            line.push_str(&format!("  delivery {delivery_id}"));
        }
        lines.push(line);
    }
    lines.sort_unstable();
    let class = first["class"].as_str().unwrap_or("unknown");
    lines.push(format!("view delivery_log: {class}"));
    Ok(lines)
}

fn id_of(delivery: &Value) -> Option<Uuid> {
    let id = delivery["id"].as_str().or(delivery["delivery_id"].as_str());
    Uuid::try_parse(id?).ok()
}

/// What JetStream holds at the sequence that is the event's position.
async fn in_stream(stage: &Stage<'_>, event: &Recorded) -> String {
    let (client, name) = stage.platform.stream();
    let jetstream = async_nats::jetstream::new(client.clone());
    let sequence = event.position.unsigned_abs();
    let message = match jetstream.get_stream(&name.stream).await {
        Ok(stream) => stream.get_raw_message(sequence).await.ok(),
        Err(_) => None,
    };
    match message {
        Some(message) => format!("  = JetStream sequence {sequence}, {}", message.subject),
        None => "  (no longer in JetStream)".to_owned(),
    }
}
