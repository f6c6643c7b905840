//! `POST /api/v1/views/{view}/skip`: a view skips the event it stands still at.

use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use tidings_domain::value::SkipReason;
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::http::Json;
use tidings_service::problem::ProblemBody;
use utoipa::ToSchema;

use crate::answer::LOG_POSITION;
use crate::commands::Commands;
use crate::refusal::{Values, not_skipped};
use crate::request::Call;
use tidings_service::access::{Access, Route};

pub(crate) const ROUTE: Route = (
    "POST",
    "/api/v1/views/{view}/skip",
    Access::Roles(&[Role::Operator]),
);

/// What is skipped, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "position": 1234, "reason": "settings of another product" }))]
pub(crate) struct Skip {
    /// The position the view stands still at.
    position: i64,
    /// Why, in one line. It stays in the log for ever: no names, no addresses.
    reason: String,
}

/// What a view skips from now on.
#[derive(Serialize, ToSchema)]
pub(crate) struct Skipped {
    /// The view.
    view: String,
    /// What it skips.
    skipped: i64,
    /// Where that is on record; also the header `Log-Position`.
    position: i64,
}

/// Let a view skip an event
///
/// Only the event that a view stands still at can be skipped. From then on it leads to no rows in that view, in every
/// rebuild too, and this cannot be taken back. The view goes on within a second. Said again, nothing changes.
#[utoipa::path(
    post, path = "/api/v1/views/{view}/skip", tag = "views", security(("bearer" = [])),
    params(
        ("view" = String, Path, description = "The view's name"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat; so it is without"),
    ),
    request_body = Skip,
    responses(
        (status = 200, description = "It skips the event", body = Skipped),
        (status = 404, description = "No such view", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, description = "The view does not stand still there, can fold the event, or must not skip any",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "Some values are not acceptable", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn skip(
    commands: web::Data<Commands>,
    view: web::Path<String>,
    call: Call,
    body: Json<Skip>,
) -> Result<HttpResponse, Problem> {
    let view = view.into_inner();
    let Skip { position, reason } = body.value;
    let mut values = Values::default();
    let reason = values.take("#/reason", SkipReason::parse(&reason));
    if position < 1 {
        values.wrong("#/position", "positions begin at 1");
    }
    let reason = values.all(reason)?;
    let context = call.begin(&commands, &body.raw).await?.context;
    let skipped = (commands.skip_in_view)(view.clone(), position, reason, context).await;
    let on_record = skipped.map_err(not_skipped)?.last_position;
    Ok(HttpResponse::Ok()
        .insert_header((LOG_POSITION, on_record))
        .json(Skipped {
            view,
            skipped: position,
            position: on_record,
        }))
}
