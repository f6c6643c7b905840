//! `GET /api/v1/api-keys`: the API keys.

use actix_web::{HttpResponse, web};
use tidings_event_store::view::View as _;
use tidings_service::problem::ProblemBody;
use tidings_service::{Clock, Problem};
use uuid::Uuid;

use super::{ApiKey, ApiKeyList, query};
use crate::answer;
use crate::page::{self, Key as _, Page, Paging};
use crate::reader::Reader;
use tidings_service::access::{Access, Route};
use tidings_service::http::Query;

/// Who may.
pub const ROUTE: Route = ("GET", "/api/v1/api-keys", Access::Roles(&[]));

/// API keys
///
/// By id, a page at a time; expired and revoked ones too.
///
/// # Errors
/// 400 for a cursor or limit that is none.
#[utoipa::path(
    get,
    path = "/api/v1/api-keys",
    operation_id = "list_api_keys",
    tag = "api keys",
    security(("bearer" = [])),
    params(Paging),
    responses(
        (status = 200, description = "A page of keys.", body = Page<ApiKey>, headers(
            ("View-Position" = i64, description = "Every event up to here is in the answer."),
        )),
        (status = 400, description = "The cursor or limit is none.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The view did not reach `at_least` in time.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn list_api_keys(
    reader: web::Data<Reader>,
    clock: web::Data<Clock>,
    paging: Query<Paging>,
) -> Result<HttpResponse, Problem> {
    let after = Uuid::from_cursor(paging.cursor.as_deref())?;
    let limit = page::limit(paging.limit)?;
    let position = reader
        .position(&[ApiKeyList::DEFINITION.name], paging.at_least)
        .await?;
    let read = query::list(&reader, after, limit + 1, clock.now()).await?;
    let page = Page::of(read, limit, |key| key.id.to_cursor());
    Ok(answer::ok(position, &page))
}
