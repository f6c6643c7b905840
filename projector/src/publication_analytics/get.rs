//! `GET /api/v1/analytics/publications/{id}`: how it went, by channel and hour.

use actix_web::{HttpResponse, web};
use tidings_event_store::view::View as _;
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;
use time::OffsetDateTime;
use uuid::Uuid;

use super::query::{self, Hour};
use crate::answer;
use crate::delivery_log::DeliveryLog;
use crate::page::{self, Key, Page, Paging};
use crate::publication_status::{self, PublicationStatus};
use crate::reader::Reader;
use tidings_service::access::{Access, Route};
use tidings_service::http::Query;

/// Who may.
pub const ROUTE: Route = (
    "GET",
    "/api/v1/analytics/publications/{id}",
    Access::Roles(&[
        Role::Editor,
        Role::Operator,
        Role::Compliance,
        Role::Service,
    ]),
);

/// Hour and channel, in the order of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct HourKey(OffsetDateTime, Uuid);

impl Key for HourKey {
    fn to_bytes(&self) -> Vec<u8> {
        [
            &self.0.unix_timestamp().to_be_bytes(),
            self.1.as_bytes().as_slice(),
        ]
        .concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (hour, channel_id) = bytes.split_first_chunk::<8>()?;
        let hour = OffsetDateTime::from_unix_timestamp(i64::from_be_bytes(*hour)).ok()?;
        // No delivery is older, and no database knows such times.
        let hour = Some(hour).filter(|hour| hour.year() > 0)?;
        Some(Self(hour, Uuid::from_slice(channel_id).ok()?))
    }
}

/// How a publication went
///
/// Settled deliveries by hour and channel. A delivery counts in the hour its last word came; one that is
/// still pending does not count yet.
///
/// # Errors
/// 404 for an unknown id.
#[utoipa::path(
    get,
    path = "/api/v1/analytics/publications/{id}",
    operation_id = "get_publication_analytics",
    tag = "analytics",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The publication."), Paging),
    responses(
        (status = 200, description = "A page of hours.", body = Page<Hour>, headers(
            ("View-Position" = i64, description = "Every event up to here is in the answer."),
        )),
        (status = 400, description = "The cursor or limit is none.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is none of that id.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The views did not reach `at_least` in time.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn get_analytics(
    reader: web::Data<Reader>,
    id: web::Path<Uuid>,
    paging: Query<Paging>,
) -> Result<HttpResponse, Problem> {
    let after = HourKey::from_cursor(paging.cursor.as_deref())?;
    let limit = page::limit(paging.limit)?;
    let views = [
        PublicationStatus::DEFINITION.name,
        DeliveryLog::DEFINITION.name,
    ];
    let position = reader.position(&views, paging.at_least).await?;
    if publication_status::get_row(&reader, *id).await?.is_none() {
        return Err(answer::not_found(position, "publication", *id));
    }
    let after = after.map(|HourKey(hour, channel_id)| (hour, channel_id));
    let read = query::hours(&reader, *id, after, limit + 1).await?;
    let page = Page::of(read, limit, |row| {
        HourKey(row.hour, row.channel_id).to_cursor()
    });
    Ok(answer::ok(position, &page))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn a_cursor_names_hour_and_channel() {
        let key = HourKey(datetime!(2026-03-01 10:00 UTC), Uuid::from_u128(7));
        let cursor = key.to_cursor();
        assert_eq!(HourKey::from_cursor(Some(&cursor)).unwrap(), Some(key));
        assert!(HourKey::from_cursor(Some(&Uuid::nil().to_cursor())).is_err());
        let ancient = HourKey(datetime!(-5000-01-01 0:00 UTC), Uuid::nil());
        assert!(HourKey::from_cursor(Some(&ancient.to_cursor())).is_err());
    }
}
