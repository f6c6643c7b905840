//! `GET /api/v1/topics/{id}`: one topic.

use actix_web::{HttpResponse, web};
use tidings_event_store::view::View as _;
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;
use uuid::Uuid;

use super::{Topic, TopicList, query};
use crate::answer;
use crate::reader::Reader;
use tidings_service::access::{Access, Route};
use tidings_service::http::{AtLeast, Query};

/// Who may.
pub const ROUTE: Route = (
    "GET",
    "/api/v1/topics/{id}",
    Access::Roles(&[
        Role::Editor,
        Role::Operator,
        Role::Compliance,
        Role::Service,
    ]),
);

/// One topic
///
/// What readers are told of it, who gets it, and who its mails come from.
///
/// # Errors
/// 404 for an unknown id.
#[utoipa::path(
    get,
    path = "/api/v1/topics/{id}",
    operation_id = "get_topic",
    tag = "topics",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The topic."), AtLeast),
    responses(
        (status = 200, description = "The topic.", body = Topic, headers(
            ("View-Position" = i64, description = "Every event up to here is in the answer."),
            ("ETag" = String, description = "Its version."),
        )),
        (status = 404, description = "There is none of that id.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The view did not reach `at_least` in time.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn get_topic(
    reader: web::Data<Reader>,
    id: web::Path<Uuid>,
    at: Query<AtLeast>,
) -> Result<HttpResponse, Problem> {
    let position = reader
        .position(&[TopicList::DEFINITION.name], at.at_least)
        .await?;
    let found = query::get(&reader, *id).await?;
    let topic = found.ok_or_else(|| answer::not_found(position, "topic", *id))?;
    Ok(answer::resource(position, topic.version, &topic))
}
