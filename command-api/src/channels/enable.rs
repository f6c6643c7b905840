//! `POST /api/v1/channels/{id}/enable`: deliveries go out again.

use actix_web::web;
use tidings_domain::channel::{Channel, Command};
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;
use uuid::Uuid;

use crate::answer::{Answer, Changed};
use crate::commands::Commands;
use crate::request::{Call, MaybeJson, Nothing};
use tidings_service::access::{Access, Route};

pub(crate) const ROUTE: Route = (
    "POST",
    "/api/v1/channels/{id}/enable",
    Access::Roles(&[Role::Operator]),
);

/// Enable a channel
///
/// Also of one that is enabled: what it had kept back because nothing got through is due then, its circuit is closed, and it
/// rests no longer where the receiving side had asked for fewer messages. One that can not be used as it is set up stays so.
#[utoipa::path(
    post, path = "/api/v1/channels/{id}/enable", tag = "channels", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The channel"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` you have seen"),
    ),
    responses(
        (status = 200, description = "Enabled", body = Changed),
        (status = 404, description = "No such channel", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 412, description = "It has changed since", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn enable(
    commands: web::Data<Commands>,
    id: web::Path<Uuid>,
    call: Call,
    body: MaybeJson<Nothing>,
) -> Result<Answer, Problem> {
    commands
        .change::<Channel>(*id, call, &body.raw, || Command::Enable)
        .await
}
