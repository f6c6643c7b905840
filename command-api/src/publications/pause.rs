//! `POST /api/v1/publications/{id}/pause`: nothing more goes out for now.

use actix_web::web;
use serde::Deserialize;
use tidings_domain::publication::{Command, Publication};
use tidings_domain::value::Code;
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::{Answer, Changed};
use crate::commands::Commands;
use crate::refusal::Values;
use crate::request::{Call, MaybeJson};
use tidings_service::access::{Access, Route};

pub(crate) const ROUTE: Route = (
    "POST",
    "/api/v1/publications/{id}/pause",
    Access::Roles(&[Role::Editor, Role::Operator, Role::Service]),
);

/// Why a publication is paused.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({ "reason": "wrong_price" }))]
pub(crate) struct Pause {
    /// A short code in lower case with underscores.
    #[schema(default = "requested")]
    reason: String,
}

impl Default for Pause {
    fn default() -> Self {
        Self {
            reason: "requested".to_owned(),
        }
    }
}

/// Pause a publication
///
/// Deliveries under way end as they end; the others wait until it is resumed or cancelled.
#[utoipa::path(
    post, path = "/api/v1/publications/{id}/pause", tag = "publications", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The publication"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` you have seen"),
    ),
    request_body = inline(Option<Pause>),
    responses(
        (status = 200, description = "Paused, or it was already", body = Changed),
        (status = 404, description = "No such publication", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, description = "Nothing of it is being sent", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 412, description = "It has changed since", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "The reason is no code", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn pause(
    commands: web::Data<Commands>,
    id: web::Path<Uuid>,
    call: Call,
    body: MaybeJson<Pause>,
) -> Result<Answer, Problem> {
    let mut values = Values::default();
    let reason = values.take("#/reason", Code::parse(&body.value.reason));
    let reason = values.all(reason)?;
    let command = || Command::Pause {
        reason: reason.clone(),
    };
    commands
        .change::<Publication>(*id, call, &body.raw, command)
        .await
}
