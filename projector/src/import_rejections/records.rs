//! Opens what rejected lines say, and what columns are called. They quote addresses, so no view holds them: they are read
//! from the import's stream, sealed under its key.

use std::collections::{BTreeMap, HashMap};

use tidings_event_store::vault::EventOpener;
use tidings_event_store::vault::KeyRing;
use tidings_event_store::view::{Open as _, Personal};
use tidings_event_store::{Recorded, Store};
use tidings_proto::Event;
use tidings_proto::common::Sealed;
use tidings_service::Problem;
use uuid::Uuid;

use crate::reader::{no_keys, unreadable};

/// What an import's stream holds and no view does.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    /// What rejected lines say by their number; one of which nothing is kept, or was erased, is absent.
    pub(crate) lines: HashMap<i64, Line>,
    /// Of how many records a column, if it was one in particular, said that they must get no mail, and for what they were
    /// suppressed.
    pub(crate) suppressed: BTreeMap<(Option<String>, String), i64>,
}

/// A rejected line.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// The record as received.
    pub(crate) record: Option<String>,
    /// What the header calls the column at fault.
    pub(crate) column: Option<String>,
}

/// All of it.
pub(crate) async fn open(store: &Store, import_id: Uuid) -> Result<Opened, Problem> {
    let events = store
        .log()
        .stream(import_id)
        .await
        .map_err(|error| unreadable(&error))?;
    let ring = store
        .keys_of(&events)
        .await
        .map_err(|error| no_keys(&error))?;
    let mut opened = Opened::default();
    for event in &events {
        of_event(event, &ring, &mut opened)?;
    }
    Ok(opened)
}

fn of_event(event: &Recorded, ring: &KeyRing, opened: &mut Opened) -> Result<(), Problem> {
    let decoded = event.decode().map_err(|error| Problem::internal(&error))?;
    let Event::SubscriberImportAdvanced(chunk) = decoded else {
        return Ok(());
    };
    let opener = EventOpener::new(ring, event.stream_id, event.event_id, &event.event_type);
    let text = |field: String, sealed: &Option<Sealed>| {
        let text = opener.open_optional_text(&field, sealed.as_ref());
        text.map_err(|error| Problem::internal(&error))
            .map(|text| text.and_then(known))
    };
    for (n, rejected) in chunk.rejected.iter().enumerate() {
        let line = Line {
            record: text(format!("rejected[{n}].record"), &rejected.record)?,
            column: text(format!("rejected[{n}].column"), &rejected.column)?,
        };
        if line.record.is_some() || line.column.is_some() {
            opened.lines.insert(rejected.line, line);
        }
    }
    for (n, it) in chunk.suppressed_for.iter().enumerate() {
        let column = text(format!("suppressed_for[{n}].column"), &it.column)?;
        let said = (column, it.reason.clone());
        *opened.suppressed.entry(said).or_default() += it.records;
    }
    Ok(())
}

fn known(text: Personal<String>) -> Option<String> {
    match text {
        Personal::Known(text) => Some(text),
        Personal::Erased => None,
    }
}
