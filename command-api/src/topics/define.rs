//! `POST /api/v1/topics`: there is something new to ask for.

use actix_web::web;
use serde::Deserialize;
use tidings_domain::stream_id;
use tidings_domain::topic::{ByDefault, Command, Topic};
use tidings_domain::value::Slug;
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::http::Json;
use tidings_service::problem::ProblemBody;
use utoipa::ToSchema;

use super::COLLECTION;
use super::card::TopicCard;
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

/// A topic to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "slug": "markets",
    "default": "out",
    "name": "Markets",
    "description": "Prices, every weekday evening.",
}))]
pub(crate) struct NewTopic {
    /// How publications name it, for ever: lower-case letters and digits, with single hyphens between them.
    slug: String,
    /// `in`: everybody gets it until they leave it. `out`: only who asks for it does. It never changes.
    default: String,
    /// What readers see it called: one line.
    name: String,
    /// One line about it for them.
    description: Option<String>,
    /// Who its mails come from; the channel says so where it is left out. The channel's server must let us send as this
    /// address.
    from: Option<String>,
    /// Where an answer goes.
    reply_to: Option<String>,
    /// What mail programs know the list by (RFC 2919).
    list_id: Option<String>,
}

/// Define a topic
#[utoipa::path(
    post, path = "/api/v1/topics", tag = "topics", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat")),
    request_body = NewTopic,
    responses(
        (status = 201, description = "Defined; `Location` names it", body = Changed),
        (status = 409, description = "There is a topic of that slug, or was", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "Some values are not acceptable", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn define(
    commands: web::Data<Commands>,
    call: Call,
    body: Json<NewTopic>,
) -> Result<Answer, Problem> {
    let NewTopic {
        slug,
        default,
        name,
        description,
        from,
        reply_to,
        list_id,
    } = body.value;
    let mut values = Values::default();
    let slug = values.take("#/slug", Slug::parse(&slug));
    let by_default = values.take("#/default", ByDefault::parse(&default));
    let card = TopicCard {
        name,
        description,
        from,
        reply_to,
        list_id,
    };
    let card = card.judge(&mut values);
    let (slug, (by_default, card)) = values.all(slug.zip(by_default.zip(card)))?;
    let request = call.begin(&commands, &body.raw).await?;
    let id = stream_id::topic(&commands.id_key, &slug);
    let command = || Command::Define {
        slug: slug.clone(),
        by_default,
        card: card.clone(),
    };
    let executed = commands
        .store
        .execute::<Topic>(id, &request.context, None, command)
        .await
        .map_err(refusal::of)?;
    Ok(Answer::of(&executed, &request.context)?.created(COLLECTION))
}
