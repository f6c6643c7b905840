//! `POST /api/v1/publications`: an editor writes something down.

use actix_web::web;
use tidings_domain::publication::{Command, Publication};
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;

use super::COLLECTION;
use super::body::ContentBody;
use super::content::{HTML_FILE, MARKDOWN_FILE, PublicationContent, judge};
use crate::answer::{Answer, Changed};
use crate::commands::Commands;
use crate::request::Call;
use tidings_service::access::{Access, Route};

pub(crate) const ROUTE: Route = (
    "POST",
    COLLECTION,
    Access::Roles(&[Role::Editor, Role::Service]),
);

/// Draft a publication
///
/// As JSON; or as a Markdown file with its title, channels and topics as front matter, in YAML between lines of `---` or in TOML
/// between lines of `+++`; or as a page with `<title>` and `<meta name="tidings:channels" content="ID, ID">`. A first heading
/// that repeats the title is shown once.
#[utoipa::path(
    post, path = "/api/v1/publications", tag = "publications", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat")),
    request_body(content(
        (PublicationContent = "application/json"),
        (String = "text/markdown", example = json!(MARKDOWN_FILE)),
        (String = "text/html", example = json!(HTML_FILE)),
    )),
    responses(
        (status = 201, description = "Drafted; `Location` names it", body = Changed),
        (status = 400, description = "The body can not be read", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 415, description = "The body has another content type", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "Some values are not acceptable", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn draft(
    commands: web::Data<Commands>,
    call: Call,
    body: ContentBody,
) -> Result<Answer, Problem> {
    let judged = judge(&commands, body.value, &[]).await?;
    let command = || Command::Draft {
        content: judged.content.clone(),
        channel_ids: judged.channel_ids.clone(),
        aim: judged.aim.clone(),
    };
    Ok(commands
        .create::<Publication>(call, &body.raw, command)
        .await?
        .created(COLLECTION))
}
