//! `POST /api/v1/segments/{id}/archive`: nothing new uses it.

use actix_web::web;
use serde::Deserialize;
use tidings_domain::segment::{Command, Segment};
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
    "/api/v1/segments/{id}/archive",
    Access::Roles(&[Role::Editor, Role::Service]),
);

/// Why a segment is archived.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(example = json!({ "reason": "discontinued" }))]
pub(crate) struct ArchiveSegment {
    /// A short code in lower case with underscores.
    #[schema(default = "requested")]
    reason: String,
}

impl Default for ArchiveSegment {
    fn default() -> Self {
        Self {
            reason: "requested".to_owned(),
        }
    }
}

/// Archive a segment
///
/// Nothing new can use it. A publication that names it already goes to whom it picks. Its slug stays taken.
#[utoipa::path(
    post, path = "/api/v1/segments/{id}/archive", tag = "segments", operation_id = "archive_segment", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The segment"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` you have seen"),
    ),
    request_body = inline(Option<ArchiveSegment>),
    responses(
        (status = 200, description = "Archived, or it was already", body = Changed),
        (status = 404, description = "No such segment", body = ProblemBody,
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
    body: MaybeJson<ArchiveSegment>,
) -> Result<Answer, Problem> {
    let mut values = Values::default();
    let reason = values.take("#/reason", Code::parse(&body.value.reason));
    let reason = values.all(reason)?;
    let command = || Command::Archive {
        reason: reason.clone(),
    };
    commands
        .change::<Segment>(*id, call, &body.raw, command)
        .await
}
