//! `GET /api/v1/channels/{id}/health`: whether a channel works, and since when it does not.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use tidings_event_store::restore::is_sending_held;
use tidings_event_store::{Log, ReadError};
use tidings_proto::reason::words;
use tidings_service::Problem;
use tidings_service::access::{Access, Route};
use tidings_service::auth::Role;
use tidings_service::clock::shown;
use tidings_service::hindrance::Slowed;
use tidings_service::http::{AtLeast, Query, VIEW_POSITION};
use tidings_service::problem::ProblemBody;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Desk, away, load};
use crate::working::{Failing, Working, working};

/// Who may.
pub const ROUTE: Route = (
    "GET",
    "/api/v1/channels/{id}/health",
    Access::Roles(&[Role::Editor, Role::Operator, Role::Service]),
);

const CLOSED: &str = "closed";
const HELD: &str = "Nothing is sent since the log was restored, until somebody releases it (`tidings dispatch release`).";
/// The views it is read from.
const VIEWS: [&str; 3] = ["channel_list", "delivery_log", "dispatch_queue"];
/// Events at the end of the log that are looked at for its last success.
const LOOKED_AT: i64 = 10_000;

/// How a channel is.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct Health {
    /// The channel.
    pub channel_id: Uuid,
    /// `ok`, `slowed` (the receiving side asks for fewer messages), `failing` (what was tried last did not get through; it is tried
    /// again, and others still are), `waiting` (its circuit is open), `held` (nothing is sent at all since the log was restored),
    /// `unusable` (its settings or credentials are) or `disabled`.
    #[schema(example = "ok")]
    pub state: &'static str,
    /// Why, in words; null when it is ok.
    #[schema(
        example = "No message gets through (the receiving side can not be connected to); deliveries wait, and one is tried from time to time."
    )]
    pub explanation: Option<String>,
    /// `closed`, `open` or `probing`.
    #[schema(example = "closed")]
    pub circuit: String,
    /// What opened it: a code.
    pub circuit_reason: Option<String>,
    /// Since when nothing has got through, while it is failing.
    #[serde(with = "time::serde::rfc3339::option")]
    pub failing_since: Option<OffsetDateTime>,
    /// What the last attempt met, while it is failing: a code.
    #[schema(example = "connect_failed")]
    pub failing_reason: Option<String>,
    /// When the next attempt is made: when the circuit is probed, or the next delivery is due, or the receiving side may be asked
    /// again as far as is known. Where nothing waits behind an open circuit, when the next one may be made.
    #[serde(with = "time::serde::rfc3339::option")]
    pub next_attempt_at: Option<OffsetDateTime>,
    /// When it last sent something; to the hour only where that is more than 10,000 events of the log ago, and was one of as many
    /// deliveries.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_success_at: Option<OffsetDateTime>,
    /// Deliveries that were sent in the last 24 hours, by full hours.
    pub sent: i64,
    /// Those that failed.
    pub failed: i64,
    /// Those nobody knows the outcome of.
    pub in_doubt: i64,
    /// failed / (sent + failed); null when there was neither.
    #[schema(example = 0.01)]
    pub failure_rate: Option<f64>,
    /// Deliveries that wait for it.
    pub waiting: i64,
}

