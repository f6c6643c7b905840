//! Those in a file who must get no mail: their addresses are suppressed, whether they are subscribers or not.

use std::collections::{BTreeMap, HashSet};

use futures_util::future::join_all;
use tidings_domain::address::Address;
use tidings_domain::personal::Personal;
use tidings_domain::stream_id;
use tidings_domain::subscriber_import::SuppressedFor;
use tidings_domain::suppression::{Command, Reason, Scope, Suppression};
use tidings_domain::value::{Code, EmailAddress};
use tidings_event_store::ExecuteError;
use uuid::Uuid;

use crate::imports::worker::{ImportError, ImportWorker, Started};

/// Somebody who must get no mail.
pub(super) struct Unwanted {
    address_id: Uuid,
    suppression_id: Uuid,
    reason: Reason,
    /// Nothing more is said than that they have yet to confirm elsewhere.
    unconfirmed: bool,
    /// What the header calls the column that says so.
    column: Option<String>,
}

impl Unwanted {
    /// The same, said by this column, which may say no more than that they have yet to confirm.
    pub(super) fn said_by(self, column: Option<String>, unconfirmed: bool) -> Self {
        Self {
            unconfirmed,
            column,
            ..self
        }
    }
}

/// `None`: it is no address or no reason.
pub(super) fn unwanted(worker: &ImportWorker, email: &str, reason: &str) -> Option<Unwanted> {
    let email = EmailAddress::parse(email).ok()?;
    Some(Unwanted {
        address_id: stream_id::address(&worker.id_key, &email),
        suppression_id: stream_id::address_suppression(&worker.id_key, &email),
        reason: Reason::parse(reason).ok()?,
        unconfirmed: false,
        column: None,
    })
}

/// Takes away those of whom nothing is said but that they have yet to confirm elsewhere, and who are here already: what they
/// said here counts. Who came by another line of this very file did not. Gives how many.
pub(super) async fn passed_over(
    worker: &ImportWorker,
    started: &Started,
    unwanted: &mut Vec<Unwanted>,
) -> Result<u64, ImportError> {
    let unconfirmed = unwanted.iter().filter(|it| it.unconfirmed);
    let ids: Vec<Uuid> = unconfirmed.map(|it| it.address_id).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    let (received, import_id) = (started.event.recorded_at, started.import.id);
    let addresses = worker.store.load_many::<Address>(&ids).await?;
    let here = addresses.iter().filter(|address| {
        let by_this_file = stream_id::imported_subscriber(received, import_id, address.id);
        let holder = address.state.holder();
        holder.is_some_and(|it| it != by_this_file)
    });
    let here: HashSet<Uuid> = here.map(|address| address.id).collect();
    let before = unwanted.len();
    unwanted.retain(|it| !(it.unconfirmed && here.contains(&it.address_id)));
    Ok((before - unwanted.len()) as u64)
}

/// What says so of how many of them.
pub(super) fn said_by(unwanted: &[Unwanted]) -> Vec<SuppressedFor> {
    let mut records: BTreeMap<(Option<&str>, &'static str, bool), u64> = BTreeMap::new();
    for it in unwanted {
        let said = (it.column.as_deref(), it.reason.as_str(), it.unconfirmed);
        *records.entry(said).or_default() += 1;
    }
    let each = records.into_iter();
    each.map(|((column, reason, unconfirmed), records)| SuppressedFor {
        column: column.map(|name| Personal::Known(name.to_owned())),
        reason: Code::from_static(reason),
        records,
        unconfirmed,
    })
    .collect()
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
