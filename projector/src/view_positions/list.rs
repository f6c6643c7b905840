//! `GET /api/v1/views`: each view, how far it is, and whether it stands still.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;
use time::OffsetDateTime;
use tokio_postgres::Row;
use utoipa::ToSchema;

use crate::answer::{self, AtLeast};
use crate::reader::Reader;
use crate::registry::{Registered, VIEWS};
use tidings_service::access::{Access, Route};

/// Who may.
pub const ROUTE: Route = ("GET", "/api/v1/views", Access::Roles(&[Role::Operator]));

/// A view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ViewPosition {
    /// Its name.
    #[schema(example = "delivery_log")]
    pub view: String,
    /// current, behind, or stopped: an event can not be folded, and the view stands still until somebody acts.
    #[schema(example = "current")]
    pub state: String,
    /// Why it is stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The log is folded up to here.
    pub position: i64,
    /// Events yet to fold.
    pub lag: i64,
    /// How many times its table was made anew.
    pub generation: i32,
    /// When it was last rebuilt; null when never.
    #[serde(with = "time::serde::rfc3339::option")]
    pub rebuilt_at: Option<OffsetDateTime>,
}

/// All views.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ViewPositions {
    /// The last position of the log.
    pub head: i64,
    /// The views, by name.
    pub items: Vec<ViewPosition>,
}

const SELECT: &str = "select view, position, generation, rebuilt_at, \
     (select coalesce(max(last_position), 0) from publishing_batches) as head \
     from publishing_views order by view";

/// Views
///
/// How far each has folded the log, and whether one stands still.
///
/// # Errors
/// 503 when the database does not answer.
#[utoipa::path(
    get,
    path = "/api/v1/views",
    operation_id = "list_views",
    tag = "views",
    security(("bearer" = [])),
    params(AtLeast),
    responses(
        (status = 200, description = "All views.", body = ViewPositions, headers(
            ("View-Position" = i64, description = "How far the view is that is furthest behind."),
        )),
        (status = 503, description = "The views did not reach `at_least` in time.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn list_views(
    reader: web::Data<Reader>,
    at: web::Query<AtLeast>,
) -> Result<HttpResponse, Problem> {
    if at.at_least.is_some() {
        let all: Vec<&'static str> = VIEWS.iter().map(Registered::name).collect();
        reader.position(&all, at.at_least).await?;
    }
    let rows = reader.rows(SELECT, &[]).await?;
    let head = rows.first().map_or(0, |row| row.get("head"));
    let items: Vec<ViewPosition> = rows.iter().map(|row| of_row(&reader, row)).collect();
    let position = items.iter().map(|view| view.position).min().unwrap_or(0);
    Ok(answer::ok(position, &ViewPositions { head, items }))
}

fn of_row(reader: &Reader, row: &Row) -> ViewPosition {
    let view: String = row.get("view");
    let (head, position): (i64, i64) = (row.get("head"), row.get("position"));
    let reason = reader.stops().why(&view);
    let state = match (&reason, head > position) {
        (Some(_), _) => "stopped",
        (None, true) => "behind",
        (None, false) => "current",
    };
    ViewPosition {
        state: state.to_owned(),
        reason,
        position,
        lag: (head - position).max(0),
        generation: row.get("generation"),
        rebuilt_at: row.get("rebuilt_at"),
        view,
    }
}
