//! `POST /api/v1/suppressions/{id}/lift`: some reasons no longer stand.

use actix_web::web;
use serde::Deserialize;
use tidings_domain::suppression::{Command, Reason, Suppression};
use tidings_service::Problem;
use tidings_service::access::{Access, Route};
use tidings_service::http::Json;
use tidings_service::problem::ProblemBody;
use utoipa::ToSchema;
use uuid::Uuid;

use super::ROLES;
use crate::answer::{Answer, Changed};
use crate::commands::Commands;
use crate::refusal::{self, Values};
use crate::request::Call;

pub(crate) const ROUTE: Route = (
    "POST",
    "/api/v1/suppressions/{id}/lift",
    Access::Roles(ROLES),
);

/// What no longer stands.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "reasons": ["manual"] }))]
pub(crate) struct Lift {
    /// `manual`, `hard_bounce`, `complaint`, `import` or `moved`.
    reasons: Vec<String>,
}

/// Lift a suppression
///
/// It stands as long as any other reason does. `unsubscribed` and `erased` are not lifted here: only a sign-up of
/// their own puts an end to them.
#[utoipa::path(
    post, path = "/api/v1/suppressions/{id}/lift", tag = "suppressions", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The suppression"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` you have seen"),
    ),
    request_body = Lift,
    responses(
        (status = 200, description = "These reasons do not stand", body = Changed),
        (status = 404, description = "No such suppression", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 412, description = "It has changed since", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "A reason is none, or is not lifted here", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn lift(
    commands: web::Data<Commands>,
    id: web::Path<Uuid>,
    call: Call,
    body: Json<Lift>,
) -> Result<Answer, Problem> {
    let reasons = parse(&body.value)?;
    let if_match = call.if_match;
    let request = call.begin(&commands, &body.raw).await?;
    let command = || Command::Lift {
        reasons: reasons.clone(),
    };
    let lifted = commands
        .store
        .execute::<Suppression>(*id, &request.context, if_match, command)
        .await
        .map_err(refusal::of)?;
    if lifted.after.version == 0 {
        return Err(Problem::not_found("Nothing of this kind has that id."));
    }
    Answer::of(&lifted, &request.context)
}

fn parse(lift: &Lift) -> Result<Vec<Reason>, Problem> {
    let mut values = Values::default();
    let mut reasons = Vec::new();
    for (index, reason) in lift.reasons.iter().enumerate() {
        let pointer = format!("#/reasons/{index}");
        match values.take(&pointer, Reason::parse(reason)) {
            // That somebody gave it up an operator may put right: a restored log can have lost that they came back.
            Some(own) if own != Reason::Moved && Reason::ENDED_BY_SIGN_UP.contains(&own) => {
                values.wrong(&pointer, "only a sign-up of their own puts an end to this");
            }
            reason => reasons.extend(reason),
        }
    }
    if lift.reasons.is_empty() {
        values.wrong("#/reasons", "name at least one reason");
    }
    values.all(Some(reasons))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_they_themselves_can_end_is_not_lifted_by_others() {
        let lift = |reasons: &[&str]| {
            let reasons = reasons.iter().map(|it| (*it).to_owned()).collect();
            parse(&Lift { reasons }).map_err(|problem| problem.errors().len())
        };
        assert_eq!(
            lift(&["manual", "hard_bounce"]).ok(),
            Some(vec![Reason::Manual, Reason::HardBounce])
        );
        assert_eq!(
            lift(&["erased", "manual", "unsubscribed", "moved", "x"]).err(),
            Some(3)
        );
        assert_eq!(lift(&[]).err(), Some(1));
    }
}
