//! Puts on record who looks at a subscriber's data. Whoever shows them, in this room or another, asks for it first, and
//! shows nothing without it.

use std::sync::Arc;

use tidings_domain::access::{Access, Command, File, Format, Method, View};
use tidings_domain::address::Address;
use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::stream_id;
use tidings_domain::subscriber::Subscriber;
use tidings_domain::value::{EmailAddress, LookReason};
use tidings_event_store::{CommitError, Context, Guard, LoadError, Loaded};
use tidings_proto::{EventMessage as _, subscriber};
use tidings_service::Problem;
use tidings_service::look::{Look, Looker, RecordLook, Seen};
use uuid::Uuid;

use crate::Commands;
use crate::refusal::{self, sentence};

/// Times it is tried while others look at the same subscriber: each of them makes one try vain.
const ATTEMPTS_MAX: u32 = 50;

/// How looks are put on record, for rooms that show personal data.
#[must_use]
pub fn recorder(commands: Arc<Commands>) -> RecordLook {
    Arc::new(move |look| {
        let commands = commands.clone();
        Box::pin(async move { record(&commands, look).await })
    })
}

/// Who has an address, and where it is on record that somebody has found them by it; none: nobody has it, and there is nothing
/// to be on record.
///
/// # Errors
/// As [`record`], and 503 when the log cannot be read.
pub(crate) async fn at_holder(
    commands: &Commands,
    by: Looker,
    email: &EmailAddress,
) -> Result<Option<(Uuid, i64)>, Problem> {
    let address_id = stream_id::address(&commands.id_key, email);
    let address = commands.store.load::<Address>(address_id).await;
    let address = address.map_err(|error| refusal::load(&error))?;
    let Some(id) = address.state.holder() else {
        return Ok(None);
    };
    let look = Look {
        by,
        subscriber_ids: vec![id],
        seen: Seen::Search,
    };
    Ok(Some((id, record(commands, look).await?)))
}

/// Puts a look on record; gives where it stands.
///
/// # Errors
/// 400 when the reason is none, 409 when the erasure of whose file it is was asked for, 503 when the log cannot be written.
pub(crate) async fn record(commands: &Commands, look: Look) -> Result<i64, Problem> {
    let Look {
        by,
        subscriber_ids,
        seen,
    } = look;
    let reason = by.reason.as_deref().map(LookReason::parse).transpose();
    let reason = reason.map_err(|invalid| {
        let detail = sentence(&invalid.detail);
        Problem::bad_request(format!("Why you look is not acceptable. {detail}"))
    })?;
    let actor = commands.principals.actor(commands, &by.principal).await?;
    let context = commands.context(actor, &(&by.context).into());
    let looks: Vec<_> = subscriber_ids
        .into_iter()
        .map(|id| (id, command(id, seen, reason.clone())))
        .collect();
    commit(commands, &context, &looks).await
}

async fn commit(
    commands: &Commands,
    context: &Context,
    looks: &[(Uuid, Command)],
) -> Result<i64, Problem> {
    let access_ids: Vec<Uuid> = looks.iter().map(|(id, _)| stream_id::access(*id)).collect();
    let mut attempts = 0;
    // A try that nobody answered for may have been the one.
    let mut in_doubt = false;
    loop {
        let loaded = streams(commands, &access_ids, in_doubt);
        let loaded = loaded.await.map_err(|error| refusal::load(&error))?;
        // The first event of the commit has the intent's own id.
        let first = loaded.first();
        if let Some(past) = first.and_then(|it| it.repeated(context.intent)) {
            return Ok(past.position);
        }
        let mut draft = commands.store.draft(context);
        for (loaded, (subscriber_id, command)) in loaded.into_iter().zip(looks) {
            if let Command::Export { file, .. } = command {
                let guard = still_whole(commands, *subscriber_id, file).await?;
                draft.guard(guard.stream_id, guard.version);
            }
            let events = match loaded.state.decide(command.clone()) {
                Ok(events) => events,
                Err(never) => match never {},
            };
            draft.append_for(loaded, events, *subscriber_id, Some(*subscriber_id));
        }
        attempts += 1;
        match draft.commit().await {
            Ok(committed) => return Ok(committed.last_position),
            Err(error) if error.may_be_decided_anew() && attempts < ATTEMPTS_MAX => {
                in_doubt |= matches!(error, CommitError::Unknown);
            }
            Err(CommitError::Conflict { .. }) => {
                return Err(refusal::unavailable(
                    "Too many look at the same subscribers at once. Nothing is shown that is not on record.",
                ));
            }
            Err(error) => return Err(refusal::commit(&error)),
        }
    }
}

/// What must not move until it is on record that a file is handed out. One that was made while its subscriber's data were being
/// destroyed may hold some of them and lack others, and looks whole.
///
/// # Errors
/// 409 when their erasure was asked for before the file was made, or meanwhile.
async fn still_whole(
    commands: &Commands,
    subscriber_id: Uuid,
    file: &File,
) -> Result<Guard, Problem> {
    let loaded = commands.store.load::<Subscriber>(subscriber_id).await;
    let loaded = loaded.map_err(|error| refusal::load(&error))?;
    let erased = loaded.history.iter().rev();
    let mut erased = erased.filter(|past| past.event_type == subscriber::Erased::TYPE);
    let is_whole = match loaded.state {
        Subscriber::Erasing(_) => false,
        // Of what is left, all of it.
        Subscriber::Erased(_) => erased
            .next()
            .is_none_or(|past| past.position <= file.through_position),
        _ => true,
    };
    match is_whole {
        true => Ok(Guard {
            stream_id: subscriber_id,
            version: loaded.version,
        }),
        false => Err(Problem::conflict(BEING_ERASED)),
    }
}

const BEING_ERASED: &str = "The erasure of this subscriber's data was asked for, so the file that was being made is not handed \
    out: it would be neither all of them nor what is left. Ask again once they are erased (GET \
    /api/v1/subscribers/{id}/erasure answers with the receipt then): the export holds what is left.";

/// The streams to append to. What was seen before decides nothing, and grows with every look: the first is read only to find
/// a commit of which nobody knows whether it is there.
async fn streams(
    commands: &Commands,
    access_ids: &[Uuid],
    in_doubt: bool,
) -> Result<Vec<Loaded<Access>>, LoadError> {
    let versions = commands.store.log().versions(access_ids).await?;
    let known = access_ids.iter().zip(versions);
    let known = known.map(|(id, version)| Loaded::known(*id, Access::default(), version));
    let mut all: Vec<Loaded<Access>> = known.collect();
    if let Some(first) = all.first_mut().filter(|_| in_doubt) {
        *first = commands.store.load(first.id).await?;
    }
    Ok(all)
}

fn command(subscriber_id: Uuid, seen: Seen, reason: Option<LookReason>) -> Command {
    let view = |what, reason| Command::View {
        subscriber_id,
        what,
        reason,
    };
    match seen {
        Seen::Profile => view(View::Profile, reason),
        Seen::Search => view(View::Search, reason),
        Seen::Timeline => view(View::Timeline, reason),
        Seen::Line => view(View::BulkExport, reason),
        Seen::Export(file) => Command::Export {
            subscriber_id,
            file: File {
                format: Format::Zip,
                method: Method::Api,
                digest: file.digest,
                events: file.events,
                through_position: file.through_position,
                delivery_id: None,
            },
            reason,
        },
    }
}
