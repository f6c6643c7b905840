//! `PUT /api/v1/publications/{id}`: an editor writes it anew, while it is a draft.

use actix_web::web;
use tidings_domain::publication::{Command, Publication};
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;
use uuid::Uuid;

use super::aim;
use super::body::ContentBody;
use super::content::{HTML_FILE, MARKDOWN_FILE, PublicationContent, judge};
use crate::answer::{Answer, Changed};
use crate::commands::Commands;
use crate::refusal;
use crate::request::Call;
use tidings_service::access::{Access, Route};

pub(crate) const ROUTE: Route = (
    "PUT",
    "/api/v1/publications/{id}",
    Access::Roles(&[Role::Editor, Role::Service]),
);

/// Replace a draft's content
///
/// By any body that a draft is made of. A draft that names segments is only revised by one that has both `segments` and
/// `excluded_segments`.
#[utoipa::path(
    put, path = "/api/v1/publications/{id}", tag = "publications", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The publication"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` you have seen"),
    ),
    request_body(content(
        (PublicationContent = "application/json"),
        (String = "text/markdown", example = json!(MARKDOWN_FILE)),
        (String = "text/html", example = json!(HTML_FILE)),
    )),
    responses(
        (status = 200, description = "Revised", body = Changed),
        (status = 404, description = "No such publication", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, description = "It is published already", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 412, description = "It has changed since", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 400, description = "The body can not be read", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 415, description = "The body has another content type", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "Some values are not acceptable", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn revise(
    commands: web::Data<Commands>,
    id: web::Path<Uuid>,
    call: Call,
    body: ContentBody,
) -> Result<Answer, Problem> {
    let unsaid = aim::unsaid(&body.value);
    let before = segments(&commands, *id).await?;
    let judged = judge(&commands, body.value, &before).await?;
    let command = || Command::Revise {
        content: judged.content.clone(),
        channel_ids: judged.channel_ids.clone(),
        aim: judged.aim.clone(),
        unsaid: unsaid.clone(),
    };
    commands
        .change::<Publication>(*id, call, &body.raw, command)
        .await
}

/// The segments that the publication names by now, which may stay when they were archived since.
async fn segments(commands: &Commands, id: Uuid) -> Result<Vec<Uuid>, Problem> {
    let loaded = commands.store.load::<Publication>(id).await;
    let publication = loaded.map_err(|error| refusal::load(&error))?.state;
    let draft = publication.draft();
    Ok(draft.iter().flat_map(|it| it.aim.segments()).collect())
}
