//! Those whom this platform's own export says to have left, and who are here already: nobody knows whether they mean this
//! platform too, so nothing is sent to them until they say so.

use tidings_domain::address::Address;
use tidings_domain::personal::Personal;
use tidings_domain::subscriber::{Standing, Subscriber};
use tidings_domain::subscriber_import::SuppressedFor;
use tidings_domain::suppression::Reason;
use tidings_domain::value::Code;
use uuid::Uuid;

use super::suppressing;
use crate::imports::worker::{ImportError, ImportWorker, Started};
use crate::subscribers::Registration;

/// What became of them.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// Their addresses are suppressed.
    pub(super) suppressed: u64,
    /// They had left here too.
    pub(super) existing: u64,
}

impl Left {
    /// What says so: the file's own words.
    pub(super) fn suppressed_for(&self) -> Option<SuppressedFor> {
        let it = SuppressedFor {
            column: Some(Personal::Known("status".to_owned())),
            reason: Code::from_static("unsubscribed"),
            records: self.suppressed,
            unconfirmed: false,
        };
        (self.suppressed > 0).then_some(it)
    }
}

/// Suppresses the addresses of those who have not left here. Run again, it finds them suppressed.
pub(super) async fn carry_out(
    worker: &ImportWorker,
    started: &Started,
    leavers: Vec<Registration>,
) -> Result<Left, ImportError> {
    let addresses: Vec<Uuid> = leavers.iter().map(|it| it.address_id).collect();
    let addresses = worker.store.load_many::<Address>(&addresses).await?;
    let holders: Vec<Uuid> = addresses
        .iter()
        .map(|address| address.state.holder().unwrap_or(Uuid::nil()))
        .collect();
    let holders = worker.store.load_many::<Subscriber>(&holders).await?;
    let mut left = Left::default();
    let mut unwanted = Vec::new();
    for (leaver, holder) in leavers.iter().zip(holders) {
        if holder.state.standing() == Standing::Unsubscribed {
            left.existing += 1;
            continue;
        }
        let reason = Reason::Unsubscribed.as_str();
        unwanted.extend(suppressing::unwanted(worker, leaver.email.as_str(), reason));
        left.suppressed += 1;
    }
    suppressing::carry_out(worker, started, unwanted).await?;
    Ok(left)
}
