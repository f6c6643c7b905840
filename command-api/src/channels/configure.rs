//! `POST /api/v1/channels`: an operator opens a way out.

use actix_web::web;
use serde::Deserialize;
use serde_json::Value;
use tidings_domain::channel::{Channel, Command};
use tidings_domain::value::{ChannelKind, ChannelName};
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::http::Json;
use tidings_service::problem::ProblemBody;
use utoipa::ToSchema;

use super::{COLLECTION, judge};
use crate::answer::{Answer, Changed};
use crate::commands::Commands;
use crate::refusal::Values;
use crate::request::Call;
use tidings_service::access::{Access, Route};

pub(crate) const ROUTE: Route = ("POST", COLLECTION, Access::Roles(&[Role::Operator]));

/// A channel to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "kind": "email",
    "name": "Newsletter",
    "settings": { "host": "smtp.example.org", "port": 587, "from": "News <news@example.org>" },
    "credentials": { "username": "news", "password": "correct horse battery staple" },
}))]
pub(crate) struct NewChannel {
    /// `email`, `ses`, `slack`, `discord`, `webhook` or `file`.
    kind: String,
    /// What editors call it.
    name: String,
    /// What the kind needs to know.
    #[schema(value_type = Object)]
    settings: Value,
    /// The kind's secrets. Sealed at once; no answer ever shows them.
    #[schema(value_type = Option<Object>, write_only)]
    credentials: Option<Value>,
}

/// Configure a channel
///
/// It is enabled at once.
#[utoipa::path(
    post, path = "/api/v1/channels", tag = "channels", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat")),
    request_body = NewChannel,
    responses(
        (status = 201, description = "Configured; `Location` names it", body = Changed),
        (status = 422, description = "Some values are not acceptable", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn configure(
    commands: web::Data<Commands>,
    call: Call,
    body: Json<NewChannel>,
) -> Result<Answer, Problem> {
    let NewChannel {
        kind,
        name,
        settings,
        credentials,
    } = body.value;
    let mut values = Values::default();
    let name = values.take("#/name", ChannelName::parse(&name));
    let kind = values.take("#/kind", ChannelKind::parse(&kind));
    let rest = kind.as_ref().and_then(|kind| {
        judge(
            &commands,
            &mut values,
            kind.as_str(),
            settings,
            credentials,
            None,
        )
    });
    let (kind, name, (settings, credentials)) = values.all(
        kind.zip(name)
            .zip(rest)
            .map(|((kind, name), rest)| (kind, name, rest)),
    )?;
    let command = || Command::Configure {
        kind: kind.clone(),
        name: name.clone(),
        settings: settings.clone(),
        credentials: credentials.clone(),
    };
    Ok(commands
        .create::<Channel>(call, &body.raw, command)
        .await?
        .created(COLLECTION))
}
