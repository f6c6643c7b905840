//! Mail that came back. A mail server hands it over; anybody can write to the addresses it comes to, so what a report
//! says is taken only of a delivery that it can prove to be about:
//!
//! - by the address it came to, which we made and signed ([`ReturnPath`]): it stood in the envelope of that one mail;
//! - else by the signed link to leave in the returned mail: a forger who has it can leave in the reader's name anyway.
//!
//! The name of a mail (`Message-ID`) proves nothing: it stands in every answer to it.

use tidings_domain::delivery::{Feedback, FeedbackSource};
use tidings_domain::token::ReturnPath;
use tidings_service::Problem;
use time::OffsetDateTime;

use super::dsn::{self, Mail};
use super::{Origin, Report, Verdict, plausible, record};
use crate::commands::Commands;

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
    let Some(report) = report(*returned, path, commands.clock.now()) else {
        return ignored("uncorrelated");
    };
    Ok(match record(commands, origin, report).await? {
        Verdict::Recorded { .. } | Verdict::Repeated => Returned::Taken,
        Verdict::Full | Verdict::Unknown => Returned::Ignored,
    })
}

/// The report, if it proves which delivery it is about.
fn report(
    returned: dsn::Returned,
    path: Option<ReturnPath>,
    now: OffsetDateTime,
) -> Option<Report> {
    let named = path.map(|path| (path.delivery_id, Some(path.attempt)));
    let (delivery_id, attempt) = named.or(returned.delivery_id.map(|id| (id, None)))?;
    Some(Report {
        delivery_id,
        attempt,
        source: match returned.what {
            Feedback::Complained { .. } => FeedbackSource::Arf,
            _ => FeedbackSource::Dsn,
        },
        what: returned.what,
        reported_at: plausible(returned.written_at, now),
        event_id: returned.id,
        recipients: returned.recipients,
    })
}
