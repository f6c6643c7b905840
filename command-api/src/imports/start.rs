//! `POST /api/v1/imports`: a CSV file is taken in. Once this is answered, nothing of it gets lost.

use std::time::Duration;

use actix_web::web::{self, Bytes};
use actix_web::{HttpMessage as _, HttpRequest};
use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::subscriber_import::{Command, SubscriberImport};
use tidings_event_store::crash_point;
use tidings_service::Problem;
use tidings_service::auth::Role;
use tidings_service::clock::Monotonic;
use tidings_service::http::read_body;
use tidings_service::problem::ProblemBody;
use uuid::Uuid;

use super::COLLECTION;
use super::file::NotTaken;
use super::stored::{self, Prepared};
use crate::answer::{Answer, Changed, same_body};
use crate::commands::Commands;
use crate::refusal;
use crate::request::Call;
use tidings_service::access::{Access, Route};

pub(crate) const ROUTE: Route = (
    "POST",
    COLLECTION,
    Access::Roles(&[Role::Editor, Role::Service]),
);
const MEDIA_TYPE: &str = "text/csv";

/// Import subscribers from a CSV file
///
/// The header line names the columns: `email` (required), `name`, and any others, which become
/// attributes: texts, or what the name asks for, as in `age:number`, `born:date` and `member:boolean`. Who is a subscriber already stays as they are, but for whoever has yet to confirm: you answer for their consent.
/// Who has a column `status` that says `unsubscribed`, `pending` or the like is not signed up. Lines that cannot be used
/// are listed with the import, with their numbers and reasons.
///
/// The CSV of `GET /api/v1/subscribers/export` is known by its header line: who had left, had yet to confirm or was suppressed
/// still is; tags, typed attributes and choices of topics are kept. Who left a channel that is not known here by its id comes as
/// not confirmed. Whom it says to have left everything, and who is here already, is suppressed. It is refused (422) without one
/// of its columns `status`, `confirmed`, `suppressed`, `topics_left` and `channels_left`, or with one that it does not have.
///
/// Exports of listmonk and of Mailchimp are known by their header lines. Whom they say not to write to (blocklisted,
/// disabled; unsubscribed, cleaned) is not signed up: the address is suppressed, and counted apart. So is, in any other file,
/// whom a column `status` says to have left, bounced, complained or been blocked, or, unless they are here already, not to
/// have confirmed, and who has something in a column such as `unsubscribed_at`, `opted_out` or `UNSUB_TIME`: other than a
/// word such as `no`, `none` or `-`, or a date that was never set. And so is who has a no in a column that asks whether they agreed,
/// such as `subscribed`, `opt_in`, `consent` or `Accepts Marketing`; a line with neither yes nor no there, or in `status`, is
/// rejected. listmonk's own export lists who has left one of its lists as `enabled`: export the subscribers of the lists you go on
/// with, and leave out whom they show as unsubscribed. Mailchimp's `TAGS` become tags.
#[utoipa::path(
    post, path = "/api/v1/imports", tag = "imports", security(("bearer" = [])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the request safe to repeat")),
    request_body(content = String, content_type = "text/csv",
        example = "email,name,city\nada@example.org,Ada,London\ngrace@example.org,Grace,Arlington\n"),
    responses(
        (status = 202, description = "Taken in; `Location` shows how far it is", body = Changed),
        (status = 409, description = "An earlier request with this key was not finished in time; send the file with a new \
            key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "The file is too large", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 415, description = "It is not text/csv", body = ProblemBody,
            content_type = "application/problem+json"),
        (status = 422, description = "The file as a whole cannot be used", body = ProblemBody,
            content_type = "application/problem+json"),
    ),
)]
pub(crate) async fn start(
    commands: web::Data<Commands>,
    request: HttpRequest,
    call: Call,
    body: web::Payload,
) -> Result<Answer, Problem> {
    if !request.content_type().eq_ignore_ascii_case(MEDIA_TYPE) {
        return Err(Problem::unsupported_media_type(MEDIA_TYPE));
    }
    let file = read_body(
        &request,
        &mut body.into_inner(),
        commands.limits.import_limit_bytes,
    )
    .await?;
    let command = call.begin(&commands, &file).await?;
    let (import_id, context) = (
        command.new_stream(&commands, SubscriberImport::NOUN),
        &command.context,
    );
    let import = commands
        .store
        .load::<SubscriberImport>(import_id)
        .await
        .map_err(|error| refusal::load(&error))?;
    if let Some(past) = import.repeated(context.intent) {
        same_body(past, context)?;
        return Ok(Answer::at(&import, context).accepted(COLLECTION));
    }
    let file_digest = commands.id_key.digest("import.file", &[&file]);
    let (lines, since) = store(&commands, import_id, file, &file_digest).await?;
    crash_point!("import.stored");
    if commands.clock.age(since) > STORED_WITHIN {
        return Err(refusal::unavailable(
            "The file took too long to store. Nothing was imported.",
        ));
    }
    // The chunks are durable: from this commit on the import runs to its end whatever happens here.
    let started = commands
        .store
        .execute::<SubscriberImport>(import_id, context, None, || Command::Start {
            file_digest,
            lines,
        })
        .await
        .map_err(refusal::of)?;
    Ok(Answer::of(&started, context)?.accepted(COLLECTION))
}

/// A file that was stored longer ago is not worked off: it may be deleted at any moment as that of a request that died.
const STORED_WITHIN: Duration = Duration::from_secs(60);

/// Judges, seals and stores the file; gives its number of records, and when it was about to be stored.
async fn store(
    commands: &Commands,
    import_id: Uuid,
    file: Bytes,
    file_digest: &[u8; 32],
) -> Result<(u64, Monotonic), Problem> {
    let keys = commands
        .store
        .vault()
        .ensure(&[stored::file_key(import_id)], commands.clock.now())
        .await
        .map_err(|error| refusal::log_away(&error))?;
    if keys.is_shredded(stored::file_key(import_id)) {
        return Err(Problem::conflict(GIVEN_UP));
    }
    let prepared = web::block(move || stored::prepare(&file, import_id, &keys))
        .await
        .map_err(|error| Problem::internal(&error))?
        .map_err(|error| not_taken(&error))?;
    let Prepared { records, .. } = prepared;
    let (now, since) = (commands.clock.now(), commands.clock.monotonic());
    stored::insert(commands.store.log(), import_id, file_digest, &prepared, now)
        .await
        .map_err(|error| refusal::log_away(&error))?;
    Ok((records, since))
}

const GIVEN_UP: &str = "An earlier request with this Idempotency-Key was not finished in time, and its file is deleted. \
    Send the file with a new key.";

fn not_taken(error: &NotTaken) -> Problem {
    Problem::validation().detail(error.to_string())
}
