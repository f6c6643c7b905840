//! `POST /api/v1/api-keys/{id}/revoke`: nobody comes in with it any more.

use actix_web::web;
use serde::Deserialize;
use tidings_domain::api_key::{ApiKey, Command};
use tidings_domain::value::Code;
use tidings_service::Problem;
use tidings_service::problem::ProblemBody;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::{Answer, Changed};
use crate::commands::Commands;
use crate::refusal::Values;
use crate::request::{Call, MaybeJson};
use tidings_service::access::{Access, Route};

pub(crate) const ROUTE: Route = ("POST", "/api/v1/api-keys/{id}/revoke", Access::Roles(&[]));

/// What a restore gives as the reason.
const RESTORED: &str = "restored";

/// Why a key is revoked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({ "reason": "leaked" }))]
pub(crate) struct Revocation {
    /// A short code in lower case with underscores.
    #[schema(default = "requested")]
    reason: String,
}

impl Default for Revocation {
    fn default() -> Self {
        Self {
            reason: "requested".to_owned(),
        }
    }
}

/// Revoke an API key
///
/// No token of it lets anybody in from a second later on, in any process; in this one at once. It is for ever.
#[utoipa::path(
    post, path = "/api/v1/api-keys/{id}/revoke", operation_id = "revoke_api_key", tag = "api keys",
    security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The key"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` you have seen"),
    ),
    request_body = inline(Option<Revocation>),
    responses(
        (status = 200, description = "Revoked, or it was already", body = Changed),
        (status = 404, description = "No such key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "It has changed since", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "The reason is no code", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn revoke(
    commands: web::Data<Commands>,
    id: web::Path<Uuid>,
    call: Call,
    body: MaybeJson<Revocation>,
) -> Result<Answer, Problem> {
    let mut values = Values::default();
    let reason = values.take("#/reason", Code::parse(&body.value.reason));
    if body.value.reason == RESTORED {
        values.wrong("#/reason", "only a restore says so");
    }
    let reason = values.all(reason)?;
    let command = || Command::Revoke {
        reason: reason.clone(),
    };
    let revoked = commands
        .change::<ApiKey>(*id, call, &body.raw, command)
        .await;
    // Whatever came of it: what this process remembers of the key may be of before.
    commands.api_keys.forget(*id);
    revoked
}
