//! `POST /api/v1/subscribers/{id}/resubscribe`: somebody asked to hear from us again.

use actix_web::web;
use tidings_domain::subscriber::{Command, ResubscribeMethod};
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
    "/api/v1/subscribers/{id}/resubscribe",
    Access::Roles(&[Role::Editor, Role::Compliance, Role::Service]),
);

/// Resubscribe somebody
///
/// To everything they left as a whole, to one topic (also one they never had), or to one channel. Only with their consent: it
/// is recorded that you say so. Whoever left everything does not come back by one topic or channel alone. An address that is
/// suppressed gets nothing all the same: see `GET /api/v1/suppressions`. They are told by mail, three times a day at most, unless
/// `notify` is false, or they have left all ways to them.
#[utoipa::path(
    post, path = "/api/v1/subscribers/{id}/resubscribe", tag = "subscribers", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The subscriber"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` you have seen"),
    ),
    request_body = inline(Option<Matter>),
    responses(
        (status = 200, description = "They want it again, from the next publication on", body = Changed),
        (status = 409, description = "They have yet to confirm their sign-up, or were erased", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 404, description = "No such subscriber", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 412, description = "It has changed since", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "There is no such topic or channel, or the evidence is no line", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn resubscribe(
    commands: web::Data<Commands>,
    id: web::Path<Uuid>,
    call: Call,
    body: MaybeJson<Matter>,
) -> Result<Answer, Problem> {
    let (what, evidence) = body.value.judge(&commands).await?;
    let command = || Command::Resubscribe {
        method: ResubscribeMethod::Api,
        evidence: evidence.clone(),
        what,
    };
    let told = body.value.is_told();
    word::carry_out(&commands, *id, (call, &body.raw), told, command).await
}
