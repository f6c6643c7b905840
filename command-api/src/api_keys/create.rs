//! `POST /api/v1/api-keys`: another program may come in.

use actix_web::web;
use serde::Deserialize;
use tidings_domain::api_key::{ApiKey, Card, Command, Secret};
use tidings_domain::token::ApiKeyToken;
use tidings_domain::value::{Code, KeyName, Scope};
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::http::Json;
use tidings_service::problem::ProblemBody;
use utoipa::ToSchema;

use super::issued::{IssuedAnswer, IssuedKey};
use super::{COLLECTION, life};
use crate::commands::Commands;
use crate::refusal::{self, Values};
use crate::request::Call;
use tidings_service::access::{Access, Route};

pub(crate) const ROUTE: Route = ("POST", COLLECTION, Access::Roles(&[]));

/// Roles and scopes are as many as there are; more are a mistake.
const SCOPES_MAX: usize = 64;

/// A key to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({
    "name": "Web shop",
    "scopes": ["subscribers:write"],
    "expires_at": "2027-03-01T00:00:00Z",
}))]
pub(crate) struct NewApiKey {
    /// What to call it, for ever: one line. It stands in the log beside all the key does, so it names a program, not a
    /// person.
    name: String,
    /// What it may do: a resource of the API and `read`, `write`, `export` or `erase`. None of them includes another. Each
    /// endpoint's description names its scope.
    scopes: Vec<String>,
    /// It may never go beyond what these roles may.
    #[serde(default = "service")]
    #[schema(default = json!(["service"]))]
    roles: Vec<String>,
    /// From then on it lets nobody in: at most ten years from now, one year if it is left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<String>,
}

fn service() -> Vec<String> {
    vec![Role::Service.to_string()]
}

/// Make an API key
///
/// The answer has its token, this once: whoever has it may do what the key may. A repeat with the same Idempotency-Key
/// makes no second key, and is refused, since the token cannot be shown again.
#[utoipa::path(
    post, path = "/api/v1/api-keys", operation_id = "create_api_key", tag = "api keys", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "A repeat of the request makes no second key")),
    request_body = NewApiKey,
    responses(
        (status = 201, description = "Made; `Location` names it", body = IssuedKey),
        (status = 409, description = "The same request has made it before; its token was shown then", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "Some values are not acceptable", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn create(
    commands: web::Data<Commands>,
    call: Call,
    body: Json<NewApiKey>,
) -> Result<IssuedAnswer, Problem> {
    let now = commands.clock.now();
    let mut values = Values::default();
    let card = body.value.judge(&mut values, &commands);
    let expires_at = life::expires_at(&mut values, body.value.expires_at.as_deref(), now);
    let (card, expires_at) = values.all(card.zip(expires_at))?;
    let request = call.begin(&commands, &body.raw).await?;
    let id = request.new_stream(&commands, "api_key");
    let token = ApiKeyToken::new(id, commands.ids.bytes());
    let command = || Command::Create {
        card: card.clone(),
        secret: Secret {
            hash: token.hash(),
            until: expires_at.unwrap_or(now + life::LIFE),
        },
        prefix: token.prefix(),
    };
    let executed = commands
        .store
        .execute::<ApiKey>(id, &request.context, None, command)
        .await
        .map_err(refusal::of)?;
    Ok(IssuedAnswer::of(&executed, &request.context, token)?.created(COLLECTION))
}

impl NewApiKey {
    /// The same, right by its types; what is wrong is noted.
    fn judge(&self, values: &mut Values, commands: &Commands) -> Option<Card> {
        let name = values.take("#/name", KeyName::parse(&self.name));
        let roles = self.roles(values);
        let scopes = self.scopes(values, roles.as_deref(), commands);
        let roles = roles?.into_iter();
        Some(Card {
            name: name?,
            roles: roles.map(|role| Code::from_static(role.as_str())).collect(),
            scopes: scopes?,
        })
    }

    fn roles(&self, values: &mut Values) -> Option<Vec<Role>> {
        if self.roles.is_empty() {
            values.wrong("#/roles", "name at least one role, such as service");
            return None;
        }
        let mut roles = Vec::new();
        for (n, name) in self.roles.iter().enumerate() {
            let Some(role) = Role::parse(name) else {
                let known = Role::ALL.map(Role::as_str).join(", ");
                let detail = format!("there is no such role; there are {known}");
                values.wrong(&format!("#/roles/{n}"), &detail);
                return None;
            };
            roles.push(role);
        }
        roles.sort_unstable();
        roles.dedup();
        Some(roles)
    }

    /// Scopes that there are, each of use to some of the roles.
    fn scopes(
        &self,
        values: &mut Values,
        roles: Option<&[Role]>,
        commands: &Commands,
    ) -> Option<Vec<Scope>> {
        if self.scopes.is_empty() || self.scopes.len() > SCOPES_MAX {
            let detail = format!("name 1 to {SCOPES_MAX} scopes, such as publications:write");
            values.wrong("#/scopes", &detail);
            return None;
        }
        let mut scopes = Vec::new();
        for (n, text) in self.scopes.iter().enumerate() {
            let pointer = format!("#/scopes/{n}");
            let scope = values.take(&pointer, Scope::parse(text))?;
            let Some(takes) = commands.scopes.get(text) else {
                let known: Vec<&str> = commands.scopes.keys().map(String::as_str).collect();
                let detail = format!("there is no such scope; there are {}", known.join(", "));
                values.wrong(&pointer, &detail);
                return None;
            };
            let of_use = |role: &Role| *role == Role::Admin || takes.contains(role);
            if roles.is_some_and(|roles| !roles.iter().any(of_use)) {
                let takes = takes.iter().map(|role| role.as_str());
                let takes: Vec<&str> = takes.chain([Role::Admin.as_str()]).collect();
                let takes = takes.join(", ");
                let detail = format!("no role of the key may do this; give it one of {takes}");
                values.wrong(&pointer, &detail);
                return None;
            }
            scopes.push(scope);
        }
        scopes.sort_unstable();
        scopes.dedup();
        Some(scopes)
    }
}
