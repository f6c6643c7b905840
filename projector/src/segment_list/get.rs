//! `GET /api/v1/segments/{id}`: one segment.

use actix_web::{HttpResponse, web};
use tidings_event_store::view::View as _;
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;
use uuid::Uuid;

use super::{Segment, SegmentList, query};
use crate::answer;
use crate::reader::Reader;
use tidings_service::access::{Access, Route};
use tidings_service::http::{AtLeast, Query};

/// Who may.
pub const ROUTE: Route = (
    "GET",
    "/api/v1/segments/{id}",
    Access::Roles(&[Role::Editor, Role::Compliance, Role::Service]),
);

/// One segment
///
/// Whom it picks, and under which name.
///
/// # Errors
/// 404 for an unknown id.
#[utoipa::path(
    get,
    path = "/api/v1/segments/{id}",
    operation_id = "get_segment",
    tag = "segments",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The segment."), AtLeast),
    responses(
        (status = 200, description = "The segment.", body = Segment, headers(
            ("View-Position" = i64, description = "Every event up to here is in the answer."),
            ("ETag" = String, description = "Its version."),
        )),
        (status = 404, description = "There is none of that id.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The view did not reach `at_least` in time.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn get_segment(
    reader: web::Data<Reader>,
    id: web::Path<Uuid>,
    at: Query<AtLeast>,
) -> Result<HttpResponse, Problem> {
    let position = reader
        .position(&[SegmentList::DEFINITION.name], at.at_least)
        .await?;
    let found = query::get(&reader, *id).await?;
    let segment = found.ok_or_else(|| answer::not_found(position, "segment", *id))?;
    Ok(answer::resource(position, segment.version, &segment))
}
