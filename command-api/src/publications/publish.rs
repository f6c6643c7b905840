//! `POST /api/v1/publications/{id}/publish`: out it goes.

use actix_web::web;
use tidings_domain::publication::{Command, Publication};
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;
use uuid::Uuid;

use super::COLLECTION;
use crate::answer::{Answer, Changed};
use crate::commands::{Commands, When};
use crate::request::{Call, MaybeJson, Nothing};
use tidings_service::access::{Access, Route};

pub(crate) const ROUTE: Route = (
    "POST",
    "/api/v1/publications/{id}/publish",
    Access::Roles(&[Role::Editor, Role::Service]),
);

/// Publish a draft to its channels
///
/// The audience is whoever is subscribed when it is frozen, moments later, wants one of its topics, and is picked by its
/// segments as they are then. If these pick nobody now, or one of them can not be read, it is refused. If one can not be read
/// by then, it goes to nobody: `GET …/audience` says why.
#[utoipa::path(
    post, path = "/api/v1/publications/{id}/publish", tag = "publications", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The publication"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` you have seen"),
    ),
    responses(
        (status = 202, description = "Published; `Location` shows how the deliveries go", body = Changed),
        (status = 404, description = "No such publication", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, description = "It is published or cancelled already; or it names segments, and nobody would get it", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 412, description = "It has changed since", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 503, description = "The subscribers that have just come in can not be asked yet", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn publish(
    commands: web::Data<Commands>,
    id: web::Path<Uuid>,
    call: Call,
    body: MaybeJson<Nothing>,
) -> Result<Answer, Problem> {
    if let Some(why) = (commands.why_nobody)(*id, When::Now).await? {
        return Err(Problem::conflict(why));
    }
    let answer = commands
        .change::<Publication>(*id, call, &body.raw, || Command::Publish)
        .await?;
    Ok(answer.accepted(COLLECTION))
}
