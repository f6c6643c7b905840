//! `GET /api/v1/access`: who looked at whose data.

use actix_web::{HttpResponse, web};
use tidings_event_store::view::View as _;
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;

use super::AccessLog;
use super::query::{self, Looked, Which};
use crate::answer;
use crate::page::{self, Key as _, Page};
use crate::reader::Reader;
use tidings_service::access::{Access, Route};
use tidings_service::http::Query;

/// Who may.
pub const ROUTE: Route = ("GET", "/api/v1/access", Access::Roles(&[Role::Compliance]));

/// Who looked at whose data
///
/// Newest first. A look is on record before anything is shown.
///
/// # Errors
/// 400 for a cursor or limit that is none.
#[utoipa::path(
    get,
    path = "/api/v1/access",
    operation_id = "list_access",
    tag = "compliance",
    security(("bearer" = [])),
    params(Which),
    responses(
        (status = 200, description = "A page of looks.", body = Page<Looked>, headers(
            ("View-Position" = i64, description = "Every look up to here is in the answer."),
        )),
        (status = 400, description = "The cursor or limit is none.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The view did not reach `at_least` in time.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn list_access(
    reader: web::Data<Reader>,
    which: Query<Which>,
) -> Result<HttpResponse, Problem> {
    let before = i64::from_cursor(which.cursor.as_deref())?;
    let limit = page::limit(which.limit)?;
    let views = [AccessLog::DEFINITION.name];
    let position = reader.position(&views, which.at_least).await?;
    let read = query::list(&reader, &which, before, limit + 1).await?;
    let page = Page::of(read, limit, |look| look.position.to_cursor());
    Ok(answer::ok(position, &page))
}
