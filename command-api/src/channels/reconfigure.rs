//! `PUT /api/v1/channels/{id}`: the same way out, by other means.

use actix_web::web;
use serde::Deserialize;
use serde_json::Value;
use tidings_domain::channel::{Channel, Command, Refusal};
use tidings_domain::personal::Personal;
use tidings_domain::value::ChannelName;
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::http::Json;
use tidings_service::problem::ProblemBody;
use utoipa::ToSchema;
use uuid::Uuid;

use super::judge;
use crate::answer::{Answer, Changed};
use crate::commands::Commands;
use crate::refusal::{self, Values};
use crate::request::Call;
use tidings_service::access::{Access, Route};

pub(crate) const ROUTE: Route = (
    "PUT",
    "/api/v1/channels/{id}",
    Access::Roles(&[Role::Operator]),
);

/// Settings that say where the credentials go, and how: nobody may have those on record sent to a place of their own.
const SECRETS_GO_BY: [&str; 5] = ["host", "port", "encryption", "api_url", "endpoint"];

/// A channel's new settings. Its kind stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "Newsletter",
    "settings": { "host": "smtp2.example.org", "port": 587, "from": "News <news@example.org>" },
}))]
pub(crate) struct ChannelSettings {
    /// What editors call it.
    name: String,
    /// What the kind needs to know, all of it.
    #[schema(value_type = Object)]
    settings: Value,
    /// The kind's secrets; left out, they stay as they are. Required when a setting changes by which they go somewhere
    /// else.
    #[schema(value_type = Option<Object>, write_only)]
    credentials: Option<Value>,
}

/// Replace a channel's settings
#[utoipa::path(
    put, path = "/api/v1/channels/{id}", tag = "channels", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The channel"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` you have seen"),
    ),
    request_body = ChannelSettings,
    responses(
        (status = 200, description = "In use from the next delivery on", body = Changed),
        (status = 404, description = "No such channel", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 412, description = "It has changed since", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "Some values are not acceptable", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn reconfigure(
    commands: web::Data<Commands>,
    id: web::Path<Uuid>,
    call: Call,
    body: Json<ChannelSettings>,
) -> Result<Answer, Problem> {
    let ChannelSettings {
        name,
        settings,
        credentials,
    } = body.value;
    let channel = commands
        .store
        .load::<Channel>(*id)
        .await
        .map_err(|error| refusal::load(&error))?
        .state;
    let setup = channel
        .setup()
        .ok_or_else(|| refusal::refused(&Refusal::NotFound))?;
    let kept = setup.credentials.as_ref().and_then(Personal::known);
    let mut values = Values::default();
    let before = setup.settings.to_value();
    let elsewhere = SECRETS_GO_BY
        .iter()
        .find(|key| before.get(key) != settings.get(key));
    if let (Some(key), None, Some(_)) = (elsewhere, &credentials, kept) {
        let detail =
            format!("must be given anew when {key} changes: those on record would go elsewhere");
        values.wrong("#/credentials", &detail);
    }
    let name = values.take("#/name", ChannelName::parse(&name));
    let rest = judge(
        &commands,
        &mut values,
        setup.kind.as_str(),
        settings,
        credentials,
        kept,
    );
    let (name, (settings, credentials)) = values.all(name.zip(rest))?;
    let command = || Command::Reconfigure {
        name: name.clone(),
        settings: settings.clone(),
        credentials: credentials.clone(),
    };
    commands
        .change::<Channel>(*id, call, &body.raw, command)
        .await
}
