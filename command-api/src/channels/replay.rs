//! `POST /api/v1/channels/{id}/replay`: what a webhook has not taken is sent to it again, by the span of time it was
//! published in.
//!
//! What it has taken is not sent again: a delivery that was sent stays sent.

use std::sync::Arc;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use tidings_domain::channel::Channel;
use tidings_domain::id::derive_from;
use tidings_domain::publication::{Command, Publication, Refusal, RetriedClass, Retry};
use tidings_domain::value::Code;
use tidings_event_store::{Context, ExecuteError, ReadError};
use tidings_service::access::{Access, Route};
use tidings_service::auth::Role;
use tidings_service::http::Json;
use tidings_service::problem::ProblemBody;
use tidings_service::{Problem, parse_instant};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::COLLECTION;
use crate::answer::{LOG_POSITION, same_body};
use crate::commands::Commands;
use crate::refusal::{self, Values};
use crate::request::Call;

pub(crate) const ROUTE: Route = (
    "POST",
    "/api/v1/channels/{id}/replay",
    Access::Roles(&[Role::Operator]),
);

/// Publications that one request asks for.
const PUBLICATIONS_MAX: usize = 500;
/// Commits under way at once.
const AT_ONCE: usize = 16;

/// What of a channel another room finds: see [`NotTaken`].
pub struct Wanted {
    /// The channel.
    pub channel_id: Uuid,
    /// Its kind.
    pub kind: String,
    /// Published from then on,
    pub from: OffsetDateTime,
    /// and before then.
    pub to: OffsetDateTime,
    /// At most so many.
    pub limit: usize,
}

/// A publication whose delivery the channel has not taken.
pub struct Missed {
    /// The publication.
    pub publication_id: Uuid,
    /// What became of it.
    pub class: RetriedClass,
    /// When it was published.
    pub published_at: OffsetDateTime,
}

/// Finds what a channel has not taken, the oldest first. None for a kind whose receivers cannot tell a copy.
pub type NotTaken =
    Arc<dyn Fn(Wanted) -> BoxFuture<'static, Result<Option<Vec<Missed>>, ReadError>> + Send + Sync>;

/// What is sent again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "from": "2026-11-25T08:00:00Z", "to": "2026-11-25T12:00:00Z" }))]
pub(crate) struct Span {
    /// What was published from this instant on (RFC 3339),
    from: String,
    /// and before this one; left out: until now.
    to: Option<String>,
}

/// What will be sent again.
#[derive(Serialize, ToSchema)]
pub(crate) struct Replayed {
    /// Publications whose delivery waits for another attempt.
    requested: Vec<Uuid>,
    /// Those that can not be asked for now.
    passed_over: Vec<PassedOver>,
    /// The end of the span.
    #[serde(with = "time::serde::rfc3339")]
    to: OffsetDateTime,
    /// There are more: ask again from this instant on; null: these are all.
    #[serde(with = "time::serde::rfc3339::option")]
    next: Option<OffsetDateTime>,
    /// Where the last request stands in the log; 0: there is none. Also the header `Log-Position`.
    #[schema(example = 42)]
    position: i64,
    /// Where to watch: how many deliveries wait for the channel.
    operation: String,
}

/// A publication that can not be asked for now.
#[derive(Serialize, ToSchema)]
pub(crate) struct PassedOver {
    /// The publication.
    publication_id: Uuid,
    /// Why, in a sentence.
    detail: String,
}

