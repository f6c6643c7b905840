//! The sealed values of any event, opened as far as their keys exist.

use tidings_event_store::vault::EventOpener;
use tidings_event_store::view::Open as _;
use tidings_event_store::{Recorded, Store};
use tidings_service::Problem;

use crate::reader::no_keys;

/// A sealed value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    /// Opened.
    Known(String),
    /// Its key was destroyed.
    Erased,
}

/// For each event its sealed fields by path (`email`, `rejected[3].record`), in the order of the contract. An event that
/// this build does not know has none.
///
/// # Errors
/// When keys cannot be had, or a value is not what was sealed for its place.
pub(crate) async fn open(
    store: &Store,
    events: &[Recorded],
) -> Result<Vec<Vec<(String, Words)>>, Problem> {
    let ring = store.keys_of(events).await;
    let ring = ring.map_err(|error| no_keys(&error))?;
    let open = |event: &Recorded| {
        let opener = EventOpener::new(&ring, event.stream_id, event.event_id, &event.event_type);
        let sealed = tidings_proto::sealed(&event.event_type, &event.payload);
        let fields = sealed
            .unwrap_or_default()
            .into_iter()
            .map(|(path, sealed)| {
                let opened = opener.open(&path, &sealed);
                let opened = opened.map_err(|error| Problem::internal(&error))?;
                let words = opened.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                Ok((path, words.map_or(Words::Erased, Words::Known)))
            });
        fields.collect::<Result<Vec<_>, Problem>>()
    };
    events.iter().map(open).collect()
}
