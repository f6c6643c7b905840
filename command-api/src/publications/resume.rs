//! `POST /api/v1/publications/{id}/resume`: what was paused goes on.

use actix_web::web;
use tidings_domain::publication::{Command, Publication};
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
    "/api/v1/publications/{id}/resume",
    Access::Roles(&[Role::Editor, Role::Operator, Role::Service]),
);

/// Resume a publication
///
/// Its waiting deliveries go out, as far as they are due.
#[utoipa::path(
    post, path = "/api/v1/publications/{id}/resume", tag = "publications", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The publication"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` you have seen"),
    ),
    responses(
        (status = 200, description = "Resumed", body = Changed),
        (status = 404, description = "No such publication", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, description = "It is not paused", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 412, description = "It has changed since", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn resume(
    commands: web::Data<Commands>,
    id: web::Path<Uuid>,
    call: Call,
    body: MaybeJson<Nothing>,
) -> Result<Answer, Problem> {
    commands
        .change::<Publication>(*id, call, &body.raw, || Command::Resume)
        .await
}
