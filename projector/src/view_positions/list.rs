//! `GET /api/v1/views`: each view, how far it is, and whether it stands still.

use actix_web::{HttpResponse, web};
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;

use crate::answer;
use crate::reader::{Reader, unreadable};
use crate::registry::{Registered, VIEWS};
use crate::view_positions::{ViewPositions, standings};
use tidings_service::access::{Access, Route};
use tidings_service::http::{AtLeast, Query};

/// Who may.
pub const ROUTE: Route = ("GET", "/api/v1/views", Access::Roles(&[Role::Operator]));

/// Views
///
/// How far each has folded the log, whether one stands still and why, by which definition it is folded, and
/// when it was last rebuilt.
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
    at: Query<AtLeast>,
) -> Result<HttpResponse, Problem> {
    if at.at_least.is_some() {
        let all: Vec<&'static str> = VIEWS.iter().map(Registered::name).collect();
        reader.position(&all, at.at_least).await?;
    }
    let standings = standings(reader.store(), reader.views(), reader.stops()).await;
    let views = standings.map_err(|error| unreadable(&error))?;
    let position = views.items.iter().map(|view| view.position).min();
    Ok(answer::ok(position.unwrap_or(0), &views))
}
