//! `GET /api/v1/segments/{id}/preview`: whom a segment would pick now.

use actix_web::web::ReqData;
use actix_web::{HttpResponse, web};
use tidings_event_store::view::View as _;
use tidings_service::Problem;
use tidings_service::auth::{Principal, Role};
use tidings_service::problem::ProblemBody;
use uuid::Uuid;

use super::preview::{Preview, VIEWS, preview};
use super::{SegmentList, query};
use crate::answer;
use crate::reader::Reader;
use tidings_service::access::{Access, Route};
use tidings_service::http::{AtLeast, Query};

/// Who may.
pub const ROUTE: Route = (
    "GET",
    "/api/v1/segments/{id}/preview",
    Access::Roles(&[Role::Editor, Role::Compliance, Role::Service]),
);

/// Whom a segment picks
///
/// How many subscribers at the moment, how many of these may get mail, and five of them for whoever may list subscribers.
///
/// # Errors
/// 404 for an unknown id.
#[utoipa::path(
    get,
    path = "/api/v1/segments/{id}/preview",
    operation_id = "get_segment_preview",
    tag = "segments",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The segment."), AtLeast),
    responses(
        (status = 200, description = "Whom it picks.", body = Preview, headers(
            ("View-Position" = i64, description = "Every event up to here is in the answer."),
        )),
        (status = 404, description = "There is none of that id.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The views did not reach `at_least` in time.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn get_segment_preview(
    reader: web::Data<Reader>,
    id: web::Path<Uuid>,
    at: Query<AtLeast>,
    principal: ReqData<Principal>,
) -> Result<HttpResponse, Problem> {
    let views = [SegmentList::DEFINITION.name]
        .into_iter()
        .chain(VIEWS)
        .collect::<Vec<_>>();
    let position = reader.position(&views, at.at_least).await?;
    let found = query::condition_of(&reader, *id).await?;
    let condition = found.ok_or_else(|| answer::not_found(position, "segment", *id))?;
    Ok(answer::ok(
        position,
        &preview(&reader, &condition, &principal).await?,
    ))
}
