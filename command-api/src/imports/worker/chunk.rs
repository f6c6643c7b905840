//! One chunk of a file: everybody in it is signed up, each in a commit of their own, all at once.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use tidings_domain::address::Address;
use tidings_domain::id::IdKey;
use tidings_domain::stream_id;
use tidings_domain::subscriber::{Source, Subscriber, What};
use tidings_domain::subscriber_import::{Rejected, SuppressedFor};
use tidings_domain::suppression::Suppression;
use tidings_domain::value::{Code, DisplayName, EmailAddress, Slug, Tag};
use tidings_event_store::{CommitError, Context};
use uuid::Uuid;

mod choosing;
mod leaving;
mod quoting;
mod suppressing;

use suppressing::Unwanted;

use super::{ImportError, ImportWorker, Started};
use crate::imports::file::{Row, Said};
use crate::imports::own::{self, Carried};
use crate::subscribers::{Brought, Noted, OnRecord, Outcome, Registration, RegistrationError};

/// What became of a chunk's records.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) accepted: u64,
    pub(super) existing: u64,
    pub(super) suppressed: u64,
    pub(super) rejected: Vec<Rejected>,
    pub(super) suppressed_for: Vec<SuppressedFor>,
}

/// One record that names somebody, with what is on record of them.
struct Job {
    line: u64,
    context: Context,
    registration: Registration,
    on_record: OnRecord,
}

/// Signs everybody up. Run again, it finds the same people accepted that it accepted before.
pub(super) async fn sign_up(
    worker: &ImportWorker,
    started: &Started,
    rows: Vec<Row>,
) -> Result<Tally, ImportError> {
    let mut tally = Tally::default();
    let Sorted {
        mut registrations,
        named,
        mut unwanted,
        mut against,
    } = sorted(worker, started, rows, &mut tally.rejected);
    tally.existing = suppressing::passed_over(worker, started, &mut unwanted).await?;
    tally.suppressed = unwanted.len() as u64;
    tally.suppressed_for = suppressing::said_by(&unwanted);
    // First: whoever is signed up by another line of the chunk gets no mail in between.
    unwanted.append(&mut against);
    suppressing::carry_out(worker, started, unwanted).await?;
    quoting::look_up(worker, &mut tally.rejected).await?;
    choosing::look_up(worker, &mut registrations, &named).await?;
    let jobs = jobs(worker, started, registrations).await?;
    // All at once, so that the log commits them together.
    let (store, id_key) = (&worker.store, &worker.id_key);
    let outcomes = join_all(jobs.into_iter().map(|job| async move {
        let outcome = job
            .registration
            .carry_out_on(store, id_key, &job.context, job.on_record)
            .await;
        (job.line, job.registration, outcome)
    }));
    let mut leavers = Vec::new();
    for (line, registration, outcome) in outcomes.await {
        match became(outcome)? {
            Became::Accepted => tally.accepted += 1,
            Became::Existing if registration.brought.has_left() => leavers.push(registration),
            Became::Existing => tally.existing += 1,
            Became::Rejected(why) => tally.rejected.push(rejected(line, why, None)),
        }
    }
    let left = leaving::carry_out(worker, started, leavers).await?;
    tally.suppressed += left.suppressed;
    tally.suppressed_for.extend(left.suppressed_for());
    tally.existing += left.existing;
    tally.rejected.sort_by_key(|rejected| rejected.line);
    Ok(tally)
}

/// A chunk's records by what they say.
#[derive(Default)]
struct Sorted {
    registrations: Vec<(u64, Registration)>,
    /// What each of these left, as far as it is named by its id.
    named: Vec<Vec<What>>,
    /// Who must get no mail.
    unwanted: Vec<Unwanted>,
    /// The same of those who are signed up all the same.
    against: Vec<Unwanted>,
}

fn sorted(
    worker: &ImportWorker,
    started: &Started,
    rows: Vec<Row>,
    rejections: &mut Vec<Rejected>,
) -> Sorted {
    let mut sorted = Sorted::default();
    for row in rows {
        match row.said {
            Said::Nothing {
                reason,
                record,
                column,
            } => {
                let it = rejected(row.line, &reason, record.as_deref());
                rejections.push(it.in_column(column.as_deref()));
            }
            Said::Unwanted {
                email,
                reason,
                unconfirmed,
                column,
            } => {
                let it = suppressing::unwanted(worker, &email, &reason);
                match it.map(|it| it.said_by(column, unconfirmed)) {
                    Some(it) => sorted.unwanted.push(it),
                    // Written by a version with other rules.
                    None => rejections.push(rejected(row.line, "invalid_record", None)),
                }
            }
            Said::Person {
                email,
                name,
                attributes,
                carried,
            } => {
                let carried = carried.unwrap_or_default();
                let reasons = carried.suppressed.iter();
                // They are signed up all the same, and get nothing.
                sorted
                    .against
                    .extend(reasons.filter_map(|it| suppressing::unwanted(worker, &email, it)));
                let known = (name.as_deref(), attributes.as_deref());
                match registration(worker, started, &email, known, &carried) {
                    Some(registration) => {
                        sorted.registrations.push((row.line, registration));
                        sorted.named.push(choosing::named(&carried));
                    }
                    // Written by a version with other rules.
                    None => rejections.push(rejected(row.line, "invalid_record", None)),
                }
            }
        }
    }
    sorted
}

