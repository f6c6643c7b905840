//! Mail that came back. A mail server hands it over; anybody can write to the addresses it comes to, so what a report
//! says is taken only of a delivery that it can prove to be about:
//!
//! - by the address it came to, which we made and signed ([`ReturnPath`]): it stood in the envelope of that one mail;
//! - else by the signed link to leave in the returned mail: a forger who has it can leave in the reader's name anyway.
//!
//! The name of a mail (`Message-ID`) proves nothing: it stands in every answer to it.
//!
//! A bounce is held against the address only if that very address is the one that was not reached in the end. What came
//! to it may have gone on, to a whole list or to where somebody has their mail sent.

use tidings_domain::delivery::{Delivery, Feedback, FeedbackSource};
use tidings_domain::stream_id;
use tidings_domain::subscriber::Subscriber;
use tidings_domain::token::ReturnPath;
use tidings_domain::value::EmailAddress;
use tidings_service::Problem;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::dsn::{self, Mail};
use super::{Origin, Report, Verdict, record};
use crate::commands::Commands;
use crate::refusal;

/// Reports are not older; one that says so has a wrong clock.
const AGE_MAX: Duration = Duration::days(30);

/// What became of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// A report about a delivery; on record, now or earlier.
    Taken,
    /// It is about nothing that could be found, tells of no failure, or is one too many. It asks for nothing else either: a report, or
    /// an answer of a machine, quotes the mail it is about, and with it the link to leave.
    Ignored,
    /// No mail that came back.
    NoReport,
}

/// Takes a whole mail. `recipient`: the address it came to, where the mail server says so beside it.
///
/// # Errors
/// As [`record`].
pub async fn take(
    commands: &Commands,
    origin: &Origin,
    mail: &[u8],
    recipient: Option<&str>,
) -> Result<Returned, Problem> {
    let (kind, addresses) = dsn::read(mail, &commands.link_keys);
    let all = recipient
        .into_iter()
        .chain(addresses.iter().map(String::as_str));
    let path = all
        .filter_map(|address| ReturnPath::verify(address, &commands.link_keys).ok())
        .next();
    let ignored = |why: &str| {
        commands.count_feedback(FeedbackSource::Dsn, why);
        Ok(Returned::Ignored)
    };
    let returned = match kind {
        Mail::Report(returned) => returned,
        Mail::Nothing => return ignored("nothing"),
        Mail::Other if path.is_some() => return ignored("no_report"),
        Mail::Other => return Ok(Returned::NoReport),
    };
    let Some(report) = report(commands, *returned, path).await? else {
        return ignored("uncorrelated");
    };
    Ok(match record(commands, origin, report).await? {
        Verdict::Recorded { .. } | Verdict::Repeated => Returned::Taken,
        Verdict::Full | Verdict::Unknown => Returned::Ignored,
    })
}

/// The delivery that a report is proved to be about.
async fn report(
    commands: &Commands,
    returned: dsn::Returned,
    path: Option<ReturnPath>,
) -> Result<Option<Report>, Problem> {
    let named = path.map(|path| (path.delivery_id, Some(path.attempt)));
    let Some((delivery_id, attempt)) = named.or(returned.delivery_id.map(|id| (id, None))) else {
        return Ok(None);
    };
    let recipient = reader(commands, delivery_id, &returned.recipients).await?;
    let now = commands.clock.now();
    Ok(Some(Report {
        delivery_id,
        attempt,
        source: match returned.what {
            Feedback::Complained { .. } => FeedbackSource::Arf,
            _ => FeedbackSource::Dsn,
        },
        what: match recipient {
            Some(_) => returned.what,
            None => returned.what.softened(),
        },
        reported_at: plausible(returned.written_at, now),
        event_id: returned.id,
        recipient,
    }))
}

fn plausible(written_at: Option<OffsetDateTime>, now: OffsetDateTime) -> OffsetDateTime {
    written_at
        .filter(|at| (now - AGE_MAX..=now).contains(at))
        .unwrap_or(now)
}

/// That of these addresses which is the reader's of this delivery.
async fn reader(
    commands: &Commands,
    delivery_id: Uuid,
    addresses: &[EmailAddress],
) -> Result<Option<EmailAddress>, Problem> {
    let delivery = match commands.store.load::<Delivery>(delivery_id).await {
        Ok(delivery) => delivery,
        Err(error) if error.is_wrong_stream() => return Ok(None),
        Err(error) => return Err(refusal::load(&error)),
    };
    let Some(subscriber_id) = delivery.state.plan().and_then(|plan| plan.subscriber_id) else {
        return Ok(None);
    };
    let subscriber = commands.store.load::<Subscriber>(subscriber_id).await;
    let subscriber = subscriber.map_err(|error| refusal::load(&error))?;
    let known = subscriber
        .state
        .profile()
        .map(|it| it.address_suppression_id);
    let id_of = |email| stream_id::address_suppression(&commands.id_key, email);
    Ok(addresses
        .iter()
        .find(|email| Some(id_of(email)) == known)
        .cloned())
}
