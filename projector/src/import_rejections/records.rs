//! Opens what rejected lines say. They quote addresses, so no view holds them: they are read from the
//! import's stream, sealed under its key.

use std::collections::HashMap;

use tidings_event_store::vault::EventOpener;
use tidings_event_store::vault::KeyRing;
use tidings_event_store::view::{Open as _, Personal};
use tidings_event_store::{Recorded, Store};
use tidings_proto::Event;
use tidings_service::Problem;
use uuid::Uuid;

use crate::reader::{no_keys, unreadable};

/// The records of rejected lines by line number; a line without a record, or with an erased one, is absent.
pub(crate) async fn open(store: &Store, import_id: Uuid) -> Result<HashMap<i64, String>, Problem> {
    let events = store
        .log()
        .stream(import_id)
        .await
        .map_err(|error| unreadable(&error))?;
    let ring = store
        .keys_of(&events)
        .await
        .map_err(|error| no_keys(&error))?;
    let mut records = HashMap::new();
    for event in &events {
        of_event(event, &ring, &mut records)?;
    }
    Ok(records)
}

fn of_event(
    event: &Recorded,
    ring: &KeyRing,
    records: &mut HashMap<i64, String>,
) -> Result<(), Problem> {
    let decoded = event.decode().map_err(|error| Problem::internal(&error))?;
    let Event::SubscriberImportAdvanced(chunk) = decoded else {
        return Ok(());
    };
    let opener = EventOpener::new(ring, event.stream_id, event.event_id, &event.event_type);
    for (n, rejected) in chunk.rejected.iter().enumerate() {
        let field = format!("rejected[{n}].record");
        let opened = opener
            .open_optional_text(&field, rejected.record.as_ref())
            .map_err(|error| Problem::internal(&error))?;
        if let Some(Personal::Known(record)) = opened {
            records.insert(rejected.line, record);
        }
    }
    Ok(())
}
