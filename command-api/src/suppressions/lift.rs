//! `POST /api/v1/suppressions/{id}/lift`: some reasons no longer stand.

use actix_web::web;
use serde::Deserialize;
use tidings_domain::suppression::{Command, Reason, Suppression};
use tidings_event_store::{Context, ExecuteError, Executed, is_their_word};
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

/// Times it is looked anew who said that they left, because somebody has written meanwhile.
const ATTEMPTS_MAX: u32 = 5;
const ONLY_THEY: &str = "only a sign-up of their own puts an end to this";

/// What no longer stands.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "reasons": ["manual"] }))]
pub(crate) struct Lift {
    /// `manual`, `hard_bounce`, `complaint`, `import` or `moved`; `unsubscribed`, where a file said so.
    reasons: Vec<String>,
}

/// Lift a suppression
///
/// It stands as long as any other reason does. `erased` is not lifted here, nor is `unsubscribed`, unless it came with a file
/// that was imported and they have not said so themselves: only a sign-up of their own puts an end to them.
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
    let lifted = lifted(&commands, *id, &request.context, if_match, &reasons).await?;
    if lifted.after.version == 0 {
        return Err(Problem::not_found("Nothing of this kind has that id."));
    }
    Answer::of(&lifted, &request.context)
}

async fn lifted(
    commands: &Commands,
    id: Uuid,
    context: &Context,
    if_match: Option<i32>,
    reasons: &[Reason],
) -> Result<Executed<Suppression>, Problem> {
    let command = || Command::Lift {
        reasons: reasons.to_vec(),
    };
    let of_unsubscribed = reasons.iter().position(|it| *it == Reason::Unsubscribed);
    for _ in 0..ATTEMPTS_MAX {
        let mut seen = if_match;
        if let Some(index) = of_unsubscribed {
            let history = commands.store.log().stream(id).await;
            let history = history.map_err(|error| refusal::load(&error.into()))?;
            if is_their_word(&history) {
                let mut values = Values::default();
                values.wrong(&format!("#/reasons/{index}"), ONLY_THEY);
                return values.all(None);
            }
            // Not what they say themselves in between.
            seen = seen.or(history.last().map(|it| it.version));
        }
        let executed = commands
            .store
            .execute::<Suppression>(id, context, seen, command)
            .await;
        match executed {
            Err(ExecuteError::Precondition { .. }) if if_match.is_none() => {}
            executed => return executed.map_err(refusal::of),
        }
    }
    Err(refusal::unavailable("Others write at the same time."))
}

fn parse(lift: &Lift) -> Result<Vec<Reason>, Problem> {
    let mut values = Values::default();
    let mut reasons = Vec::new();
    for (index, reason) in lift.reasons.iter().enumerate() {
        let pointer = format!("#/reasons/{index}");
        match values.take(&pointer, Reason::parse(reason)) {
            // That somebody gave it up an operator may put right: a restored log can have lost that they came back. Who
            // said that they left, the log tells.
            Some(Reason::Erased) => values.wrong(&pointer, ONLY_THEY),
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
            Some(2)
        );
        assert_eq!(lift(&[]).err(), Some(1));
    }
}
