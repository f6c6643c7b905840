//! `POST /api/v1/subscribers/{id}/unsubscribe`: somebody asked us to stop, by another way than a link.

use actix_web::web;
use tidings_domain::subscriber::{Command, UnsubscribeMethod};
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;
use uuid::Uuid;

use super::matter::Matter;
use super::word;
use crate::answer::{Answer, Changed};
use crate::commands::Commands;
use crate::request::{Call, MaybeJson};
use tidings_service::access::{Access, Route};

pub(crate) const ROUTE: Route = (
    "POST",
    "/api/v1/subscribers/{id}/unsubscribe",
    Access::Roles(&[Role::Editor, Role::Compliance, Role::Service]),
);

/// Unsubscribe somebody
///
/// From everything, one topic or one channel. Of one topic or channel they are told by mail, three times a day at most, unless
/// `notify` is false, or they have left all ways to them; who leaves everything is not.
#[utoipa::path(
    post, path = "/api/v1/subscribers/{id}/unsubscribe", tag = "subscribers", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The subscriber"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` you have seen"),
    ),
    request_body = inline(Option<Matter>),
    responses(
        (status = 200, description = "Nothing of it goes out to them from here on", body = Changed),
        (status = 404, description = "No such subscriber", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 412, description = "It has changed since", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "There is no such topic or channel, or the evidence is no line", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn unsubscribe(
    commands: web::Data<Commands>,
    id: web::Path<Uuid>,
    call: Call,
    body: MaybeJson<Matter>,
) -> Result<Answer, Problem> {
    let (what, evidence) = body.value.judge(&commands).await?;
    let command = || Command::Unsubscribe {
        method: UnsubscribeMethod::Api,
        delivery_id: None,
        evidence: evidence.clone(),
        what,
    };
    let told = body.value.is_told();
    word::carry_out(&commands, *id, (call, &body.raw), told, command).await
}
