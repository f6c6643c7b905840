//! `POST /api/v1/segments`: conditions get a name.

use actix_web::web;
use serde::Deserialize;
use serde_json::Value;
use tidings_domain::segment::{Command, Segment};
use tidings_domain::stream_id;
use tidings_domain::value::Slug;
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::http::Json;
use tidings_service::problem::ProblemBody;
use utoipa::ToSchema;

use super::COLLECTION;
use super::definition::SegmentDefinition;
use crate::answer::{Answer, Changed};
use crate::commands::Commands;
use crate::refusal::{self, Values};
use crate::request::Call;
use tidings_service::access::{Access, Route};

pub(crate) const ROUTE: Route = (
    "POST",
    COLLECTION,
    Access::Roles(&[Role::Editor, Role::Service]),
);

/// A segment to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "slug": "london-members",
    "name": "Members in London",
    "conditions": { "all": [{ "attribute": "city", "is": "London" }, { "tag": "member" }] },
}))]
pub(crate) struct NewSegment {
    /// How it is named, for ever: lower-case letters and digits, with single hyphens between them.
    slug: String,
    /// What editors see it called: one line.
    name: String,
    /// One line about it.
    description: Option<String>,
    /// Whom it picks: `POST /api/v1/segments/preview` says how, and tries it. What identifies a single person does not
    /// belong in it: no erasure reaches it.
    #[schema(value_type = Object)]
    conditions: Value,
}

/// Define a segment
#[utoipa::path(
    post, path = "/api/v1/segments", tag = "segments", operation_id = "define_segment", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat")),
    request_body = NewSegment,
    responses(
        (status = 201, description = "Defined; `Location` names it", body = Changed),
        (status = 409, description = "There is a segment of that slug, or was", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "Some values are not acceptable", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn define(
    commands: web::Data<Commands>,
    call: Call,
    body: Json<NewSegment>,
) -> Result<Answer, Problem> {
    let NewSegment {
        slug,
        name,
        description,
        conditions,
    } = body.value;
    let mut values = Values::default();
    let slug = values.take("#/slug", Slug::parse(&slug));
    let definition = SegmentDefinition {
        name,
        description,
        conditions,
    };
    let definition = definition.judge(&commands, &mut values).await?;
    let (slug, definition) = values.all(slug.zip(definition))?;
    let request = call.begin(&commands, &body.raw).await?;
    let id = stream_id::segment(&commands.id_key, &slug);
    let command = || Command::Define {
        slug: slug.clone(),
        definition: definition.clone(),
    };
    let executed = commands
        .store
        .execute::<Segment>(id, &request.context, None, command)
        .await
        .map_err(refusal::of)?;
    Ok(Answer::of(&executed, &request.context)?.created(COLLECTION))
}
