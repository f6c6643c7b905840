//! `GET /api/v1/engagement/periods`: the months of engagement, and until when the evidence of each is kept.

use actix_web::{HttpResponse, web};
use tidings_event_store::view::{Month, View as _};
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;

use super::EngagementPeriods;
use super::query::{self, Period};
use crate::answer;
use crate::page::{self, Key, Page, Paging};
use crate::reader::Reader;
use tidings_service::access::{Access, Route};
use tidings_service::http::Query;

/// Who may.
pub const ROUTE: Route = (
    "GET",
    "/api/v1/engagement/periods",
    Access::Roles(&[Role::Operator, Role::Compliance]),
);

impl Key for Month {
    fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::parse(std::str::from_utf8(bytes).ok()?)
    }
}

/// Months of engagement
///
/// Newest first, each month in which a mail told that it was opened or that a link of it was followed. What is known of that
/// beyond its time and the kind of program (which link it was, and how the program called itself) is sealed under a key of
/// the month, and kept for as long as `engagement.keep_months` says; then the key is destroyed, and the counts stay.
///
/// # Errors
/// 400 for a cursor or limit that is none.
#[utoipa::path(
    get,
    path = "/api/v1/engagement/periods",
    operation_id = "list_engagement_periods",
    tag = "compliance",
    security(("bearer" = [])),
    params(Paging),
    responses(
        (status = 200, description = "A page of months.", body = Page<Period>, headers(
            ("View-Position" = i64, description = "Every event up to here is in the answer."),
        )),
        (status = 400, description = "The cursor or limit is none.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The view did not reach `at_least` in time.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn list_periods(
    reader: web::Data<Reader>,
    paging: Query<Paging>,
) -> Result<HttpResponse, Problem> {
    let before = Month::from_cursor(paging.cursor.as_deref())?;
    let limit = page::limit(paging.limit)?;
    let views = [EngagementPeriods::DEFINITION.name];
    let position = reader.position(&views, paging.at_least).await?;
    let read = query::list(&reader, before, limit + 1).await?;
    // Each row's month was parsed when it was folded.
    let page = Page::of(read, limit, |it| {
        Month::parse(&it.period).map_or_else(String::new, |month| month.to_cursor())
    });
    Ok(answer::ok(position, &page))
}
