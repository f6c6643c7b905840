//! `GET /api/v1/subscribers/{id}`: one subscriber.

use actix_web::{HttpResponse, web};
use tidings_event_store::view::View as _;
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;
use uuid::Uuid;

use super::{Subscriber, SubscriberProfile, query};
use crate::answer;
use crate::reader::Reader;
use crate::suppression_list::SuppressionList;
use tidings_service::access::{Access, Route};
use tidings_service::http::{AtLeast, Query};
use tidings_service::look::{Looker, Seen};

/// Who may.
pub const ROUTE: Route = (
    "GET",
    "/api/v1/subscribers/{id}",
    Access::Roles(&[Role::Compliance]),
);

/// One subscriber
///
/// Who they are, whether they want mail, and whether anything may be sent to them. That you have looked goes on record
/// before it is shown.
///
/// # Errors
/// 404 for an unknown id.
#[utoipa::path(
    get,
    path = "/api/v1/subscribers/{id}",
    operation_id = "get_subscriber",
    tag = "subscribers",
    security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The subscriber."),
        ("Look-Reason" = Option<String>, Header, description = "Why you look, in your words, UTF-8: it goes on record with the look. At most 500 characters."),
        AtLeast,
    ),
    responses(
        (status = 200, description = "The subscriber.", body = Subscriber, headers(
            ("View-Position" = i64, description = "Every event up to here is in the answer."),
            ("ETag" = String, description = "Their version and that of their record."),
            ("Log-Position" = i64, description = "Where the look is on record."),
        )),
        (status = 400, description = "The reason is not acceptable.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is none of that id.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The views did not reach `at_least` in time, or the look could not be put on record.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn get_subscriber(
    reader: web::Data<Reader>,
    id: web::Path<Uuid>,
    at: Query<AtLeast>,
    by: Looker,
) -> Result<HttpResponse, Problem> {
    let views = [
        SubscriberProfile::DEFINITION.name,
        SuppressionList::DEFINITION.name,
    ];
    let position = reader.position(&views, at.at_least).await?;
    let found = query::get(&reader, *id).await?;
    let subscriber = found.ok_or_else(|| answer::not_found(position, "subscriber", *id))?;
    let look = reader.look(by, *id, Seen::Profile).await?;
    let versions = (subscriber.version, subscriber.record_version);
    let mut response = answer::subscriber(position, versions, &subscriber);
    answer::looked(&mut response, look);
    Ok(response)
}
