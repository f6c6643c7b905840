//! Mail that came back. A mail server hands it over; anybody can write to the addresses it comes to, so what a report
//! says is taken only of a delivery that it can prove to be about:
//!
//! - by the address it came to, which we made and signed ([`ReturnPath`]): it stood in the envelope of that one mail. A
//!   complaint, which comes to where its provider was told to, may name it as the mail's sender;
//! - else by the signed link to leave in the returned mail. Whoever the reader has forwarded it to has that, so it proves
//!   no more than the right to leave: a bounce is a soft one, and a complaint is taken for what the link is for.
//!
//! The name of a mail (`Message-ID`) proves nothing: it stands in every answer to it.

use tidings_domain::delivery::{Feedback, FeedbackSource};
use tidings_domain::subscriber::UnsubscribeMethod;
use tidings_domain::token::{ReturnPath, UnsubscribeLink};
use tidings_service::Problem;

use super::dsn::{self, Mail};
use super::{Origin, Report, Verdict, plausible, record};
use crate::commands::Commands;
use crate::departure::depart;
use crate::mime;

/// What became of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Returned {
    /// A report about a delivery, or somebody left by it; on record, now or earlier.
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
pub(crate) async fn take(
    commands: &Commands,
    origin: &Origin,
    mail: &mime::Mail<'_>,
    recipient: Option<&str>,
) -> Result<Returned, Problem> {
    let (kind, addresses) = dsn::read(mail, &commands.link_keys);
    let mail_from = match &kind {
        Mail::Report(returned) => returned.mail_from.clone(),
        Mail::Nothing | Mail::Other => None,
    };
    let all = recipient
        .into_iter()
        .chain(addresses.iter().map(String::as_str))
        .chain(mail_from.as_deref());
    let path = all
        .filter_map(|address| ReturnPath::verify(address, &commands.link_keys).ok())
        .next();
    let ignored = |why: &str| {
        commands.count_feedback(FeedbackSource::Dsn, why);
        Ok(Returned::Ignored)
    };
    let mut returned = match kind {
        Mail::Report(returned) => *returned,
        Mail::Nothing => return ignored("nothing"),
        Mail::Other if path.is_some() => return ignored("no_report"),
        Mail::Other => return Ok(Returned::NoReport),
    };
    let (delivery_id, attempt) = match (path, returned.link) {
        (Some(path), _) => (path.delivery_id, Some(path.attempt)),
        (None, Some(link)) if source(&returned.what) == FeedbackSource::Arf => {
            // Who calls it spam wants no more of the kind, whatever the mail was about.
            let link = UnsubscribeLink {
                topic_id: None,
                ..link
            };
            depart(commands, origin, &link, UnsubscribeMethod::Mail, None).await?;
            commands.count_feedback(FeedbackSource::Arf, "left");
            return Ok(Returned::Taken);
        }
        (None, link) => {
            let Some(delivery_id) = link.and_then(|link| link.delivery_id) else {
                return ignored("uncorrelated");
            };
            returned.what = returned.what.softened();
            (delivery_id, None)
        }
    };
    let report = Report {
        delivery_id,
        attempt,
        source: source(&returned.what),
        what: returned.what,
        reported_at: plausible(returned.written_at, commands.clock.now()),
        event_id: returned.id,
        recipients: returned.recipients,
    };
    Ok(match record(commands, origin, report).await? {
        Verdict::Recorded { .. } | Verdict::Repeated => Returned::Taken,
        Verdict::Full | Verdict::Unknown => Returned::Ignored,
    })
}

fn source(what: &Feedback) -> FeedbackSource {
    match what {
        Feedback::Complained { .. } => FeedbackSource::Arf,
        _ => FeedbackSource::Dsn,
    }
}
