//! Readers as those know them who brought them: whoever stands in a file that was worked off is signed up, once, and
//! nobody else is.

use std::collections::{HashMap, HashSet};

use tidings_event_store::Recorded;
use tidings_proto::Event;
use uuid::Uuid;

/// A file of readers that was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handed {
    /// Its import; `None`: nobody answered, so nobody knows whether there is one.
    pub import_id: Option<Uuid>,
    /// The addresses in it that mail can be sent to.
    pub addresses: Vec<String>,
}

/// Panics unless the subscribers of the log are those of the files. `addresses`: of each subscriber.
pub(super) fn are_those_of(
    files: &[Handed],
    events: &[Recorded],
    addresses: &HashMap<Uuid, String>,
) {
    let (mut signed_up, mut completed) = (HashSet::new(), HashSet::new());
    for event in events {
        match event.decode() {
            Ok(Event::SubscriberSignedUp(_)) => {
                let id = event.stream_id;
                let address = addresses.get(&id);
                let address = address.unwrap_or_else(|| panic!("reader {id} has no address"));
                let first = signed_up.insert(address.as_str());
                assert!(first, "{address} belongs to two readers");
            }
            Ok(Event::SubscriberImportCompleted(_)) => {
                completed.insert(event.stream_id);
            }
            _ => {}
        }
    }
    let handed: HashSet<&str> = files.iter().flat_map(lines).collect();
    let strangers: Vec<_> = signed_up.difference(&handed).collect();
    assert!(strangers.is_empty(), "nobody brought {strangers:?}");
    for file in files {
        if file.import_id.is_some_and(|id| completed.contains(&id)) {
            let missing: Vec<&str> = lines(file).filter(|it| !signed_up.contains(it)).collect();
            assert!(missing.is_empty(), "the import has lost {missing:?}");
        }
    }
}

fn lines(file: &Handed) -> impl Iterator<Item = &str> {
    file.addresses.iter().map(String::as_str)
}
