//! `GET /api/v1/segments`: the segments.

use actix_web::{HttpResponse, web};
use tidings_event_store::view::View as _;
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;
use uuid::Uuid;

use super::{Segment, SegmentList, query};
use crate::answer;
use crate::page::{self, Key as _, Page, Paging};
use crate::reader::Reader;
use tidings_service::access::{Access, Route};
use tidings_service::http::Query;

/// Who may.
pub const ROUTE: Route = (
    "GET",
    "/api/v1/segments",
    Access::Roles(&[Role::Editor, Role::Compliance, Role::Service]),
);

/// Segments
///
/// By id, a page at a time; archived ones too.
///
/// # Errors
/// 400 for a cursor or limit that is none.
#[utoipa::path(
    get,
    path = "/api/v1/segments",
    operation_id = "list_segments",
    tag = "segments",
    security(("bearer" = [])),
    params(Paging),
    responses(
        (status = 200, description = "A page of segments.", body = Page<Segment>, headers(
            ("View-Position" = i64, description = "Every event up to here is in the answer."),
        )),
        (status = 400, description = "The cursor or limit is none.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The view did not reach `at_least` in time.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn list_segments(
    reader: web::Data<Reader>,
    paging: Query<Paging>,
) -> Result<HttpResponse, Problem> {
    let after = Uuid::from_cursor(paging.cursor.as_deref())?;
    let limit = page::limit(paging.limit)?;
    let position = reader
        .position(&[SegmentList::DEFINITION.name], paging.at_least)
        .await?;
    let read = query::list(&reader, after, limit + 1).await?;
    let page = Page::of(read, limit, |segment| segment.id.to_cursor());
    Ok(answer::ok(position, &page))
}
