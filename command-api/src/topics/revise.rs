//! `PUT /api/v1/topics/{id}`: the same topic, told otherwise.

use actix_web::web;
use tidings_domain::topic::{Command, Topic};
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::http::Json;
use tidings_service::problem::ProblemBody;
use uuid::Uuid;

use super::card::TopicCard;
use crate::answer::{Answer, Changed};
use crate::commands::Commands;
use crate::refusal::Values;
use crate::request::Call;
use tidings_service::access::{Access, Route};

pub(crate) const ROUTE: Route = (
    "PUT",
    "/api/v1/topics/{id}",
    Access::Roles(&[Role::Editor, Role::Service]),
);

/// Revise a topic
///
/// All that can change, anew: what is left out is taken away. The slug and `default` stay.
#[utoipa::path(
    put, path = "/api/v1/topics/{id}", tag = "topics", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The topic"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` you have seen"),
    ),
    request_body = TopicCard,
    responses(
        (status = 200, description = "Revised", body = Changed),
        (status = 404, description = "No such topic", body = ProblemBody,
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
    body: Json<TopicCard>,
) -> Result<Answer, Problem> {
    let mut values = Values::default();
    let card = body.value.judge(&mut values);
    let card = values.all(card)?;
    let command = || Command::Revise { card: card.clone() };
    commands
        .change::<Topic>(*id, call, &body.raw, command)
        .await
}
