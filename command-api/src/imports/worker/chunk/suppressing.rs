//! Those in a file who must get no mail: their addresses are suppressed, whether they are subscribers or not.

use futures_util::future::join_all;
use tidings_domain::stream_id;
use tidings_domain::suppression::{Command, Reason, Scope, Suppression};
use tidings_domain::value::EmailAddress;
use tidings_event_store::ExecuteError;
use uuid::Uuid;

use crate::imports::worker::{ImportError, ImportWorker, Started};

/// Somebody who must get no mail.
pub(super) struct Unwanted {
    suppression_id: Uuid,
    reason: Reason,
}

/// `None`: it is no address or no reason.
pub(super) fn unwanted(worker: &ImportWorker, email: &str, reason: &str) -> Option<Unwanted> {
    let email = EmailAddress::parse(email).ok()?;
    Some(Unwanted {
        suppression_id: stream_id::address_suppression(&worker.id_key, &email),
        reason: Reason::parse(reason).ok()?,
    })
}

/// Suppresses them all, each in a commit of their own, all at once. Run again, it finds them suppressed.
pub(super) async fn carry_out(
    worker: &ImportWorker,
    started: &Started,
    unwanted: Vec<Unwanted>,
) -> Result<(), ImportError> {
    let ids: Vec<Uuid> = unwanted.iter().map(|it| it.suppression_id).collect();
    let vault = worker.store.vault();
    vault.ensure(&ids, worker.clock.now()).await?;
    let outcomes = join_all(unwanted.into_iter().map(|it| async move {
        let part = [it.suppression_id.as_bytes(), it.reason.as_str().as_bytes()].concat();
        let context = worker.context(started, "subscriber_import.suppress", &part);
        let command = || Command::Add {
            scope: Scope::Address,
            reason: it.reason,
            delivery_id: None,
            // Nothing stays of an address but its keyed hash: whoever is erased must be so here too.
            value: None,
        };
        let store = &worker.store;
        store
            .execute::<Suppression>(it.suppression_id, &context, None, command)
            .await
    }));
    for outcome in outcomes.await {
        match outcome {
            Ok(_) => {}
            Err(ExecuteError::Load(error)) => return Err(error.into()),
            Err(ExecuteError::Commit(error)) => return Err(error.into()),
            Err(ExecuteError::Refused(never)) => match never {},
            // No version is asked for, so this can only mean that the stream moved on.
            Err(ExecuteError::Precondition { .. }) => {
                return Err(tidings_event_store::CommitError::Unknown.into());
            }
        }
    }
    Ok(())
}
