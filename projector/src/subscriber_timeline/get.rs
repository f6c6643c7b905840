//! `GET /api/v1/subscribers/{id}/timeline`: what happened to one subscriber, newest first.

use actix_web::{HttpResponse, web};
use tidings_event_store::view::View as _;
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;
use uuid::Uuid;

use super::held;
use super::people::Eyes;
use super::told::{self, Told};
use super::which::Which;
use crate::answer;
use crate::channel_list::ChannelList;
use crate::delivery_log::DeliveryLog;
use crate::page::{self, Key as _, Page};
use crate::publication_status::PublicationStatus;
use crate::reader::Reader;
use crate::topic_list::TopicList;
use tidings_service::access::{Access, Route};
use tidings_service::http::Query;
use tidings_service::look::{Looker, Seen};

/// Who may.
pub const ROUTE: Route = (
    "GET",
    "/api/v1/subscribers/{id}/timeline",
    Access::Roles(&[Role::Compliance]),
);

/// The names in the sentences come from these.
const NAMED_BY: [&str; 4] = [
    DeliveryLog::DEFINITION.name,
    PublicationStatus::DEFINITION.name,
    ChannelList::DEFINITION.name,
    TopicList::DEFINITION.name,
];

/// What happened to a subscriber
///
/// Newest first, every event that is about them, in plain words: their sign-up and what they wanted since, each message to
/// them and what became of it, who looked at their data, and what was said on the suppression list of an address, or of its
/// domain, while they held it. As the log has it at this moment; what was erased is said to be, and of whom nothing can be
/// opened any more it cannot be told which addresses they held. That you have looked goes on record before it is shown, and
/// is in the next look.
///
/// # Errors
/// 404 when the log knows nothing of them.
#[utoipa::path(
    get,
    path = "/api/v1/subscribers/{id}/timeline",
    operation_id = "get_timeline",
    tag = "compliance",
    security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The subscriber."),
        ("Look-Reason" = Option<String>, Header, description = "Why you look, in your words, UTF-8: it goes on record with the look. At most 500 characters."),
        Which,
    ),
    responses(
        (status = 200, description = "A page of events.", body = Page<Told>, headers(
            ("View-Position" = i64, description = "The names in the sentences are as new as this."),
            ("Log-Position" = i64, description = "Where the look is on record."),
        )),
        (status = 400, description = "The cursor, limit or reason is none.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "The log knows nothing of them, or has no such event of them.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The views did not reach `at_least` in time, or the look could not be put on record.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn get_timeline(
    reader: web::Data<Reader>,
    id: web::Path<Uuid>,
    which: Query<Which>,
    by: Looker,
) -> Result<HttpResponse, Problem> {
    let before = i64::from_cursor(which.cursor.as_deref())?;
    let limit = page::limit(which.limit)?;
    let position = reader.position(&NAMED_BY, which.at_least).await?;
    let held::Story {
        positions: all,
        held,
    } = held::story(&reader, *id).await?;
    let wanted: Vec<i64> = match which.position {
        Some(only) => all.into_iter().filter(|it| *it == only).collect(),
        None if all.is_empty() => all,
        None => {
            let end = before.map_or(all.len(), |before| all.partition_point(|it| *it < before));
            let shown = usize::try_from(limit + 1).unwrap_or(usize::MAX);
            all[end.saturating_sub(shown)..end].to_vec()
        }
    };
    if wanted.is_empty() && before.is_none() {
        return Err(Problem::not_found(format!(
            "The log has no such event of a subscriber {id}."
        )));
    }
    let events = told::newest_first(&reader, &wanted).await?;
    let told = told::tell(&reader, (*id, &held), &events, Eyes::Officer).await?;
    let told = told.into_iter().map(|(told, _)| told).collect();
    let page = Page::of(told, limit, |told: &Told| told.position.to_cursor());
    let look = reader.look(by, *id, Seen::Timeline).await?;
    let mut response = answer::ok(position, &page);
    answer::looked(&mut response, look);
    Ok(response)
}
