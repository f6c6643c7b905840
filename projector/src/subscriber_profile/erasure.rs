//! `GET /api/v1/subscribers/{id}/erasure`: how far an erasure is, and its receipt once it is done.

use std::time::Duration;

use actix_web::http::header::ContentType;
use actix_web::{HttpResponse, web};
use serde::Serialize;
use tidings_event_store::receipt::{self, Erasure};
use tidings_event_store::view::{Reached, View as _, reached};
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::SubscriberProfile;
use crate::reader::{Reader, unloadable, unreadable};
use tidings_service::access::{Access, Route};
use tidings_service::http::{Nothing, Query};

/// Who may.
pub const ROUTE: Route = (
    "GET",
    "/api/v1/subscribers/{id}/erasure",
    Access::Roles(&[Role::Compliance]),
);

/// An erasure under way.
#[derive(Serialize, ToSchema)]
pub struct UnderWay {
    /// The subscriber.
    pub subscriber_id: Uuid,
    /// Always `requested`.
    #[schema(example = "requested")]
    pub state: &'static str,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    pub requested_at: OffsetDateTime,
    /// When their key was destroyed; null: it is not yet, as long as the view of subscribers has not come to the request. What is left then is to make sure that nothing under way still
    /// names them: an attempt, an import, a rebuild.
    #[serde(with = "time::serde::rfc3339::option")]
    pub key_destroyed_at: Option<OffsetDateTime>,
    /// What stands in its way, in words, as it was found last; null: nothing is known to, and it is done in a moment.
    #[schema(
        example = "import 01890a5d-ac96-774b-bcce-b302099a8057 is under way and may name them"
    )]
    pub waits_for: Option<String>,
}

/// The receipt of an erasure
///
/// Which keys were destroyed and when, what remains and why, signed (Ed25519) with the key of the witness. Keep the bytes
/// as they come: `tidings audit check` checks them offline. As the log has it at this moment.
///
/// # Errors
/// 404 when nobody asked for an erasure.
#[utoipa::path(
    get,
    path = "/api/v1/subscribers/{id}/erasure",
    operation_id = "get_erasure",
    tag = "subscribers",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The subscriber.")),
    responses(
        (status = 200, description = "The receipt: one JSON object that ends with its `signature`.", content_type = "application/json", body = Object),
        (status = 202, description = "It is under way; nothing goes out to them any more.", body = UnderWay),
        (status = 404, description = "Nobody asked for an erasure.", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn get_erasure(
    reader: web::Data<Reader>,
    id: web::Path<Uuid>,
    _nothing: Query<Nothing>,
) -> Result<HttpResponse, Problem> {
    let erasure = receipt::erasure(reader.store(), *id).await;
    match erasure.map_err(|error| unloadable(&error))? {
        Erasure::None => Err(Problem::not_found(format!(
            "Nobody asked for the erasure of a subscriber {id}."
        ))),
        Erasure::Requested {
            requested,
            key_destroyed_at,
        } => Ok(HttpResponse::Accepted().json(UnderWay {
            subscriber_id: *id,
            state: "requested",
            requested_at: requested.at,
            key_destroyed_at,
            waits_for: waits_for(&reader, *id, requested.position).await?,
        })),
        Erasure::Erased(receipt) => Ok(HttpResponse::Ok()
            .content_type(ContentType::json())
            .body(receipt)),
    }
}

/// What an erasure waits for. Whoever erases finds the request in the view, so what keeps that back keeps it back too.
async fn waits_for(
    reader: &Reader,
    subscriber_id: Uuid,
    requested: i64,
) -> Result<Option<String>, Problem> {
    let view = SubscriberProfile::DEFINITION.name;
    let log = reader.store().log();
    let found = reached(log, &[view], Some(requested), Duration::ZERO).await;
    Ok(match found.map_err(|error| unreadable(&error))? {
        Reached::At(_) => reader.erasure_waits_for(subscriber_id),
        Reached::Behind(_) | Reached::Unborn => Some(match reader.stops().why(view) {
            Some(_) => format!(
                "the view {view} has stopped before the request, and the log of the platform says why"
            ),
            None => format!("the view {view} has not come to the request yet"),
        }),
    })
}
