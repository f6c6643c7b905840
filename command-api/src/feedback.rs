//! What the receiving side says of a message it took: on record once, and what it means for the address in the same
//! commit.
//!
//! Whoever hears of it parses what came and calls [`record`]: [`mail::take`] for reports by mail, which `public/mail`
//! hands over (`POST /hooks/mail`), and `ses::take` for what Amazon SES reports (`POST /hooks/ses`). They answer for it
//! that the report is about the delivery it names.
//!
//! **Which address is suppressed.** Where the delivery went: the address that the subscriber had when the attempt was put on
//! record, by its keyed id in their stream, also after they changed it, left, or their data was erased. Where the report
//! names addresses, one of them must be this one. If none is, what came may have gone on to a whole list, or to where
//! somebody has their mail sent: a bounce is on record as a soft one, and nothing is suppressed. Nor is it by a report
//! that comes long after the message: what proves it right stands in many logs by then, and the reader may have come
//! back meanwhile.

mod dsn;
pub mod mail;
pub(crate) mod ses;

use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::delivery::{
    BounceClass, Command, ComplaintKind, Delivery, Feedback, FeedbackSource, Plan, Refusal,
    report_digest,
};
use tidings_domain::id::derive_from;
use tidings_domain::stream_id;
use tidings_domain::subscriber::Subscriber;
use tidings_domain::suppression::{self, Reason, Suppression};
use tidings_domain::value::EmailAddress;
use tidings_event_store::{Context, Draft, Past};
use tidings_proto::{EventMessage as _, delivery, subscriber};
use tidings_service::Problem;
use tidings_service::http::RequestContext;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::commands::Commands;
use crate::refusal;

/// Times it is decided anew because others were faster.
const ATTEMPTS_MAX: u32 = 5;
/// Reports are not older; one that says so has a wrong clock.
const AGE_MAX: Duration = Duration::days(30);
/// A bounce counts against the address for so long after the message was due. Mail servers try for some days.
const BOUNCES_COUNT_FOR: Duration = Duration::days(30);
/// So does a complaint: not everybody reads at once.
const COMPLAINTS_COUNT_FOR: Duration = Duration::days(90);

/// One report about one delivery.
pub struct Report {
    /// The delivery. Not trusted to exist.
    pub delivery_id: Uuid,
    /// The attempt; none: not known.
    pub attempt: Option<u32>,
    /// What is said.
    pub what: Feedback,
    /// When that happened, as they say; not after now.
    pub reported_at: OffsetDateTime,
    /// What the reporter calls this report; of any length. Two reports about one delivery that have one name and source are one.
    pub event_id: String,
    /// The addresses it is about, as far as they can be read; none: it names nobody. What is said of others than the
    /// reader's is not held against the reader's.
    pub recipients: Option<Vec<EmailAddress>>,
    /// Who says so.
    pub source: FeedbackSource,
}

/// Where a report came in.
pub struct Origin {
    /// Ties together what came of it.
    pub correlation_id: Uuid,
    /// W3C trace context, if there is one.
    pub traceparent: Option<String>,
}

impl From<&RequestContext> for Origin {
    fn from(request: &RequestContext) -> Self {
        Self {
            correlation_id: request.correlation_id,
            traceparent: Some(request.traceparent.to_string()),
        }
    }
}

/// What became of a report. All of it is final: the same report again leads to nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// On record; its last event stands here.
    Recorded {
        /// Log position.
        position: i64,
    },
    /// Nothing new: this report was taken before.
    Repeated,
    /// The delivery has had as many as are taken.
    Full,
    /// There is no such delivery, or it was never attempted.
    Unknown,
}

