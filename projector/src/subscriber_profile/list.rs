//! `GET /api/v1/subscribers`: who there is, without saying who they are.

use actix_web::{HttpResponse, web};
use tidings_event_store::view::View as _;
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;
use uuid::Uuid;

use super::SubscriberProfile;
use super::listed::{self, ListedSubscriber, Which};
use crate::answer;
use crate::page::{self, Key as _, Page};
use crate::reader::Reader;
use crate::segment_list::SegmentList;
use crate::suppression_list::SuppressionList;
use crate::topic_list::TopicList;
use tidings_service::access::{Access, Route};
use tidings_service::http::Query;

/// Who may.
pub const ROUTE: Route = (
    "GET",
    "/api/v1/subscribers",
    Access::Roles(&[Role::Editor, Role::Compliance, Role::Service]),
);

/// Subscribers
///
/// By id, a page at a time, their addresses masked. Who has an address is found by `POST /api/v1/subscribers/find`, and
/// who somebody is by `GET /api/v1/subscribers/{id}`; both go on record.
///
/// # Errors
/// 400 for a filter, cursor or limit that is none.
#[utoipa::path(
    get,
    path = "/api/v1/subscribers",
    operation_id = "list_subscribers",
    tag = "subscribers",
    security(("bearer" = [])),
    params(Which),
    responses(
        (status = 200, description = "A page of subscribers.", body = Page<ListedSubscriber>, headers(
            ("View-Position" = i64, description = "Every event up to here is in the answer."),
        )),
        (status = 400, description = "A filter, the cursor or the limit is none.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The views did not reach `at_least` in time.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn list_subscribers(
    reader: web::Data<Reader>,
    which: Query<Which>,
) -> Result<HttpResponse, Problem> {
    let after = Uuid::from_cursor(which.cursor.as_deref())?;
    let limit = page::limit(which.limit)?;
    let views = [
        SubscriberProfile::DEFINITION.name,
        SuppressionList::DEFINITION.name,
        TopicList::DEFINITION.name,
        SegmentList::DEFINITION.name,
    ];
    let position = reader.position(&views, which.at_least).await?;
    let read = listed::list(&reader, &which, after, limit + 1).await?;
    let page = Page::of(read, limit, |subscriber| subscriber.id.to_cursor());
    Ok(answer::ok(position, &page))
}
