//! `GET /api/v1/channels/{id}/health`: whether a channel works, and since when it does not.

use actix_web::{HttpResponse, web};
use deadpool_postgres::Pool;
use serde::Serialize;
use tidings_event_store::{ReadError, in_time};
use tidings_proto::reason::words;
use tidings_service::Problem;
use tidings_service::access::{Access, Route};
use tidings_service::auth::Role;
use tidings_service::http::{AtLeast, Query, VIEW_POSITION};
use tidings_service::problem::ProblemBody;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Desk, away};

/// Who may.
pub const ROUTE: Route = (
    "GET",
    "/api/v1/channels/{id}/health",
    Access::Roles(&[Role::Editor, Role::Operator, Role::Service]),
);

const CLOSED: &str = "closed";
/// The views it is read from.
const VIEWS: [&str; 3] = ["channel_list", "delivery_log", "dispatch_queue"];
/// Deliveries of its last publication that are looked at for its last success.
const LOOKED_AT: i64 = 10_000;

/// How a channel is.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct Health {
    /// The channel.
    pub channel_id: Uuid,
    /// `ok`, `failing` (what was tried last did not get through; it is tried again, and others still are), `waiting` (its
    /// circuit is open), `disabled` or `unusable` (its settings or credentials are).
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
    /// Since when nothing has got through, while it is failing. After a publication with more than 10,000 deliveries this is told
    /// only an hour after the last success.
    #[serde(with = "time::serde::rfc3339::option")]
    pub failing_since: Option<OffsetDateTime>,
    /// What the last attempt met, while it is failing: a code.
    #[schema(example = "connect_failed")]
    pub failing_reason: Option<String>,
    /// When the next attempt is made: when the circuit is probed, or the next delivery is due. Where nothing waits behind an open
    /// circuit, when the next one may be made.
    #[serde(with = "time::serde::rfc3339::option")]
    pub next_attempt_at: Option<OffsetDateTime>,
    /// When it last sent something; after a publication with more than 10,000 deliveries to the hour only.
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
    let figures = figures(desk.store.log().pool(), *id, now).await;
    let figures = figures.map_err(|error| away(&error))?;
    let (state, explanation) = match &figures {
        _ if !way.state.is_enabled() => ("disabled", Some(disabled(&figures))),
        _ if way.channel.is_none() => (
            "unusable",
            Some("Its settings or credentials can not be used; configure it anew.".to_owned()),
        ),
        // As the view has it, which knows the reason too: the two must not contradict each other.
        _ if figures.circuit != CLOSED => ("waiting", Some(waiting(&figures, now))),
        _ if figures.failing_since.is_some() => ("failing", Some(failing(&figures))),
        _ => ("ok", None),
    };
    let is_failing = state == "failing";
    let tried = figures.sent + figures.failed;
    let health = Health {
        channel_id: *id,
        state,
        explanation,
        failure_rate: (tried > 0).then(|| figures.failed as f64 / tried as f64),
        next_attempt_at: match state {
            "ok" | "failing" => figures.next_due_at,
            "waiting" => figures
                .probe_at
                .filter(|at| figures.waiting > 0 || *at > now),
            _ => None,
        },
        failing_since: figures.failing_since.filter(|_| is_failing),
        failing_reason: figures.failing_reason.filter(|_| is_failing),
        circuit: figures.circuit,
        circuit_reason: figures.circuit_reason,
        last_success_at: figures.last_success_at,
        sent: figures.sent,
        failed: figures.failed,
        in_doubt: figures.in_doubt,
        waiting: figures.waiting,
    };
    Ok(HttpResponse::Ok()
        .insert_header((VIEW_POSITION, position.to_string()))
        .json(health))
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

fn failing(figures: &Figures) -> String {
    let reason = figures.failing_reason.as_deref().map(words);
    let reason = reason.unwrap_or_else(|| "why is not known".to_owned());
    format!(
        "What was tried last did not get through ({reason}), and is tried again; if that goes on, everything else waits too."
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
    last_success_at: Option<OffsetDateTime>,
    waiting: i64,
    next_due_at: Option<OffsetDateTime>,
    failing_since: Option<OffsetDateTime>,
    failing_reason: Option<String>,
}

const FIGURES: &str = include_str!("health.sql");

async fn figures(pool: &Pool, channel_id: Uuid, now: OffsetDateTime) -> Result<Figures, ReadError> {
    let since = now - time::Duration::DAY;
    let row = in_time(async {
        let client = pool.get().await?;
        let statement = client.prepare_cached(FIGURES).await?;
        Ok(client
            .query_one(&statement, &[&channel_id, &since, &LOOKED_AT])
            .await?)
    })
    .await?;
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
        last_success_at: row.get("last_success_at"),
        waiting: row.get("waiting"),
        next_due_at: row.get("next_due_at"),
        failing_since: row.get("failing_since"),
        failing_reason: row.get("failing_reason"),
    })
}
