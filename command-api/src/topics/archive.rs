//! `POST /api/v1/topics/{id}/archive`: nothing new is published about it.

use actix_web::web;
use serde::Deserialize;
use tidings_domain::topic::{Command, Topic};
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
    "/api/v1/topics/{id}/archive",
    Access::Roles(&[Role::Editor, Role::Service]),
);

/// Why a topic is archived.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({ "reason": "discontinued" }))]
pub(crate) struct Archive {
    /// A short code in lower case with underscores.
    #[schema(default = "requested")]
    reason: String,
}

impl Default for Archive {
    fn default() -> Self {
        Self {
            reason: "requested".to_owned(),
        }
    }
}

/// Archive a topic
///
/// No new publication can name it and no reader is offered it; what is published goes on. Its slug stays taken.
#[utoipa::path(
    post, path = "/api/v1/topics/{id}/archive", tag = "topics", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The topic"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` you have seen"),
    ),
    request_body = inline(Option<Archive>),
    responses(
        (status = 200, description = "Archived, or it was already", body = Changed),
        (status = 404, description = "No such topic", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 412, description = "It has changed since", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "The reason is no code", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn archive(
    commands: web::Data<Commands>,
    id: web::Path<Uuid>,
    call: Call,
    body: MaybeJson<Archive>,
) -> Result<Answer, Problem> {
    let mut values = Values::default();
    let reason = values.take("#/reason", Code::parse(&body.value.reason));
    let reason = values.all(reason)?;
    let command = || Command::Archive {
        reason: reason.clone(),
    };
    commands
        .change::<Topic>(*id, call, &body.raw, command)
        .await
}
