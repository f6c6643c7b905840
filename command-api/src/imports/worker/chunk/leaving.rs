//! Those whom this platform's own export says to have left, and who are here already: nobody knows whether they mean this
//! platform too, so nothing is sent to them until they say so.

use tidings_domain::address::Address;
use tidings_domain::subscriber::{Standing, Subscriber};
use tidings_domain::suppression::Reason;

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

/// Suppresses the addresses of those who have not left here. Run again, it finds them suppressed.
pub(super) async fn carry_out(
    worker: &ImportWorker,
    started: &Started,
    leavers: Vec<Registration>,
) -> Result<Left, ImportError> {
    let mut left = Left::default();
    let mut unwanted = Vec::new();
    for registration in leavers {
        let address = worker.store.load::<Address>(registration.address_id);
        let holder = match address.await?.state.holder() {
            Some(holder) => worker.store.load::<Subscriber>(holder).await?.state,
            None => Subscriber::Unknown,
        };
        if holder.standing() == Standing::Unsubscribed {
            left.existing += 1;
            continue;
        }
        let reason = Reason::Unsubscribed.as_str();
        unwanted.extend(suppressing::unwanted(
            worker,
            registration.email.as_str(),
            reason,
        ));
        left.suppressed += 1;
    }
    suppressing::carry_out(worker, started, unwanted).await?;
    Ok(left)
}
