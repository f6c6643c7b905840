//! The sealed values of any event, opened as far as their keys exist.

use tidings_event_store::vault::EventOpener;
use tidings_event_store::view::Open as _;
use tidings_event_store::{Recorded, Store};
use tidings_proto::{EventMessage as _, engagement};
use tidings_service::Problem;
use uuid::Uuid;

use crate::reader::no_keys;

const ENGAGEMENT: &str = "engagement";
/// The id of a link: the one sealed value that is no text.
const LINK: &str = "link";

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
                let words = opened.map(|bytes| text(event, &path, &bytes));
                Ok((path, words.map_or(Words::Erased, Words::Known)))
            });
        fields.collect::<Result<Vec<_>, Problem>>()
    };
    events.iter().map(open).collect()
}

/// A value as people read it.
fn text(event: &Recorded, path: &str, bytes: &[u8]) -> String {
    match (event.event_type.as_str(), path) {
        (engagement::Clicked::TYPE, LINK) => {
            Uuid::from_slice(bytes).map_or_else(|_| lossy(bytes), |id| id.to_string())
        }
        // Filled up with spaces, so that its length does not tell what it is.
        _ if event.noun() == ENGAGEMENT => lossy(bytes).trim_end().to_owned(),
        _ => lossy(bytes),
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
