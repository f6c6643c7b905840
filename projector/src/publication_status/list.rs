//! `GET /api/v1/publications`: publications, newest first.

use actix_web::{HttpResponse, web};
use tidings_event_store::view::View as _;
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;

use super::fold::STATES;
use super::query::Which;
use super::{Publication, PublicationStatus, query};
use crate::answer;
use crate::page::{self, Key as _, Page};
use crate::reader::Reader;
use tidings_service::access::{Access, Route};
use tidings_service::http::Query;

/// Who may.
pub const ROUTE: Route = (
    "GET",
    "/api/v1/publications",
    Access::Roles(&[
        Role::Editor,
        Role::Operator,
        Role::Compliance,
        Role::Service,
    ]),
);

/// Publications
///
/// Newest first, a page at a time.
///
/// # Errors
/// 400 for a state, cursor or limit that is none.
#[utoipa::path(
    get,
    path = "/api/v1/publications",
    operation_id = "list_publications",
    tag = "publications",
    security(("bearer" = [])),
    params(Which),
    responses(
        (status = 200, description = "A page of publications.", body = Page<Publication>, headers(
            ("View-Position" = i64, description = "Every event up to here is in the answer."),
        )),
        (status = 400, description = "The cursor, limit or state is none.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The view did not reach `at_least` in time.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn list_publications(
    reader: web::Data<Reader>,
    which: Query<Which>,
) -> Result<HttpResponse, Problem> {
    let state = which.state.as_deref();
    if state.is_some_and(|state| !STATES.contains(&state)) {
        let detail = format!("state must be one of {}.", STATES.join(", "));
        return Err(Problem::bad_request(detail));
    }
    let before = i64::from_cursor(which.cursor.as_deref())?;
    let limit = page::limit(which.limit)?;
    let views = [PublicationStatus::DEFINITION.name];
    let position = reader.position(&views, which.at_least).await?;
    let read = query::list(&reader, state, before, limit + 1).await?;
    let page = Page::of(read, limit, |publication| {
        publication.created_position.to_cursor()
    });
    Ok(answer::ok(position, &page))
}