/// How a channel is
///
/// # Errors
/// 404 for an unknown channel.
#[utoipa::path(
    get, path = "/api/v1/channels/{id}/health", tag = "channels", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The channel"), AtLeast),
    responses(
        (status = 200, description = "How it is", body = Health, headers(
            ("View-Position" = i64, description = "Every event up to here is in the answer."),
        )),
        (status = 404, description = "No such channel", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The views did not reach `at_least` in time.", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub async fn channel_health(
    desk: web::Data<Desk>,
    id: web::Path<Uuid>,
    at: Query<AtLeast>,
) -> Result<HttpResponse, Problem> {
    let way = desk.way(*id).await?;
    let position = desk.position(&VIEWS, at.at_least).await?;
    let now = desk.clock.now();
    let figures = figures(desk.store.log(), *id, now).await;
    let figures = figures.map_err(|error| away(&error))?;
    let held = is_sending_held(&desk.store).await;
    let held = held.map_err(|error| load(&error))?;
    let (state, explanation) = match &figures {
        _ if !way.state.is_enabled() => ("disabled", Some(disabled(&figures))),
        _ if way.wrong.is_some() => ("unusable", way.wrong.as_deref().map(unusable)),
        _ if held => ("held", Some(HELD.to_owned())),
        // As the view has it, which knows the reason too: the two must not contradict each other.
        _ if figures.circuit != CLOSED => ("waiting", Some(waiting(&figures, now))),
        Figures { working, .. } => how_it_works(working, now),
    };
    let slowed_until = figures.working.slowed.as_ref().map(|it| it.until);
    let failing = figures.working.failing.filter(|_| state == "failing");
    let tried = figures.sent + figures.failed;
    let health = Health {
        channel_id: *id,
        state,
        explanation,
        failure_rate: (tried > 0).then(|| figures.failed as f64 / tried as f64),
        next_attempt_at: match state {
            "ok" | "failing" => figures.next_due_at,
            "slowed" => {
                slowed_until.min(figures.next_due_at.filter(|at| *at > now).or(slowed_until))
            }
            // Whatever is due first finds out.
            "waiting" => figures
                .probe_at
                .max(figures.next_due_at)
                .filter(|at| figures.waiting > 0 || *at > now),
            _ => None,
        },
        failing_since: failing.as_ref().map(|it| it.since),
        failing_reason: failing.map(|it| it.reason),
        circuit: figures.circuit,
        circuit_reason: figures.circuit_reason,
        last_success_at: figures.working.last_success_at,
        sent: figures.sent,
        failed: figures.failed,
        in_doubt: figures.in_doubt,
        waiting: figures.waiting,
    };
    Ok(HttpResponse::Ok()
        .insert_header((VIEW_POSITION, position.to_string()))
        .json(health))
}

/// Of one that is enabled and usable, and whose circuit is closed.
fn how_it_works(working: &Working, now: OffsetDateTime) -> (&'static str, Option<String>) {
    let slowed_down = working.slowed.as_ref().filter(|it| it.until > now);
    match (&working.failing, slowed_down) {
        // The day's quota is both, and nothing is tried before it rests no longer.
        (Some(it), Some(also)) if it.reason == also.reason => ("slowed", Some(slowed(also))),
        (Some(it), _) => ("failing", Some(failing(it))),
        (None, Some(it)) => ("slowed", Some(slowed(it))),
        (None, None) => ("ok", None),
    }
}

fn unusable(wrong: &str) -> String {
    format!("It can not be used as it is set up ({wrong}), until that is mended.")
}

fn disabled(figures: &Figures) -> String {
    let reason = figures.disabled_reason.as_deref().unwrap_or("requested");
    let reason = words(reason);
    format!("It is disabled ({reason}); deliveries wait until it is enabled.")
}

fn waiting(figures: &Figures, now: OffsetDateTime) -> String {
    let reason = figures.circuit_reason.as_deref().map(words);
    let reason = reason.unwrap_or_else(|| "why is not known".to_owned());
    let what = match figures.waiting {
        0 if figures.probe_at.is_some_and(|at| at > now) => {
            "nothing waits, and what comes next waits until it may be tried again"
        }
        0 => "nothing waits, and what comes next is tried",
        _ => "deliveries wait, and one is tried from time to time",
    };
    format!("No message gets through ({reason}); {what}.")
}

fn failing(it: &Failing) -> String {
    let reason = words(&it.reason);
    format!(
        "What was tried last did not get through ({reason}), and is tried again; if that goes on, everything else waits too."
    )
}

fn slowed(it: &Slowed) -> String {
    let reason = words(&it.reason);
    let until = shown(it.until);
    format!(
        "It is slowed down ({reason}); what is due waits for that, until {until} at the latest."
    )
}

/// What the views know.
struct Figures {
    circuit: String,
    circuit_reason: Option<String>,
    probe_at: Option<OffsetDateTime>,
    disabled_reason: Option<String>,
    sent: i64,
    failed: i64,
    in_doubt: i64,
    waiting: i64,
    next_due_at: Option<OffsetDateTime>,
    working: Working,
}

const FIGURES: &str = include_str!("health.sql");

async fn figures(log: &Log, channel_id: Uuid, now: OffsetDateTime) -> Result<Figures, ReadError> {
    let working = working(log, &[channel_id], LOOKED_AT).await?.pop();
    let since = now - time::Duration::DAY;
    let rows = log.query(FIGURES, &[&channel_id, &since]).await?;
    // Both are asked of the channel itself, and so have one row each.
    let (Some(working), Some(row)) = (working, rows.first()) else {
        return Err(ReadError::NoAnswer);
    };
    let some = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(Figures {
        // Nothing yet: it was set up a moment ago.
        circuit: row
            .get::<_, Option<String>>("circuit")
            .unwrap_or_else(|| CLOSED.to_owned()),
        circuit_reason: some(row.get("circuit_reason")),
        probe_at: row.get("probe_at"),
        disabled_reason: some(row.get("disabled_reason")),
        sent: row.get("sent"),
        failed: row.get("failed"),
        in_doubt: row.get("in_doubt"),
        waiting: row.get("waiting"),
        next_due_at: row.get("next_due_at"),
        working,
    })
}
