//! `POST /api/v1/publications/{id}/cancel`: whatever was not sent yet stays unsent.

use actix_web::web;
use serde::Deserialize;
use tidings_domain::publication::{Command, Publication};
use tidings_domain::value::Code;
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;
use utoipa::ToSchema;
use uuid::Uuid;

use super::COLLECTION;
use crate::answer::{Answer, Changed};
use crate::commands::Commands;
use crate::refusal::Values;
use crate::request::{Call, MaybeJson};
use tidings_service::access::{Access, Route};

pub(crate) const ROUTE: Route = (
    "POST",
    "/api/v1/publications/{id}/cancel",
    Access::Roles(&[Role::Editor, Role::Operator, Role::Service]),
);

/// Why a publication is cancelled.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({ "reason": "wrong_price" }))]
pub(crate) struct Cancellation {
    /// A short code in lower case with underscores.
    #[schema(default = "cancelled_by_editor")]
    reason: String,
}

impl Default for Cancellation {
    fn default() -> Self {
        Self {
            reason: "cancelled_by_editor".to_owned(),
        }
    }
}

/// Cancel a publication
///
/// Deliveries under way end as they end; the others are not sent.
#[utoipa::path(
    post, path = "/api/v1/publications/{id}/cancel", tag = "publications", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The publication"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` you have seen"),
    ),
    request_body = inline(Option<Cancellation>),
    responses(
        (status = 202, description = "Cancelled; `Location` shows what was sent before", body = Changed),
        (status = 404, description = "No such publication", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, description = "It is completed already", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 412, description = "It has changed since", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "The reason is no code", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn cancel(
    commands: web::Data<Commands>,
    id: web::Path<Uuid>,
    call: Call,
    body: MaybeJson<Cancellation>,
) -> Result<Answer, Problem> {
    let mut values = Values::default();
    let reason = values.take("#/reason", Code::parse(&body.value.reason));
    let reason = values.all(reason)?;
    let command = || Command::Cancel {
        reason: reason.clone(),
    };
    Ok(commands
        .change::<Publication>(*id, call, &body.raw, command)
        .await?
        .accepted(COLLECTION))
}
