//! `POST /api/v1/suppressions`: nothing more is to be sent to an address or a domain.

use actix_web::web;
use tidings_domain::suppression::{Command, Reason, Scope, Suppression};
use tidings_service::Problem;
use tidings_service::access::{Access, Route};
use tidings_service::http::Json;
use tidings_service::problem::ProblemBody;

use super::{COLLECTION, ROLES, Whom};
use crate::answer::{Answer, Changed};
use crate::commands::Commands;
use crate::request::Call;

pub(crate) const ROUTE: Route = ("POST", COLLECTION, Access::Roles(ROLES));

/// Suppress an address or a domain
///
/// By hand: the reason is `manual`. No attempt is made any more from here on, also not of what is on its way. Doing it
/// again changes nothing.
#[utoipa::path(
    post, path = "/api/v1/suppressions", tag = "suppressions", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat")),
    request_body = Whom,
    responses(
        (status = 200, description = "Suppressed, now or earlier", body = Changed),
        (status = 422, description = "It is neither an address nor a domain", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn add(
    commands: web::Data<Commands>,
    call: Call,
    body: Json<Whom>,
) -> Result<Answer, Problem> {
    let whom = body.value.parse(&commands.id_key)?;
    let command = || Command::Add {
        scope: whom.scope,
        reason: Reason::Manual,
        delivery_id: None,
        // Of somebody's address nothing stays but its keyed hash: whoever is erased must be so here too.
        value: match whom.scope {
            Scope::Address => None,
            Scope::Domain => Some(whom.value.clone()),
        },
    };
    commands
        .change::<Suppression>(whom.id, call, &body.raw, command)
        .await
}
