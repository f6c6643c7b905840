//! `POST /api/v1/channels/{id}/disable`: deliveries wait until it is enabled again.

use actix_web::web;
use serde::Deserialize;
use tidings_domain::channel::{Channel, Command};
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
    "/api/v1/channels/{id}/disable",
    Access::Roles(&[Role::Operator]),
);

/// Why a channel is disabled.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({ "reason": "maintenance" }))]
pub(crate) struct Disabling {
    /// A short code in lower case with underscores.
    #[schema(default = "requested")]
    reason: String,
}

impl Default for Disabling {
    fn default() -> Self {
        Self {
            reason: "requested".to_owned(),
        }
    }
}

/// Disable a channel
#[utoipa::path(
    post, path = "/api/v1/channels/{id}/disable", tag = "channels", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The channel"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` you have seen"),
    ),
    request_body = inline(Option<Disabling>),
    responses(
        (status = 200, description = "Disabled, or it was already", body = Changed),
        (status = 404, description = "No such channel", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 412, description = "It has changed since", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "The reason is no code", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn disable(
    commands: web::Data<Commands>,
    id: web::Path<Uuid>,
    call: Call,
    body: MaybeJson<Disabling>,
) -> Result<Answer, Problem> {
    let mut values = Values::default();
    let reason = values.take("#/reason", Code::parse(&body.value.reason));
    let reason = values.all(reason)?;
    commands
        .change::<Channel>(*id, call, &body.raw, || Command::Disable {
            reason: reason.clone(),
        })
        .await
}
