//! `GET /api/v1/api-keys/{id}`: one API key.

use actix_web::{HttpResponse, web};
use tidings_event_store::view::View as _;
use tidings_service::problem::ProblemBody;
use tidings_service::{Clock, Problem};
use uuid::Uuid;

use super::{ApiKey, ApiKeyList, query};
use crate::answer;
use crate::reader::Reader;
use tidings_service::access::{Access, Route};
use tidings_service::http::{AtLeast, Query};

/// Who may.
pub const ROUTE: Route = ("GET", "/api/v1/api-keys/{id}", Access::Roles(&[]));

/// One API key
///
/// What it may do, until when, and when it was used last.
///
/// # Errors
/// 404 for an unknown id.
#[utoipa::path(
    get,
    path = "/api/v1/api-keys/{id}",
    operation_id = "get_api_key",
    tag = "api keys",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The key."), AtLeast),
    responses(
        (status = 200, description = "The key.", body = ApiKey, headers(
            ("View-Position" = i64, description = "Every event up to here is in the answer."),
            ("ETag" = String, description = "Its version."),
        )),
        (status = 404, description = "There is none of that id.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The view did not reach `at_least` in time.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn get_api_key(
    reader: web::Data<Reader>,
    clock: web::Data<Clock>,
    id: web::Path<Uuid>,
    at: Query<AtLeast>,
) -> Result<HttpResponse, Problem> {
    let position = reader
        .position(&[ApiKeyList::DEFINITION.name], at.at_least)
        .await?;
    let found = query::get(&reader, *id, clock.now()).await?;
    let key = found.ok_or_else(|| answer::not_found(position, "API key", *id))?;
    Ok(answer::resource(position, key.version, &key))
}
