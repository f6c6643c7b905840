//! Whoever has the link of a mail that was sent for it takes all that is held about a subscriber. It goes on record before the
//! first byte does, in a commit that fails if anything has changed which was looked at.

use tidings_domain::access::{
    Access, Command, File, Format, LinkRefusal, Method, NotTheirs, theirs,
};
use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::log::Log;
use tidings_domain::stream_id;
use tidings_domain::subscriber::Subscriber;
use tidings_domain::suppression::Suppression;
use tidings_domain::token::OwnDataLink;
use tidings_event_store::{CommitError, Guard, Loaded};
use tidings_service::Problem;
use tidings_service::http::RequestContext;
use tidings_service::look::{self, ReadyFile};

use super::{ACTOR, OwnData, Place, moves};
use crate::commands::Commands;
use crate::{notices, refusal};

/// Times it is made and judged anew because others were faster.
const ATTEMPTS_MAX: u32 = 3;

/// Why nothing is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The link does not work, or not any more.
    Link(LinkRefusal),
    /// It is not for whoever has the mailbox it went to.
    NotTheirs(NotTheirs),
}

/// What came of it.
pub(crate) enum Taken {
    /// It is on record: the file may be handed out while its place is held.
    Ready(ReadyFile, Place),
    /// Nothing is handed out.
    Refused(Refused),
    /// Too many are handed out just now.
    Full,
}

/// A link that works, as of these streams.
pub(crate) struct Judged {
    access: Loaded<Access>,
    guards: [Guard; 3],
}

/// Whether a link works at this moment.
pub(crate) async fn judge(
    commands: &Commands,
    link: &OwnDataLink,
) -> Result<Result<Judged, Refused>, Problem> {
    let (store, id, now) = (&commands.store, link.subscriber_id, commands.clock.now());
    let load = |error| refusal::load(&error);
    let log = store.load::<Log>(stream_id::log()).await.map_err(load)?;
    if log.state.held_by().is_some() {
        // What was put back may lack an erasure, or a change of address.
        return Err(refusal::unavailable(
            "The log was put back to an earlier state, and nobody has released it yet.",
        ));
    }
    let access = store
        .load_of::<Access>(stream_id::access(id), Access::LINKS)
        .await
        .map_err(load)?;
    let subscriber = match store.load::<Subscriber>(id).await {
        Err(error) if error.is_wrong_stream() => {
            return Ok(Err(Refused::NotTheirs(NotTheirs::Nobody)));
        }
        loaded => loaded.map_err(load)?,
    };
    let suppression = store.load::<Suppression>(link.address_suppression_id).await;
    let suppression = suppression.map_err(load)?;
    if let Err(why) = access.state.working_link(link.delivery_id, now) {
        return Ok(Err(Refused::Link(why)));
    }
    let moves = moves(&subscriber, notices::issued_at(&access, link.delivery_id));
    if let Err(why) = theirs(&subscriber.state, link.address_suppression_id, moves, now) {
        return Ok(Err(Refused::NotTheirs(why)));
    }
    if suppression.state.given_up().is_some() {
        return Ok(Err(Refused::NotTheirs(NotTheirs::Moved)));
    }
    let guards = [
        (id, subscriber.version),
        (suppression.id, suppression.version),
        (log.id, log.version),
    ];
    let guards = guards.map(|(stream_id, version)| Guard { stream_id, version });
    Ok(Ok(Judged { access, guards }))
}

/// Makes the file and puts on record that it is handed out, if the link works before and after.
pub(crate) async fn take(
    commands: &Commands,
    own_data: &OwnData,
    origin: &RequestContext,
    link: &OwnDataLink,
) -> Result<Taken, Problem> {
    if let Err(refused) = judge(commands, link).await? {
        return Ok(Taken::Refused(refused));
    }
    let Some(place) = own_data.places.take(link.subscriber_id) else {
        return Ok(Taken::Full);
    };
    for _ in 0..ATTEMPTS_MAX {
        let ready = (own_data.make)(link.subscriber_id).await?;
        // It was a while in the making.
        let judged = match judge(commands, link).await? {
            Ok(judged) => judged,
            Err(refused) => return Ok(Taken::Refused(refused)),
        };
        if record(commands, origin, link, (judged, ready.handed)).await? {
            return Ok(Taken::Ready(ready, place));
        }
        // What was made is not as it is any more, and the link may not work any more either.
        if let Err(refused) = judge(commands, link).await? {
            return Ok(Taken::Refused(refused));
        }
    }
    Err(refusal::unavailable("Others write at the same time."))
}

/// `false`: something has changed since it was judged.
async fn record(
    commands: &Commands,
    origin: &RequestContext,
    link: &OwnDataLink,
    (judged, handed): (Judged, look::File),
) -> Result<bool, Problem> {
    let context = commands.context(ACTOR, &origin.into());
    let subscriber_id = link.subscriber_id;
    let Ok(events) = judged.access.state.decide(Command::Export {
        subscriber_id,
        file: File {
            format: Format::Zip,
            method: Method::Link,
            digest: handed.digest,
            events: handed.events,
            through_position: handed.through_position,
            delivery_id: Some(link.delivery_id),
        },
        reason: None,
    });
    let access_id = judged.access.id;
    let mut draft = commands.store.draft(&context);
    draft.append_for(judged.access, events, subscriber_id, Some(subscriber_id));
    for guard in judged.guards {
        draft.guard(guard.stream_id, guard.version);
    }
    match draft.commit().await {
        Ok(_) => Ok(true),
        Err(CommitError::Conflict { .. }) => Ok(false),
        Err(CommitError::Unknown) => {
            let after = commands.store.load_of::<Access>(access_id, Access::LINKS);
            let after = after.await.map_err(|error| refusal::load(&error))?;
            Ok(after.repeated(context.intent).is_some())
        }
        Err(error) => Err(refusal::commit(&error)),
    }
}