/// What became of a record that names somebody.
#[derive(Debug, PartialEq, Eq)]
enum Became {
    Accepted,
    Existing,
    /// A stable code.
    Rejected(&'static str),
}

/// What can not be recorded never can: it must not keep the other records, and all who wait to be erased, waiting.
fn became(outcome: Result<Outcome, RegistrationError>) -> Result<Became, ImportError> {
    Ok(match outcome {
        Ok(Outcome::SignedUp(_) | Outcome::Repeated(_)) => Became::Accepted,
        Ok(Outcome::Taken) => Became::Existing,
        Ok(Outcome::GivenUp(why)) => Became::Rejected(why.as_str()),
        Ok(Outcome::TooMuch(_)) | Err(RegistrationError::Commit(CommitError::Invalid(_))) => {
            Became::Rejected("too_much")
        }
        Err(RegistrationError::Refused(_)) => Became::Rejected("invalid_record"),
        Err(error) => return Err(error.into()),
    })
}

fn rejected(line: u64, reason: &str, record: Option<&str>) -> Rejected {
    let reason = Code::parse(reason).unwrap_or_else(|_| Code::from_static("invalid_record"));
    Rejected::new(line, reason, record)
}

fn registration(
    worker: &ImportWorker,
    started: &Started,
    email: &str,
    (name, attributes): (Option<&str>, Option<&str>),
    carried: &Carried,
) -> Option<Registration> {
    let (attributes, noted) = own::attributes(attributes, carried.attributes.as_deref())?;
    let tags = carried.tags.iter().map(|tag| Tag::parse(tag).ok());
    let noted = Noted {
        attributes: noted,
        tags: tags.collect::<Option<_>>()?,
    };
    let email = EmailAddress::parse(email).ok()?;
    let address_id = stream_id::address(&worker.id_key, &email);
    Some(Registration {
        id: stream_id::imported_subscriber(
            started.event.recorded_at,
            started.import.id,
            address_id,
        ),
        name: name.map(DisplayName::parse).transpose().ok()?,
        attributes,
        noted,
        source: Source::Import,
        import_id: Some(started.import.id),
        email,
        address_id,
        confirm_by: None,
        consent: None,
        evidence: None,
        brought: brought(&worker.id_key, carried)?,
    })
}

fn brought(id_key: &IdKey, carried: &Carried) -> Option<Brought> {
    let topics = |slugs: &BTreeSet<String>, wanted: bool| -> Option<Vec<_>> {
        let slugs = slugs.iter().filter(|it| choosing::id(it).is_none());
        let topic = |slug: &String| Some(stream_id::topic(id_key, &Slug::parse(slug).ok()?));
        slugs
            .map(|slug| Some((What::Topic(topic(slug)?), wanted)))
            .collect()
    };
    let mut said = topics(&carried.topics_wanted, true)?;
    // Behind what is wanted: the last word counts.
    said.extend(topics(&carried.topics_left, false)?);
    let named = choosing::named(carried).into_iter();
    said.extend(named.map(|what| (what, false)));
    said.extend(carried.left.then_some((What::Everything, false)));
    Some(Brought {
        unconfirmed: carried.unconfirmed,
        said,
    })
}

/// Loads what is on record of everybody, and makes the keys of those who are new, in a few round trips.
async fn jobs(
    worker: &ImportWorker,
    started: &Started,
    registrations: Vec<(u64, Registration)>,
) -> Result<Vec<Job>, ImportError> {
    let all = |of: fn(&Registration) -> Uuid| -> Vec<Uuid> {
        let registrations = registrations.iter();
        registrations.map(|(_, it)| of(it)).collect()
    };
    let suppressions: Vec<Uuid> = registrations
        .iter()
        .map(|(_, it)| it.suppression_id(&worker.id_key))
        .collect();
    let store = &worker.store;
    let subscribers = store.load_many::<Subscriber>(&all(|it| it.id)).await?;
    let addresses = store.load_many::<Address>(&all(|it| it.address_id)).await?;
    let suppressions = store.load_many::<Suppression>(&suppressions).await?;
    let on_record = subscribers.into_iter().zip(addresses).zip(suppressions);
    let jobs: Vec<Job> = registrations
        .into_iter()
        .zip(on_record)
        .map(
            |((line, registration), ((subscriber, address), suppression))| Job {
                line,
                context: worker.context(
                    started,
                    "subscriber_import.sign_up",
                    registration.address_id.as_bytes(),
                ),
                registration,
                on_record: OnRecord {
                    subscriber,
                    address,
                    suppression,
                },
            },
        )
        .collect();
    let new: Vec<_> = jobs
        .iter()
        .filter(|job| {
            let on_record = &job.on_record;
            let given_up = on_record.suppression.state.given_up().is_some();
            let taken = on_record.address.state.holder().is_some();
            on_record.subscriber.version == 0 && !taken && !given_up
        })
        .map(|job| job.registration.id)
        .collect();
    worker
        .store
        .vault()
        .ensure(&new, worker.clock.now())
        .await?;
    Ok(jobs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_domain::subscriber::Refusal;

    #[test]
    fn what_can_never_be_recorded_stops_no_import() {
        let commit = |error: CommitError| became(Err(RegistrationError::Commit(error)));
        let too_big = CommitError::Invalid("it holds 1001 events".to_owned());
        assert_eq!(commit(too_big).unwrap(), Became::Rejected("too_much"));
        let refused = RegistrationError::Refused(Refusal::NotConfirmed);
        assert_eq!(
            became(Err(refused)).unwrap(),
            Became::Rejected("invalid_record")
        );
        assert!(commit(CommitError::Unavailable).is_err(), "it waits");
    }
}
