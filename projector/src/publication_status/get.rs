//! `GET /api/v1/publications/{id}`: one publication.

use actix_web::{HttpResponse, web};
use tidings_event_store::view::View as _;
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;
use uuid::Uuid;

use super::{Publication, PublicationStatus, query};
use crate::answer;
use crate::reader::Reader;
use tidings_service::access::{Access, Route};
use tidings_service::http::{AtLeast, Query};

/// Who may.
pub const ROUTE: Route = (
    "GET",
    "/api/v1/publications/{id}",
    Access::Roles(&[
        Role::Editor,
        Role::Operator,
        Role::Compliance,
        Role::Service,
    ]),
);

/// One publication
///
/// What it is called and how far it is.
///
/// # Errors
/// 404 for an unknown id.
#[utoipa::path(
    get,
    path = "/api/v1/publications/{id}",
    operation_id = "get_publication",
    tag = "publications",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The publication."), AtLeast),
    responses(
        (status = 200, description = "The publication.", body = Publication, headers(
            ("View-Position" = i64, description = "Every event up to here is in the answer."),
            ("ETag" = String, description = "Its version."),
        )),
        (status = 404, description = "There is none of that id.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The view did not reach `at_least` in time.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn get_publication(
    reader: web::Data<Reader>,
    id: web::Path<Uuid>,
    at: Query<AtLeast>,
) -> Result<HttpResponse, Problem> {
    let views = [PublicationStatus::DEFINITION.name];
    let position = reader.position(&views, at.at_least).await?;
    let found = query::get(&reader, *id).await?;
    let publication = found.ok_or_else(|| answer::not_found(position, "publication", *id))?;
    Ok(answer::resource(
        position,
        publication.version,
        &publication,
    ))
}