/// Puts a report on record, once; a hard bounce and a complaint suppress the address in the same commit.
///
/// # Errors
/// 503 when the log does not take it: worth another try. 409 when others changed the delivery again and again; so is
/// that. 500 when its stream cannot be read.
pub async fn record(
    commands: &Commands,
    origin: &Origin,
    report: Report,
) -> Result<Verdict, Problem> {
    let source = report.source;
    let kind = match &report.what {
        Feedback::Delivered => "delivered",
        Feedback::Bounced { .. } => "bounced",
        Feedback::Complained { .. } => "complained",
    };
    let verdict = put_on_record(commands, origin, report).await?;
    let result = match verdict {
        Verdict::Recorded { .. } => kind,
        Verdict::Repeated => "repeated",
        Verdict::Full => "full",
        Verdict::Unknown => "unknown",
    };
    commands.count_feedback(source, result);
    Ok(verdict)
}

async fn put_on_record(
    commands: &Commands,
    origin: &Origin,
    report: Report,
) -> Result<Verdict, Problem> {
    let digest = report_digest(
        &commands.id_key,
        report.delivery_id,
        report.source,
        &report.event_id,
    );
    let mut attempts = 0;
    loop {
        let loaded = match commands.store.load::<Delivery>(report.delivery_id).await {
            Ok(loaded) => loaded,
            Err(error) if error.is_wrong_stream() => return Ok(Verdict::Unknown),
            Err(error) => return Err(refusal::load(&error)),
        };
        let (Some(plan), Some(last)) = (loaded.state.plan().cloned(), loaded.history.last()) else {
            return Ok(Verdict::Unknown);
        };
        let at = attempted_at(&loaded.history, report.attempt);
        let judged = judge(commands, &plan, &report, at).await?;
        let events = match loaded.state.decide(Command::Report {
            attempt: report.attempt,
            feedback: judged.what,
            reported_at: report.reported_at,
            digest,
            source: report.source,
        }) {
            Ok(events) if events.is_empty() => return Ok(Verdict::Repeated),
            Ok(events) => events,
            Err(Refusal::NotFound | Refusal::NeverAttempted) => return Ok(Verdict::Unknown),
            Err(Refusal::HeardEnough) => return Ok(Verdict::Full),
            Err(refused) => return Err(Problem::internal(&refused)),
        };
        let context = Context {
            actor: "system:feedback".to_owned(),
            correlation_id: origin.correlation_id,
            causation: Some(last.position),
            occurred_at: commands.clock.now(),
            traceparent: origin.traceparent.clone(),
            // The same report is the same event, whoever hands it over.
            intent: derive_from(report.delivery_id, "feedback", &[&digest]),
            request_digest: None,
        };
        let mut draft = commands.store.draft(&context);
        draft.append_for(loaded, events, plan.owner(), None);
        if let Some((address, reason)) = judged.suppresses {
            suppress(commands, &mut draft, address, reason, report.delivery_id).await?;
        }
        attempts += 1;
        match draft.commit().await {
            Ok(committed) => {
                return Ok(Verdict::Recorded {
                    position: committed.last_position,
                });
            }
            Err(error) if error.may_be_decided_anew() && attempts < ATTEMPTS_MAX => {}
            Err(error) => return Err(refusal::commit(&error)),
        }
    }
}

/// What a report comes to, once it is known whose address it is about.
struct Judged {
    /// What goes on record.
    what: Feedback,
    /// The reader's address, by its keyed id, if nothing may go to it any more, and why.
    suppresses: Option<(Uuid, Reason)>,
}

/// Where in the log the attempt stands that a report is about; of one that does not say, the last one. 0: there is none.
fn attempted_at(history: &[Past], attempt: Option<u32>) -> i64 {
    let all = history
        .iter()
        .filter(|past| past.event_type == delivery::Attempted::TYPE);
    let positions: Vec<i64> = all.map(|past| past.position).collect();
    let nth = attempt.and_then(|attempt| usize::try_from(attempt).ok()?.checked_sub(1));
    let named = nth.and_then(|nth| positions.get(nth));
    named.or(positions.last()).copied().unwrap_or(0)
}

