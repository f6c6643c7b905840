//! Opens what rejected lines say, and what columns are called. They quote addresses, so no view holds them: they are read
//! from the import's stream, sealed under its key.

use std::collections::{BTreeMap, HashMap, HashSet};

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
    /// Of how many records it was said that they must get no mail.
    pub(crate) suppressed: BTreeMap<Said, i64>,
}

/// What was said of records that must get no mail.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Said {
    /// By which column, if it was one in particular.
    pub(crate) column: Option<String>,
    /// For what they were suppressed.
    pub(crate) reason: String,
    /// That they had not agreed, or not yet; otherwise that they had left, or that their address was refused.
    pub(crate) unconfirmed: bool,
}

/// A rejected line.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// The record as received.
    pub(crate) record: Option<String>,
    /// What the header calls the column at fault.
    pub(crate) column: Option<String>,
}

/// Events that are read at once: each may be large.
const PAGE: i64 = 16;
const ERASED: &str = "(erased)";

/// What these lines say, and the whole of what was suppressed.
pub(crate) async fn open(
    store: &Store,
    import_id: Uuid,
    lines: &HashSet<i64>,
) -> Result<Opened, Problem> {
    let mut opened = Opened::default();
    let mut version = 0;
    loop {
        let events = store.log().stream_after(import_id, version, PAGE).await;
        let events = events.map_err(|error| unreadable(&error))?;
        let Some(last) = events.last() else {
            return Ok(opened);
        };
        version = last.version;
        let ring = store.keys_of(&events).await;
        let ring = ring.map_err(|error| no_keys(&error))?;
        for event in &events {
            of_event(event, &ring, lines, &mut opened)?;
        }
    }
}

fn of_event(
    event: &Recorded,
    ring: &KeyRing,
    lines: &HashSet<i64>,
    opened: &mut Opened,
) -> Result<(), Problem> {
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
    let rejected = chunk.rejected.iter().enumerate();
    for (n, rejected) in rejected.filter(|(_, it)| lines.contains(&it.line)) {
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
        let erased = || it.column.as_ref().map(|_| ERASED.to_owned());
        let said = Said {
            column: column.or_else(erased),
            reason: it.reason.clone(),
            unconfirmed: it.unconfirmed,
        };
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
