//! `POST /api/v1/api-keys/{id}/rotate`: the same key, with another secret.

use actix_web::web;
use serde::Deserialize;
use tidings_domain::api_key::{ApiKey, Command};
use tidings_domain::token::ApiKeyToken;
use tidings_service::Problem;
use tidings_service::problem::ProblemBody;
use utoipa::ToSchema;
use uuid::Uuid;

use super::issued::{IssuedAnswer, IssuedKey};
use super::life;
use crate::commands::Commands;
use crate::refusal::{self, Values};
use crate::request::{Call, MaybeJson};
use tidings_service::access::{Access, Route};

pub(crate) const ROUTE: Route = ("POST", "/api/v1/api-keys/{id}/rotate", Access::Roles(&[]));

/// How a key changes its secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({ "overlap_s": 86_400 }))]
pub(crate) struct Rotation {
    /// How long the tokens of before go on, in seconds; 0: they end now. At most 30 days.
    #[schema(default = 86_400, maximum = 2_592_000)]
    overlap_s: u64,
    /// From then on the key lets nobody in; when it ended anyway, if it is left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<String>,
}

impl Default for Rotation {
    fn default() -> Self {
        Self {
            overlap_s: life::OVERLAP_S,
            expires_at: None,
        }
    }
}

/// Give an API key another secret
///
/// The answer has its token, this once. Put it in the place of the one of before while that still works; the key shows
/// when a token of before was used last.
#[utoipa::path(
    post, path = "/api/v1/api-keys/{id}/rotate", operation_id = "rotate_api_key", tag = "api keys",
    security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The key"),
        ("Idempotency-Key" = Option<String>, Header, description = "A repeat of the request rotates once"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` you have seen"),
    ),
    request_body = inline(Option<Rotation>),
    responses(
        (status = 200, description = "Rotated", body = IssuedKey),
        (status = 404, description = "No such key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "It is revoked or has expired, has too many secrets, or the same request has rotated it before",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "It has changed since", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "Some values are not acceptable", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn rotate(
    commands: web::Data<Commands>,
    id: web::Path<Uuid>,
    call: Call,
    body: MaybeJson<Rotation>,
) -> Result<IssuedAnswer, Problem> {
    let (id, now) = (*id, commands.clock.now());
    let mut values = Values::default();
    let overlap = life::overlap(&mut values, body.value.overlap_s);
    let expires_at = life::expires_at(&mut values, body.value.expires_at.as_deref(), now);
    let (overlap, expires_at) = values.all(overlap.zip(expires_at))?;
    let if_match = call.if_match;
    let request = call.begin(&commands, &body.raw).await?;
    let token = ApiKeyToken::new(id, commands.ids.bytes());
    let command = || Command::Rotate {
        hash: token.hash(),
        previous_until: (!overlap.is_zero()).then(|| now + overlap),
        expires_at,
        prefix: token.prefix(),
        at: now,
    };
    let executed = commands
        .store
        .execute::<ApiKey>(id, &request.context, if_match, command)
        .await;
    // Whatever came of it: what this process remembers of the key may be of before.
    commands.api_keys.forget(id);
    let executed = executed.map_err(refusal::of)?;
    IssuedAnswer::of(&executed, &request.context, token)
}