async fn judge(
    commands: &Commands,
    plan: &Plan,
    report: &Report,
    attempted_at: i64,
) -> Result<Judged, Problem> {
    let what = report.what.clone();
    let Some(reason) = reason(&what) else {
        return Ok(Judged {
            what,
            suppresses: None,
        });
    };
    let reader = reader(commands, plan, attempted_at).await?;
    let id_of = |email| stream_id::address_suppression(&commands.id_key, email);
    let is_named = |reader: &Uuid| {
        let named = report.recipients.as_ref();
        named.is_none_or(|all| all.iter().any(|email| id_of(email) == *reader))
    };
    let Some(address) = reader.filter(is_named) else {
        tracing::warn!(delivery = %report.delivery_id, "a report is about another address than the reader's");
        return Ok(Judged {
            what: what.softened(),
            suppresses: None,
        });
    };
    let counts_for = match reason {
        Reason::Complaint => COMPLAINTS_COUNT_FOR,
        _ => BOUNCES_COUNT_FOR,
    };
    let counts = commands.clock.now() - plan.due_at <= counts_for;
    Ok(Judged {
        what,
        suppresses: counts.then_some((address, reason)),
    })
}

/// Where the attempt at a position went: the keyed id of the address its reader had then, if it has a reader. Every attempt
/// is guarded on the reader's stream, so what stands before it there is what it was judged by.
async fn reader(
    commands: &Commands,
    plan: &Plan,
    attempted_at: i64,
) -> Result<Option<Uuid>, Problem> {
    let Some(subscriber_id) = plan.subscriber_id else {
        return Ok(None);
    };
    let subscriber = commands.store.load::<Subscriber>(subscriber_id).await;
    let subscriber = subscriber.map_err(|error| refusal::load(&error))?;
    let profile = subscriber.state.profile();
    let changes = subscriber.history.iter().filter(|past| {
        past.event_type == subscriber::ContactChanged::TYPE && past.position < attempted_at
    });
    let changes = changes.count();
    Ok(profile.map(|profile| profile.suppression_before_change(changes)))
}

/// Lets the commit say that nothing may go to an address any more.
async fn suppress(
    commands: &Commands,
    draft: &mut Draft<'_>,
    address: Uuid,
    reason: Reason,
    delivery_id: Uuid,
) -> Result<(), Problem> {
    let loaded = commands.store.load::<Suppression>(address).await;
    let loaded = loaded.map_err(|error| refusal::load(&error))?;
    let command = suppression::Command::shown_by(delivery_id, reason);
    let Ok(events) = loaded.state.decide(command);
    if !events.is_empty() {
        draft.append(loaded, events);
    }
    Ok(())
}

fn reason(feedback: &Feedback) -> Option<Reason> {
    match feedback {
        Feedback::Bounced {
            class: BounceClass::Hard,
            ..
        } => Some(Reason::HardBounce),
        Feedback::Complained { .. } => Some(Reason::Complaint),
        Feedback::Bounced {
            class: BounceClass::Soft,
            ..
        }
        | Feedback::Delivered => None,
    }
}

/// The kind of a complaint (RFC 5965). That something is no spam is none, nor is a report about how a mail was signed.
fn complaint_kind(feedback_type: &str) -> Option<ComplaintKind> {
    match feedback_type.to_ascii_lowercase().as_str() {
        "abuse" => Some(ComplaintKind::Abuse),
        "fraud" => Some(ComplaintKind::Fraud),
        "virus" => Some(ComplaintKind::Virus),
        "not-spam" | "auth-failure" | "miscategorized" | "dkim" => None,
        _ => Some(ComplaintKind::Other),
    }
}

/// When a report says that it was written, if that can be.
fn plausible(written_at: Option<OffsetDateTime>, now: OffsetDateTime) -> OffsetDateTime {
    written_at
        .filter(|at| (now - AGE_MAX..=now).contains(at))
        .unwrap_or(now)
}
