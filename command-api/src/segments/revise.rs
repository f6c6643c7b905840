//! `PUT /api/v1/segments/{id}`: the same segment picks others.

use actix_web::web;
use tidings_domain::segment::{Command, Segment};
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::http::Json;
use tidings_service::problem::ProblemBody;
use uuid::Uuid;

use super::definition::SegmentDefinition;
use crate::answer::{Answer, Changed};
use crate::commands::Commands;
use crate::refusal::Values;
use crate::request::Call;
use tidings_service::access::{Access, Route};

pub(crate) const ROUTE: Route = (
    "PUT",
    "/api/v1/segments/{id}",
    Access::Roles(&[Role::Editor, Role::Service]),
);

/// Revise a segment
///
/// All that can change, anew: what is left out is taken away. The slug stays. Publications that name it go to whom it picks
/// when their audience is frozen; once it is, nothing changes.
#[utoipa::path(
    put, path = "/api/v1/segments/{id}", tag = "segments", operation_id = "revise_segment", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The segment"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` you have seen"),
    ),
    request_body = SegmentDefinition,
    responses(
        (status = 200, description = "Revised", body = Changed),
        (status = 404, description = "No such segment", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, description = "It is archived", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 412, description = "It has changed since", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "Some values are not acceptable", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn revise(
    commands: web::Data<Commands>,
    id: web::Path<Uuid>,
    call: Call,
    body: Json<SegmentDefinition>,
) -> Result<Answer, Problem> {
    let mut values = Values::default();
    let definition = body.value.judge(&commands, &mut values).await?;
    let definition = values.all(definition)?;
    let command = || Command::Revise(definition.clone());
    commands
        .change::<Segment>(*id, call, &body.raw, command)
        .await
}
