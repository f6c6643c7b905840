//! `GET /api/v1/publications/{id}/deliveries`: the deliveries of a publication.

use actix_web::{HttpRequest, HttpResponse, web};
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;
use tidings_service::{Clock, Problem};
use uuid::Uuid;

use super::query::Which;
use super::{Delivery, VIEWS, query};
use crate::answer;
use crate::page::{self, Key as _, Page};
use crate::publication_status;
use crate::reader::Reader;
use tidings_service::access::{Access, Route};
use tidings_service::http::Query;

/// Who may.
pub const ROUTE: Route = (
    "GET",
    "/api/v1/publications/{id}/deliveries",
    Access::Roles(&[
        Role::Editor,
        Role::Operator,
        Role::Compliance,
        Role::Service,
    ]),
);

/// Deliveries of a publication
///
/// By id, a page at a time. A delivery keeps its place in the list whatever becomes of it. When one was opened, and a link of
/// it followed, is shown to the role compliance alone.
///
/// # Errors
/// 404 for an unknown id, 400 for a class, cursor or limit that is none.
#[utoipa::path(
    get,
    path = "/api/v1/publications/{id}/deliveries",
    operation_id = "list_publication_deliveries",
    tag = "deliveries",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The publication."), Which),
    responses(
        (status = 200, description = "A page of deliveries.", body = Page<Delivery>, headers(
            ("View-Position" = i64, description = "Every event up to here is in the answer."),
        )),
        (status = 400, description = "The class, cursor or limit is none.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is none of that id.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The views did not reach `at_least` in time.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn list_deliveries(
    request: HttpRequest,
    reader: web::Data<Reader>,
    id: web::Path<Uuid>,
    which: Query<Which>,
    clock: web::Data<Clock>,
) -> Result<HttpResponse, Problem> {
    let after = Uuid::from_cursor(which.cursor.as_deref())?;
    let limit = page::limit(which.limit)?;
    let position = reader.position(&VIEWS, which.at_least).await?;
    if publication_status::get_row(&reader, *id).await?.is_none() {
        return Err(answer::not_found(position, "publication", *id));
    }
    let read =
        query::of_publication(&reader, *id, which.class, after, limit + 1, clock.now()).await?;
    let read = read.into_iter().map(|it| it.seen_by(&request)).collect();
    let page = Page::of(read, limit, |delivery| delivery.id.to_cursor());
    Ok(answer::ok(position, &page))
}
