//! `POST /api/v1/subscribers/find`: who has an address. The address travels in the body, since paths stand in logs.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use tidings_domain::value::EmailAddress;
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::http::{Json, Nothing, Query};
use tidings_service::look::Looker;
use tidings_service::problem::ProblemBody;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::LOG_POSITION;
use crate::commands::Commands;
use crate::looks;
use crate::refusal::Values;
use tidings_service::access::{Access, Route};

pub(crate) const ROUTE: Route = (
    "POST",
    "/api/v1/subscribers/find",
    Access::Roles(&[Role::Compliance]),
);

/// Whom to look for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "email": "ada@example.org" }))]
pub(crate) struct Wanted {
    /// Their whole address.
    email: String,
}

/// Who it is.
#[derive(Serialize, ToSchema)]
pub(crate) struct Found {
    /// The subscriber.
    #[schema(example = "019b7cba-7a2e-8000-9c5e-0d8f6f2f3b15")]
    id: Uuid,
}

/// Find a subscriber by address
///
/// As the log has it at this moment. Only the whole address finds somebody. That you have found them goes on record.
#[utoipa::path(
    post, path = "/api/v1/subscribers/find", tag = "subscribers", security(("bearer" = [])),
    params(("Look-Reason" = Option<String>, Header,
        description = "Why you look, in your words, UTF-8: it goes on record with the look. At most 500 characters")),
    request_body = Wanted,
    responses(
        (status = 200, description = "Who has the address", body = Found,
            headers(("Log-Position" = i64, description = "Where the look is on record"))),
        (status = 404, description = "Nobody has it", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "It is no address", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn find(
    commands: web::Data<Commands>,
    _nothing: Query<Nothing>,
    by: Looker,
    body: Json<Wanted>,
) -> Result<HttpResponse, Problem> {
    let mut values = Values::default();
    let email = values.take("#/email", EmailAddress::parse(&body.value.email));
    let found = looks::at_holder(&commands, by, &values.all(email)?).await?;
    let (id, position) =
        found.ok_or_else(|| Problem::not_found("No subscriber has that address."))?;
    Ok(HttpResponse::Ok()
        .insert_header((LOG_POSITION, position))
        .json(Found { id }))
}
