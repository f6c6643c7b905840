//! `GET /api/v1/subscribers/{id}/preferences`: what somebody chose.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use serde::Serialize;
use tidings_event_store::view::View as _;
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;
use tokio_postgres::Row;
use utoipa::ToSchema;
use uuid::Uuid;

use super::SubscriberProfile;
use crate::answer;
use crate::reader::Reader;
use tidings_service::access::{Access, Route};
use tidings_service::http::{AtLeast, Query};
use tidings_service::look::{Looker, Seen};

/// Who may.
pub const ROUTE: Route = (
    "GET",
    "/api/v1/subscribers/{id}/preferences",
    Access::Roles(&[Role::Compliance]),
);

/// What somebody chose.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Preferences {
    /// The subscriber.
    pub id: Uuid,
    /// active, pending, unsubscribed or erased: only who is active gets anything.
    #[schema(example = "active")]
    pub state: String,
    /// Of each topic they left or asked for, whether they want it. Of all others the topic's `default` decides.
    pub topics: BTreeMap<Uuid, bool>,
    /// The channels they want nothing by.
    pub left_channel_ids: Vec<Uuid>,
    /// How and when they want to get what they get, as it is set; null: they never said, or were erased.
    #[schema(value_type = Option<Object>)]
    pub preferences: Option<serde_json::Value>,
    /// Their version.
    pub version: i32,
}

const SELECT: &str = "select subscriber_id, state, topics, left_channels, preferences, version \
     from publishing_subscriber_profile where subscriber_id = $1 and signed_up_at is not null";

/// One subscriber's choices
///
/// What they left or asked for one by one, and how and when they want to get what they get. The `PUT` of this path sets
/// `preferences` alone.
///
/// # Errors
/// 404 for an unknown id.
#[utoipa::path(
    get,
    path = "/api/v1/subscribers/{id}/preferences",
    operation_id = "get_preferences",
    tag = "subscribers",
    security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The subscriber."),
        ("Look-Reason" = Option<String>, Header, description = "Why you look, in your words, UTF-8: it goes on record with the look. At most 500 characters."),
        AtLeast,
    ),
    responses(
        (status = 200, description = "What they chose.", body = Preferences, headers(
            ("View-Position" = i64, description = "Every event up to here is in the answer."),
            ("ETag" = String, description = "Their version."),
            ("Log-Position" = i64, description = "Where the look is on record."),
        )),
        (status = 400, description = "The reason is not acceptable.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "There is none of that id.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "The view did not reach `at_least` in time, or the look could not be put on record.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn get_preferences(
    reader: web::Data<Reader>,
    id: web::Path<Uuid>,
    at: Query<AtLeast>,
    by: Looker,
) -> Result<HttpResponse, Problem> {
    let views = [SubscriberProfile::DEFINITION.name];
    let position = reader.position(&views, at.at_least).await?;
    let found = get(&reader, *id).await?;
    let found = found.ok_or_else(|| answer::not_found(position, "subscriber", *id))?;
    let look = reader.look(by, *id, Seen::Profile).await?;
    let mut response = answer::resource(position, found.version, &found);
    answer::looked(&mut response, look);
    Ok(response)
}

/// What one subscriber chose.
pub(crate) async fn get(reader: &Reader, id: Uuid) -> Result<Option<Preferences>, Problem> {
    let rows = reader.rows(SELECT, &[&id]).await?;
    Ok(rows.first().map(preferences))
}

fn preferences(row: &Row) -> Preferences {
    Preferences {
        id: row.get("subscriber_id"),
        state: row.get("state"),
        topics: ids(row, "topics"),
        left_channel_ids: ids(row, "left_channels")
            .into_iter()
            .filter_map(|(id, left)| left.then_some(id))
            .collect(),
        preferences: row.get("preferences"),
        version: row.get("version"),
    }
}

/// What is said by id in a column.
pub(super) fn ids(row: &Row, column: &str) -> BTreeMap<Uuid, bool> {
    let ids: Option<serde_json::Value> = row.get(column);
    ids.and_then(|ids| serde_json::from_value(ids).ok())
        .unwrap_or_default()
}
