//! Whom rejected records quote. What is kept has to be found when whoever it quotes is erased. So a record is not kept
//! that quotes a subscriber, by whichever address they had, or somebody who was erased, or of which nobody can tell.

use tidings_domain::address::Address;
use tidings_domain::personal::Personal;
use tidings_domain::stream_id;
use tidings_domain::subscriber_import::Rejected;
use tidings_domain::suppression::Suppression;
use tidings_domain::value::EmailAddress;
use tidings_event_store::LoadError;
use uuid::Uuid;

use crate::imports::worker::ImportWorker;

/// Fills in whom the records quote, and takes away those that must not be kept.
pub(super) async fn look_up(
    worker: &ImportWorker,
    rejected: &mut [Rejected],
) -> Result<(), LoadError> {
    let mut quoted: Vec<Vec<EmailAddress>> = Vec::with_capacity(rejected.len());
    for rejected in rejected.iter_mut() {
        let Some(addresses) = quoted_in(rejected) else {
            rejected.record = None;
            quoted.push(Vec::new());
            continue;
        };
        quoted.push(addresses);
    }
    let mut all: Vec<(Uuid, Uuid)> = quoted.iter().flatten().map(|it| ids(worker, it)).collect();
    all.sort_unstable();
    all.dedup();
    let (addresses, suppressions): (Vec<Uuid>, Vec<Uuid>) = all.into_iter().unzip();
    let addresses = worker.store.load_many::<Address>(&addresses).await?;
    let suppressions = worker.store.load_many::<Suppression>(&suppressions).await?;
    let on_record = addresses.iter().zip(&suppressions);
    let not_kept: Vec<Uuid> = on_record
        .filter(|(address, suppression)| {
            suppression.state.given_up().is_some() || address.state.holder().is_some()
        })
        .map(|(address, _)| address.id)
        .collect();
    for (rejected, quoted) in rejected.iter_mut().zip(quoted) {
        let quoted: Vec<Uuid> = quoted.iter().map(|it| ids(worker, it).0).collect();
        if quoted.iter().any(|address| not_kept.contains(address)) {
            rejected.record = None;
        } else {
            rejected.address_ids = quoted;
        }
    }
    Ok(())
}

/// `None`: it may speak of anybody.
fn quoted_in(rejected: &Rejected) -> Option<Vec<EmailAddress>> {
    match &rejected.record {
        Some(Personal::Known(record)) => EmailAddress::quoted_in(record),
        Some(Personal::Erased) | None => Some(Vec::new()),
    }
}

/// Its `address` stream and its suppression.
fn ids(worker: &ImportWorker, email: &EmailAddress) -> (Uuid, Uuid) {
    let key = &worker.id_key;
    (
        stream_id::address(key, email),
        stream_id::address_suppression(key, email),
    )
}