/// Send a webhook again what it has not taken
///
/// Whatever failed, or is in doubt, of what was published in a span of time gets new attempts, each under the
/// `webhook-id` it had: who has it already can tell. What was sent is not sent again. It is found as the accounting shows it.
/// At most 500 publications at once; `next` says where to go on. Repeated under the same
/// Idempotency-Key it asks for nothing twice, and lists what is left.
#[utoipa::path(
    post, path = "/api/v1/channels/{id}/replay", tag = "channels", security(("bearer" = [])),
    params(
        ("id" = Uuid, Path, description = "The channel"),
        ("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat"),
    ),
    request_body = Span,
    responses(
        (status = 202, description = "They are being reopened; `Location` shows how many wait", body = Replayed),
        (status = 404, description = "No such channel", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Receivers of this kind cannot tell a copy", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "Some values are not acceptable", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn replay(
    commands: web::Data<Commands>,
    id: web::Path<Uuid>,
    call: Call,
    body: Json<Span>,
) -> Result<HttpResponse, Problem> {
    let (from, to) = judge(&body.value, commands.clock.now())?;
    let loaded = commands.store.load::<Channel>(*id).await;
    let channel = loaded.map_err(|error| refusal::load(&error))?.state;
    let Some(setup) = channel.setup() else {
        return Err(Problem::not_found("There is no channel of that id."));
    };
    let wanted = Wanted {
        channel_id: *id,
        kind: setup.kind.as_str().to_owned(),
        from,
        to,
        limit: PUBLICATIONS_MAX + 1,
    };
    let found = (commands.not_taken)(wanted).await;
    let found = found.map_err(|error| refusal::log_away(&error))?;
    let mut missed = found.ok_or_else(|| {
        let detail = "A receiver of this kind of channel cannot tell a copy of a message it has. \
                      Have the deliveries of a publication tried again instead.";
        Problem::conflict(detail)
    })?;
    let next = missed.get(PUBLICATIONS_MAX).map(|more| more.published_at);
    missed.truncate(PUBLICATIONS_MAX);
    let context = call.begin(&commands, &body.raw).await?.context;
    let asked: Vec<_> = stream::iter(missed)
        .map(|missed| ask(&commands, &context, *id, missed))
        .buffered(AT_ONCE)
        .collect()
        .await;
    let mut replayed = Replayed {
        requested: Vec::new(),
        passed_over: Vec::new(),
        to,
        next,
        position: 0,
        operation: format!("{COLLECTION}/{}/health", *id),
    };
    for asked in asked {
        match asked? {
            Asked::Requested(publication_id, position) => {
                replayed.requested.push(publication_id);
                replayed.position = replayed.position.max(position);
            }
            Asked::PassedOver(passed_over) => replayed.passed_over.push(passed_over),
        }
    }
    Ok(HttpResponse::Accepted()
        .insert_header((LOG_POSITION, replayed.position))
        .insert_header((header::LOCATION, replayed.operation.clone()))
        .json(replayed))
}

/// What became of one publication's request.
enum Asked {
    /// It is on record at this position.
    Requested(Uuid, i64),
    PassedOver(PassedOver),
}

/// Has the channel's delivery of one publication tried again. Which event that is follows from the request, so a request
/// that was cut off half way can be repeated.
async fn ask(
    commands: &Commands,
    request: &Context,
    channel_id: Uuid,
    missed: Missed,
) -> Result<Asked, Problem> {
    let publication_id = missed.publication_id;
    let parts: [&[u8]; 1] = [publication_id.as_bytes()];
    let context = Context {
        intent: derive_from(request.intent, "channel.replay", &parts),
        ..request.clone()
    };
    let retry = Retry {
        class: missed.class,
        channel_id: Some(channel_id),
        delivery_id: None,
        failed_reasons: Vec::new(),
        reason: Code::from_static("replay"),
    };
    let command = || Command::RequestRetry(retry.clone());
    let executed = commands
        .store
        .execute::<Publication>(publication_id, &context, None, command)
        .await;
    match executed {
        Ok(executed) => {
            if let Some(past) = &executed.repeated {
                same_body(past, &context)?;
            }
            Ok(Asked::Requested(publication_id, executed.position()))
        }
        // It is being reopened, or was cancelled, or not all of it is planned yet.
        Err(ExecuteError::Refused(
            refused @ (Refusal::RetryUnderWay | Refusal::Cancelled | Refusal::StillPlanning),
        )) => Ok(Asked::PassedOver(PassedOver {
            publication_id,
            detail: refusal::sentence(&refused.to_string()),
        })),
        Err(error) => Err(refusal::of(error)),
    }
}

fn judge(span: &Span, now: OffsetDateTime) -> Result<(OffsetDateTime, OffsetDateTime), Problem> {
    let mut values = Values::default();
    let mut instant = |pointer: &str, text: &str| {
        let parsed = parse_instant(text);
        if parsed.is_none() {
            values.wrong(
                pointer,
                "it must be an instant such as 2026-11-25T08:00:00Z",
            );
        }
        parsed
    };
    let from = instant("#/from", &span.from);
    let to = match &span.to {
        Some(to) => instant("#/to", to),
        None => Some(now),
    };
    let between = from.zip(to);
    if between.is_some_and(|(from, to)| from >= to) {
        values.wrong("#/from", "the span must begin before it ends");
    }
    values.all(between)
}
