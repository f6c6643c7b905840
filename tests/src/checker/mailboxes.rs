//! Which suppression stream is that of a mailbox: it stands in the clear in whatever the log says of where a reader's mail goes,
//! also of an address they have given up, and of somebody who was erased.

use tidings_domain::id::IdKey;
use tidings_domain::stream_id;
use tidings_domain::value::EmailAddress;
use tidings_event_store::Recorded;
use tidings_event_store::vault::Vault;
use tidings_service::Clock;
use uuid::Uuid;

/// Tells it for every mailbox.
pub(super) struct Mailboxes(Option<IdKey>);

impl Mailboxes {
    /// Of the installation whose log this is.
    pub(super) async fn of(vault: &Vault, events: &[Recorded]) -> Self {
        // Without readers there may be no key yet, and a checker makes none.
        let any = |event: &Recorded| event.event_type == "subscriber.SignedUp";
        Self(match events.iter().any(any) {
            true => Some(vault.id_key(Clock::system().now()).await.unwrap()),
            false => None,
        })
    }

    /// Those of an installation with this key.
    #[cfg(test)]
    pub(super) fn with(key: IdKey) -> Self {
        Self(Some(key))
    }

    /// The stream of an address's suppression.
    pub(super) fn stream_of(&self, address: &str) -> Option<Uuid> {
        let address = EmailAddress::parse(address).unwrap();
        let key = self.0.as_ref()?;
        Some(stream_id::address_suppression(key, &address))
    }
}
