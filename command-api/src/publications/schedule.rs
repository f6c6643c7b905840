//! `POST /api/v1/publications/{id}/schedule`: it goes out by itself.

use actix_web::web;
use serde::Deserialize;
use tidings_domain::publication::{Command, Publication};
use tidings_domain::schedule::{CivilTime, ParseError};
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::http::Json;
use tidings_service::problem::ProblemBody;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::answer::{Answer, Changed};
use crate::commands::{Commands, When};
use crate::refusal::{self, Values};
use crate::request::Call;
use tidings_service::access::{Access, Route};

pub(crate) const ROUTE: Route = (
    "POST",
    "/api/v1/publications/{id}/schedule",
    Access::Roles(&[Role::Editor, Role::Service]),
);

/// When a publication goes out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "local_time": "2026-12-24T08:00", "zone": "Europe/Berlin" }))]
pub(crate) struct Schedule {
    /// What a clock there shows: a date and time without an offset.
    local_time: String,
    /// IANA name of the time zone.
    zone: String,
}

/// Schedule a publication
///
/// Until then it can be revised, scheduled anew, unscheduled, published at once or cancelled. Where clocks are put
/// forward over the time, it goes out at the first instant after; where they are put back, at the first of the two.
/// Found more than an hour late, because the platform was down, it is not sent but is a draft again.
#[utoipa::path(
    post, path = "/api/v1/publications/{id}/schedule", tag = "publications", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The publication"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` you have seen"),
    ),
    request_body = Schedule,
    responses(
        (status = 200, description = "Scheduled", body = Changed),
        (status = 404, description = "No such publication", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, description = "The time has passed, or it is published or cancelled already; or it names segments, and \
            would go to nobody whatever the time, such as when one of them can not be read",
            body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "It has changed since", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "No such time or zone", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn schedule(
    commands: web::Data<Commands>,
    id: web::Path<Uuid>,
    call: Call,
    body: Json<Schedule>,
) -> Result<Answer, Problem> {
    let Schedule { local_time, zone } = &body.value;
    let mut values = Values::default();
    let time = CivilTime::parse(local_time, zone).map_err(|wrong| {
        for wrong in wrong {
            let pointer = match wrong {
                ParseError::LocalTime => "#/local_time",
                ParseError::Zone => "#/zone",
            };
            values.wrong(pointer, &wrong.to_string());
        }
    });
    let time = values.all(time.ok())?;
    let if_match = call.if_match;
    let request = call.begin(&commands, &body.raw).await?;
    // What was scheduled by this request stays so, whatever became of its segments since.
    if !is_on_record(&commands, *id, request.context.intent).await?
        && let Some(why) = (commands.why_nobody)(*id, When::Ever).await?
    {
        return Err(Problem::conflict(why));
    }
    let now = commands.clock.now();
    let command = || Command::Schedule {
        time: time.clone(),
        now,
    };
    commands
        .carry_out::<Publication>(*id, &request, if_match, command)
        .await
}

async fn is_on_record(commands: &Commands, id: Uuid, intent: Uuid) -> Result<bool, Problem> {
    let loaded = commands.store.load::<Publication>(id).await;
    let loaded = loaded.map_err(|error| refusal::load(&error))?;
    Ok(loaded.repeated(intent).is_some())
}
