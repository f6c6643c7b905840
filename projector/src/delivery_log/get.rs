//! `GET /api/v1/deliveries/{id}`: one delivery.

use actix_web::{HttpRequest, HttpResponse, web};
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;
use tidings_service::{Clock, Problem};
use uuid::Uuid;

use super::{Delivery, VIEWS, query};
use crate::answer;
use crate::reader::Reader;
use tidings_service::access::{Access, Route};
use tidings_service::http::{AtLeast, Query};

/// Who may.
pub const ROUTE: Route = (
    "GET",
    "/api/v1/deliveries/{id}",
    Access::Roles(&[
        Role::Editor,
        Role::Operator,
        Role::Compliance,
        Role::Service,
    ]),
);

/// One delivery
///
/// One message to one receiver, and what became of it. When it was opened, and a link of it followed, is shown to the role
/// compliance alone.
///
/// # Errors
/// 404 for an unknown id.
#[utoipa::path(
    get,
    path = "/api/v1/deliveries/{id}",
    operation_id = "get_delivery",
    tag = "deliveries",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The delivery."), AtLeast),
    responses(
        (status = 200, description = "The delivery.", body = Delivery, headers(
            ("View-Position" = i64, description = "Every event up to here is in the answer."),
            ("ETag" = String, description = "Its version."),
        )),
        (status = 404, description = "There is none of that id.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The view did not reach `at_least` in time.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn get_delivery(
    request: HttpRequest,
    reader: web::Data<Reader>,
    id: web::Path<Uuid>,
    at: Query<AtLeast>,
    clock: web::Data<Clock>,
) -> Result<HttpResponse, Problem> {
    let position = reader.position(&VIEWS, at.at_least).await?;
    let found = query::get(&reader, *id, clock.now()).await?;
    let delivery = found.ok_or_else(|| answer::not_found(position, "delivery", *id))?;
    let delivery = delivery.seen_by(&request);
    Ok(answer::resource(position, delivery.version, &delivery))
}
