//! `POST /api/v1/suppressions/find`: whether anything may be sent to an address or a domain.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use tidings_domain::suppression::Suppression;
use tidings_service::Problem;
use tidings_service::access::{Access, Route};
use tidings_service::http::{Json, Nothing, Query};
use tidings_service::look::Looker;
use tidings_service::problem::ProblemBody;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{ROLES, Whom};
use crate::answer::LOG_POSITION;
use crate::commands::Commands;
use crate::{looks, refusal};

pub(crate) const ROUTE: Route = ("POST", "/api/v1/suppressions/find", Access::Roles(ROLES));

/// What stands against an address or a domain.
#[derive(Serialize, ToSchema)]
pub(crate) struct Found {
    /// The suppression, to lift it by.
    #[schema(example = "2ea9833c-7d26-8016-b92c-575cde98db94")]
    id: Uuid,
    /// `address` or `domain`.
    #[schema(example = "address")]
    scope: &'static str,
    /// Why, oldest first; empty: nothing stands against it any more.
    #[schema(example = json!(["hard_bounce"]))]
    reasons: Vec<&'static str>,
}

/// Find a suppression by address or domain
///
/// As the log has it at this moment. Of an address, what stands against its domain is found by the domain. If a subscriber has the
/// address, that you have looked for them by it goes on record, whatever is found.
#[utoipa::path(
    post, path = "/api/v1/suppressions/find", tag = "suppressions", security(("bearer" = [])),
    params(("Look-Reason" = Option<String>, Header,
        description = "Why you look, in your words, UTF-8: it goes on record with the look. At most 500 characters")),
    request_body = Whom,
    responses(
        (status = 200, description = "What stands against it, or once did", body = Found,
            headers(("Log-Position" = i64, description = "Where the look is on record, if a subscriber has the address"))),
        (status = 404, description = "Nothing ever did", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "It is neither an address nor a domain", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn find(
    commands: web::Data<Commands>,
    _nothing: Query<Nothing>,
    by: Looker,
    body: Json<Whom>,
) -> Result<HttpResponse, Problem> {
    let whom = body.value.parse(&commands.id_key)?;
    let look = match &whom.address {
        Some(address) => looks::at_holder(&commands, by, address).await?,
        None => None,
    };
    let found = commands.store.load::<Suppression>(whom.id).await;
    let found = found.map_err(|error| refusal::load(&error))?;
    if found.version == 0 {
        return Err(Problem::not_found("It was never suppressed."));
    }
    let reasons = found.state.reasons().iter();
    let mut response = HttpResponse::Ok();
    if let Some((_, position)) = look {
        response.insert_header((LOG_POSITION, position));
    }
    Ok(response.json(Found {
        id: whom.id,
        scope: whom.scope.as_str(),
        reasons: reasons.map(|reason| reason.as_str()).collect(),
    }))
}
