//! What an erasure does to the addresses somebody had, in the commit of whoever asks for it or carries it out.

use tidings_domain::address::Address;
use tidings_domain::erasure::{forget, give_up};
use tidings_domain::subscriber::Profile;
use tidings_domain::suppression::Suppression;
use uuid::Uuid;

use crate::store::{Draft, LoadError, Store};

/// Lets a commit release the address that somebody has, and suppress it and those they had before, for the reason `erased`:
/// no file brings them back by any of them. Addresses that others have by now are left alone.
///
/// # Errors
/// When a stream cannot be read.
pub async fn give_up_addresses(
    store: &Store,
    draft: &mut Draft<'_>,
    subscriber_id: Uuid,
    profile: &Profile,
) -> Result<(), LoadError> {
    let address = store.load::<Address>(profile.address_id).await?;
    let suppression = store.load::<Suppression>(profile.address_suppression_id);
    let suppression = suppression.await?;
    let (released, added) = give_up(subscriber_id, &address.state, &suppression.state);
    if !released.is_empty() {
        draft.append(address, released);
        draft.append(suppression, added);
    }
    let mut seen = vec![profile.address_id];
    for former in &profile.former {
        if seen.contains(&former.address_id) {
            continue;
        }
        seen.push(former.address_id);
        let address = store.load::<Address>(former.address_id).await?;
        let suppression = store.load::<Suppression>(former.address_suppression_id);
        let suppression = suppression.await?;
        let added = forget(&address.state, &suppression.state);
        if !added.is_empty() {
            // Whoever claims it meanwhile is not suppressed.
            draft.guard(address.id, address.version);
            draft.append(suppression, added);
        }
    }
    Ok(())
}
