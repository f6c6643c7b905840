//! Somebody with a mail of a subscriber's asks for a link to all that is held about them.

use tidings_domain::access::{Access, NotTheirs, NoticeKind, theirs};
use tidings_domain::delivery::Purpose;
use tidings_domain::stream_id;
use tidings_domain::subscriber::{Profile, Subscriber};
use tidings_domain::suppression::Suppression;
use tidings_domain::token::PreferencesLink;
use tidings_domain::value::Evidence;
use tidings_event_store::{CommitError, Context};
use tidings_service::Problem;
use tidings_service::http::RequestContext;

use super::{ACTOR, moves};
use crate::commands::Commands;
use crate::notices::{self, Notice};
use crate::refusal;

/// Times it is decided anew because others were faster.
const ATTEMPTS_MAX: u32 = 5;

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A link goes to the address they have.
    Sent,
    /// One was sent lately: no more for now.
    Lately,
    /// Nothing may be sent to their address.
    Suppressed,
    /// It is not for whoever has the link of this mail.
    NotTheirs(NotTheirs),
    /// There is no channel that could bring it.
    NoWay,
}

/// Has a link sent, if whoever asks may have it.
pub(crate) async fn ask(
    commands: &Commands,
    origin: &RequestContext,
    link: &PreferencesLink,
    evidence: Option<Evidence>,
) -> Result<Asked, Problem> {
    // The same over all attempts: one whose answer was lost is recognised.
    let context = commands.context(ACTOR, &origin.into());
    for _ in 0..ATTEMPTS_MAX {
        match attempt(commands, &context, link, evidence.clone()).await? {
            Ok(asked) => return Ok(asked),
            Err(error) if error.may_be_decided_anew() => {}
            Err(error) => return Err(refusal::commit(&error)),
        }
    }
    Err(refusal::unavailable("Others write at the same time."))
}

async fn attempt(
    commands: &Commands,
    context: &Context,
    link: &PreferencesLink,
    evidence: Option<Evidence>,
) -> Result<Result<Asked, CommitError>, Problem> {
    let (store, id) = (&commands.store, link.subscriber_id);
    let load = |error| refusal::load(&error);
    let access = store
        .load_of::<Access>(stream_id::access(id), Access::NOTICES)
        .await
        .map_err(load)?;
    if access.repeated(context.intent).is_some() {
        return Ok(Ok(Asked::Sent));
    }
    let subscriber = match store.load::<Subscriber>(id).await {
        Err(error) if error.is_wrong_stream() => {
            return Ok(Ok(Asked::NotTheirs(NotTheirs::Nobody)));
        }
        loaded => loaded.map_err(load)?,
    };
    let now = context.occurred_at;
    let moves = moves(&subscriber, None);
    let judged = theirs(&subscriber.state, link.address_suppression_id, moves, now);
    let profile = match judged {
        Ok(profile) => profile,
        Err(why) => return Ok(Ok(Asked::NotTheirs(why))),
    };
    if is_suppressed(commands, profile).await? {
        return Ok(Ok(Asked::Suppressed));
    }
    // Whoever is told that it is on its way must not wait in vain.
    let channel_id = (commands.notice_channel)(Vec::new()).await;
    let channel_id = channel_id.map_err(|error| refusal::log_away(&error))?;
    let Some(channel_id) = channel_id else {
        return Ok(Ok(Asked::NoWay));
    };
    let notice = Notice {
        subscriber_id: id,
        kind: NoticeKind::OwnData,
        channel_id,
        departures: profile.departures,
        consent: None,
        evidence,
    };
    let mut draft = store.draft(context);
    if !notices::issue(&mut draft, context, access, notice) {
        return Ok(Ok(Asked::Lately));
    }
    draft.guard(id, subscriber.version);
    Ok(draft.commit().await.map(|_| Asked::Sent))
}

async fn is_suppressed(commands: &Commands, profile: &Profile) -> Result<bool, Problem> {
    let ids = [
        profile.address_suppression_id,
        profile.domain_suppression_id,
    ];
    let suppressions = commands.store.load_many::<Suppression>(&ids).await;
    let suppressions = suppressions.map_err(|error| refusal::load(&error))?;
    let forbids =
        |it: &tidings_event_store::Loaded<Suppression>| it.state.forbids(Purpose::OwnData);
    Ok(suppressions.iter().any(forbids))
}
