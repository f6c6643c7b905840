//! `GET /api/v1/suppressions`: what nothing may be sent to.

use actix_web::{HttpResponse, web};
use tidings_event_store::view::View as _;
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;
use uuid::Uuid;

use super::query::Which;
use super::{Suppression, SuppressionList, causes, holders, query};
use crate::answer;
use crate::page::{self, Key as _, Page};
use crate::reader::Reader;
use crate::subscriber_profile::SubscriberProfile;
use tidings_service::access::{Access, Route};
use tidings_service::http::Query;

/// Who may.
pub const ROUTE: Route = (
    "GET",
    "/api/v1/suppressions",
    Access::Roles(&[Role::Operator, Role::Compliance]),
);

const READS: [&str; 2] = [
    SuppressionList::DEFINITION.name,
    SubscriberProfile::DEFINITION.name,
];

/// Suppressions
///
/// Those that stand, by id, a page at a time, with since when and by what. Of an address no more than a mask is shown, and that
/// only while a subscriber has it, since it is kept nowhere else: `POST /api/v1/suppressions/find` finds one's.
///
/// # Errors
/// 400 for a reason, cursor or limit that is none.
#[utoipa::path(
    get,
    path = "/api/v1/suppressions",
    operation_id = "list_suppressions",
    tag = "suppressions",
    security(("bearer" = [])),
    params(Which),
    responses(
        (status = 200, description = "A page of suppressions.", body = Page<Suppression>, headers(
            ("View-Position" = i64, description = "Every event up to here is in the answer."),
        )),
        (status = 400, description = "The reason, cursor or limit is none.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The views did not reach `at_least` in time.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn list_suppressions(
    reader: web::Data<Reader>,
    which: Query<Which>,
) -> Result<HttpResponse, Problem> {
    let after = Uuid::from_cursor(which.cursor.as_deref())?;
    let limit = page::limit(which.limit)?;
    let position = reader.position(&READS, which.at_least).await?;
    let read = query::list(&reader, which.reason, after, limit + 1).await?;
    let mut page = Page::of(read, limit, |suppression| suppression.id.to_cursor());
    causes::tell(&reader, &mut page.items).await?;
    holders::tell(&reader, &mut page.items).await?;
    Ok(answer::ok(position, &page))
}
