//! Readers as those know them who brought them: whoever stands in a file that was worked off is signed up, once, and
//! nobody else is.

use std::collections::{HashMap, HashSet};

use tidings_event_store::Recorded;
use tidings_proto::Event;
use uuid::Uuid;

use super::deliveries::uuid;
use super::mailboxes::Mailboxes;

/// A file of readers that was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handed {
    /// Its import; `None`: nobody answered, so nobody knows whether there is one.
    pub import_id: Option<Uuid>,
    /// The addresses in it that mail can be sent to.
    pub addresses: Vec<String>,
}

/// Panics unless the subscribers of the log are those of the files: by the addresses that they signed up with.
pub(super) fn are_those_of(files: &[Handed], events: &[Recorded], mailboxes: &Mailboxes) {
    let (mut signed_up, mut completed) = (HashMap::new(), HashSet::new());
    for event in events {
        match event.decode() {
            Ok(Event::SubscriberSignedUp(it)) => {
                let address = uuid(&it.address_suppression_id);
                let before = signed_up.insert(address, event.stream_id);
                let id = event.stream_id;
                assert!(
                    before.is_none(),
                    "the address of {id} belongs to two readers"
                );
            }
            Ok(Event::SubscriberImportCompleted(_)) => {
                completed.insert(event.stream_id);
            }
            _ => {}
        }
    }
    if signed_up.is_empty() && completed.is_empty() {
        return;
    }
    let streams = |file: &Handed| -> Vec<Option<Uuid>> {
        let addresses = file.addresses.iter();
        addresses.map(|it| mailboxes.stream_of(it)).collect()
    };
    let handed: HashSet<Uuid> = files.iter().flat_map(streams).flatten().collect();
    let strangers = signed_up.iter().filter(|(it, _)| !handed.contains(it));
    let strangers: Vec<_> = strangers.map(|(_, reader)| reader).collect();
    assert!(strangers.is_empty(), "nobody brought {strangers:?}");
    for file in files {
        if file.import_id.is_some_and(|id| completed.contains(&id)) {
            let is_missing = |it: &Option<Uuid>| it.is_none_or(|it| !signed_up.contains_key(&it));
            let lines = file.addresses.iter().zip(streams(file));
            let missing: Vec<&String> = lines
                .filter(|(_, stream)| is_missing(stream))
                .map(|(address, _)| address)
                .collect();
            assert!(missing.is_empty(), "the import has lost {missing:?}");
        }
    }
}
