//! `POST /api/v1/subscribers/{id}/erase`: somebody's data are to be destroyed. From the commit on nothing is sent to
//! them, and their address is free again but for files; the data themselves go within moments.

use actix_web::web;
use serde::Deserialize;
use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::subscriber::{Command, ErasureBasis, Refusal, Subscriber};
use tidings_event_store::{ExecuteError, give_up_addresses};
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::problem::ProblemBody;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::COLLECTION;
use crate::answer::{Answer, Changed, same_body};
use crate::commands::Commands;
use crate::refusal::{self, Values};
use crate::request::{Call, MaybeJson};
use tidings_service::access::{Access, Route};

pub(crate) const ROUTE: Route = (
    "POST",
    "/api/v1/subscribers/{id}/erase",
    Access::Roles(&[Role::Compliance]),
);

/// Times it is decided anew because others were faster.
const ATTEMPTS_MAX: u32 = 5;

/// Why somebody is erased.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "basis": "request", "asked_at": "2026-03-01T09:30:00Z" }))]
pub(crate) struct Erasing {
    /// request (they asked for it) or operator (you decided so). Default: request.
    #[serde(default)]
    basis: Option<String>,
    /// When they asked, if it was before now.
    #[serde(default, deserialize_with = "tidings_service::clock::instant")]
    #[schema(value_type = Option<String>, format = DateTime)]
    asked_at: Option<OffsetDateTime>,
}

/// Erase somebody
///
/// Their key is destroyed, and with it their address, name, attributes and whatever else the log has sealed for them, in
/// every copy of it. It cannot be undone. `Location` tells when it is done, and then is the receipt. Whoever was erased
/// is not brought back by a file, and may sign up anew.
#[utoipa::path(
    post, path = "/api/v1/subscribers/{id}/erase", tag = "subscribers", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The subscriber"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` you have seen"),
    ),
    request_body(content = Option<Erasing>, description = "May be left out"),
    responses(
        (status = 202, description = "Nothing goes out to them from here on, and their data are being destroyed",
            body = Changed),
        (status = 404, description = "No such subscriber", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 409, description = "Others changed it at the same time, again and again", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 412, description = "It has changed since", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "Some values are not acceptable", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn erase(
    commands: web::Data<Commands>,
    id: web::Path<Uuid>,
    call: Call,
    body: MaybeJson<Erasing>,
) -> Result<Answer, Problem> {
    let command = parse(&body.value, commands.clock.now())?;
    let if_match = call.if_match;
    let request = call.begin(&commands, &body.raw).await?;
    let context = &request.context;
    let mut attempts = 0;
    let after = loop {
        let loaded = commands.store.load::<Subscriber>(*id).await;
        let loaded = loaded.map_err(|error| refusal::load(&error))?;
        if let Some(past) = loaded.repeated(context.intent) {
            same_body(past, context)?;
            break loaded;
        }
        if if_match.is_some_and(|seen| seen != loaded.version) {
            let actual = loaded.version;
            return Err(refusal::of::<Refusal>(ExecuteError::Precondition {
                actual,
            }));
        }
        let events = loaded.state.decide(command.clone());
        let events = events.map_err(|refused| refusal::refused(&refused))?;
        let Some(profile) = loaded
            .state
            .profile()
            .cloned()
            .filter(|_| !events.is_empty())
        else {
            break loaded;
        };
        let mut draft = commands.store.draft(context);
        let after = draft.append(loaded, events);
        give_up_addresses(&commands.store, &mut draft, *id, &profile)
            .await
            .map_err(|error| refusal::load(&error))?;
        attempts += 1;
        match draft.commit().await {
            Ok(committed) => break after.recorded(&committed),
            Err(error) if error.may_be_decided_anew() && attempts < ATTEMPTS_MAX => {}
            Err(error) => return Err(refusal::commit(&error)),
        }
    };
    Ok(Answer::at(&after, context).accepted_at(format!("{COLLECTION}/{id}/erasure")))
}

fn parse(body: &Erasing, now: OffsetDateTime) -> Result<Command, Problem> {
    let mut values = Values::default();
    let basis = match body.basis.as_deref().map(ErasureBasis::parse) {
        None => Some(ErasureBasis::Request),
        Some(Ok(basis @ (ErasureBasis::Request | ErasureBasis::Operator))) => Some(basis),
        Some(_) => {
            values.wrong("#/basis", "the basis is request or operator");
            None
        }
    };
    if body.asked_at.is_some_and(|asked_at| asked_at > now) {
        values.wrong("#/asked_at", "nobody has asked in the future");
    }
    values.all(basis.map(|basis| Command::RequestErasure {
        basis,
        asked_at: body.asked_at,
        restored_event_id: None,
    }))
}
