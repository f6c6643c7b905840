//! One chunk of a file: everybody in it is signed up, each in a commit of their own, all at once.

use futures_util::future::join_all;
use tidings_domain::address::Address;
use tidings_domain::stream_id;
use tidings_domain::subscriber::{Source, Subscriber};
use tidings_domain::subscriber_import::Rejected;
use tidings_domain::value::{Attributes, Code, DisplayName, EmailAddress};
use tidings_event_store::{Context, Loaded};

use super::{ImportError, ImportWorker, Started};
use crate::imports::file::{Row, Said};
use crate::subscribers::{Outcome, Registration};

/// What became of a chunk's records.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) accepted: u64,
    pub(super) existing: u64,
    pub(super) rejected: Vec<Rejected>,
}

/// One record that names somebody, with what is on record of them.
struct Job {
    context: Context,
    registration: Registration,
    subscriber: Loaded<Subscriber>,
    address: Loaded<Address>,
}

/// Signs everybody up. Run again, it finds the same people accepted that it accepted before.
pub(super) async fn sign_up(
    worker: &ImportWorker,
    started: &Started,
    rows: Vec<Row>,
) -> Result<Tally, ImportError> {
    let mut tally = Tally::default();
    let mut registrations = Vec::with_capacity(rows.len());
    for row in rows {
        match row.said {
            Said::Nothing { reason, record } => {
                tally
                    .rejected
                    .push(rejected(row.line, &reason, record.as_deref()));
            }
            Said::Person {
                email,
                name,
                attributes,
            } => {
                match registration(
                    worker,
                    started,
                    &email,
                    name.as_deref(),
                    attributes.as_deref(),
                ) {
                    Some(registration) => registrations.push(registration),
                    // Written by a version with other rules.
                    None => tally
                        .rejected
                        .push(rejected(row.line, "invalid_record", None)),
                }
            }
        }
    }
    let jobs = jobs(worker, started, registrations).await?;
    // All at once, so that the log commits them together.
    let (store, id_key) = (&worker.store, &worker.id_key);
    let outcomes = join_all(jobs.into_iter().map(|job| async move {
        job.registration
            .carry_out_on(store, id_key, &job.context, job.subscriber, job.address)
            .await
    }));
    for outcome in outcomes.await {
        match outcome? {
            Outcome::SignedUp(_) | Outcome::Repeated(_) => tally.accepted += 1,
            Outcome::Taken => tally.existing += 1,
        }
    }
    Ok(tally)
}

fn rejected(line: u64, reason: &str, record: Option<&str>) -> Rejected {
    let reason = Code::parse(reason).unwrap_or_else(|_| Code::from_static("invalid_record"));
    Rejected::new(line, reason, record)
}

fn registration(
    worker: &ImportWorker,
    started: &Started,
    email: &str,
    name: Option<&str>,
    attributes: Option<&str>,
) -> Option<Registration> {
    let email = EmailAddress::parse(email).ok()?;
    let address_id = stream_id::address(&worker.id_key, &email);
    Some(Registration {
        id: stream_id::imported_subscriber(
            started.event.recorded_at,
            started.import.id,
            address_id,
        ),
        name: name.map(DisplayName::parse).transpose().ok()?,
        attributes: attributes.map(Attributes::parse_text).transpose().ok()?,
        source: Source::Import,
        import_id: Some(started.import.id),
        email,
        address_id,
    })
}

/// Loads what is on record of everybody, and makes the keys of those who are new, in a few round trips.
async fn jobs(
    worker: &ImportWorker,
    started: &Started,
    registrations: Vec<Registration>,
) -> Result<Vec<Job>, ImportError> {
    let ids: Vec<_> = registrations
        .iter()
        .map(|registration| registration.id)
        .collect();
    let address_ids: Vec<_> = registrations
        .iter()
        .map(|registration| registration.address_id)
        .collect();
    let subscribers = worker.store.load_many::<Subscriber>(&ids).await?;
    let addresses = worker.store.load_many::<Address>(&address_ids).await?;
    let jobs: Vec<Job> = registrations
        .into_iter()
        .zip(subscribers.into_iter().zip(addresses))
        .map(|(registration, (subscriber, address))| Job {
            context: worker.context(
                started,
                "subscriber_import.sign_up",
                registration.address_id.as_bytes(),
            ),
            registration,
            subscriber,
            address,
        })
        .collect();
    let new: Vec<_> = jobs
        .iter()
        .filter(|job| job.subscriber.version == 0 && job.address.state.holder().is_none())
        .map(|job| job.registration.id)
        .collect();
    worker
        .store
        .vault()
        .ensure(&new, worker.clock.now())
        .await?;
    Ok(jobs)
}
