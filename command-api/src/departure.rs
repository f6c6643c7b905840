//! Carries out what an unsubscribe link asks for, whichever way it came.

use std::time::Duration;

use tidings_domain::subscriber::{self, Standing, Subscriber, UnsubscribeMethod, What};
use tidings_domain::suppression::{self, Suppression};
use tidings_domain::token::UnsubscribeLink;
use tidings_domain::value::Evidence;
use tidings_event_store::{Context, ExecuteError, their_words};
use tidings_service::Problem;

use crate::commands::Commands;
use crate::feedback::Origin;
use crate::refusal::{self, Refused as _};

/// Times it is decided anew because others were faster.
const ATTEMPTS_MAX: u32 = 5;
/// Mail programs say it twice, and readers press twice: that is one word. Too short to be asked in between.
const SAID_ONCE_WITHIN: Duration = Duration::from_secs(5);
/// Whoever has said it so often is a program that goes on pressing, which must not fill the log.
const OFTEN: usize = 10;
const SAID_OFTEN_WITHIN: Duration = Duration::from_secs(24 * 3_600);

/// What they get no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Departed {
    /// What the link names.
    Named,
    /// Anything, whatever the link names: nobody knows any more who they are.
    Everything,
}

/// Takes whom the link names off what it names. Doing it again takes nothing more away.
pub(crate) async fn depart(
    commands: &Commands,
    origin: &Origin,
    link: &UnsubscribeLink,
    method: UnsubscribeMethod,
    evidence: Option<Evidence>,
) -> Result<Departed, Problem> {
    let actor = match method {
        UnsubscribeMethod::OneClick => "subscriber:link",
        UnsubscribeMethod::Mail => "subscriber:mail",
        UnsubscribeMethod::Page
        | UnsubscribeMethod::Api
        | UnsubscribeMethod::Import
        | UnsubscribeMethod::Restored => "subscriber:page",
    };
    let context = commands.context(actor, origin);
    let command = || subscriber::Command::Unsubscribe {
        method,
        delivery_id: link.delivery_id,
        evidence: evidence.clone(),
        what: What::topic_or_everything(link.topic_id),
    };
    match commands
        .store
        .execute::<Subscriber>(link.subscriber_id, &context, None, command)
        .await
    {
        // They may have signed up anew: whoever leaves by an old mail leaves for good.
        Ok(executed) if executed.after.state.standing() == Standing::Erased => {
            suppress(commands, &context, link).await
        }
        Ok(_) => Ok(Departed::Named),
        Err(ExecuteError::Refused(refusal)) if refusal.is_unknown() => {
            suppress(commands, &context, link).await
        }
        Err(ExecuteError::Load(error)) if error.is_wrong_stream() => {
            suppress(commands, &context, link).await
        }
        Err(error) => Err(refusal::of(error)),
    }
}

/// What they would get no more, as far as that can be told now.
pub(crate) async fn would_leave(commands: &Commands, link: &UnsubscribeLink) -> Departed {
    match commands.store.load::<Subscriber>(link.subscriber_id).await {
        // So stands, too, whom the log does not know.
        Ok(loaded) if loaded.state.standing() == Standing::Erased => Departed::Everything,
        Err(error) if error.is_wrong_stream() => Departed::Everything,
        Ok(_) | Err(_) => Departed::Named,
    }
}

/// The log does not know the subscriber (any more): then nothing may go to the address they had. Where no more than a file said
/// so, an operator may lift it, but not what they say themselves. Said again it counts anew: they may have been asked since.
async fn suppress(
    commands: &Commands,
    context: &Context,
    link: &UnsubscribeLink,
) -> Result<Departed, Problem> {
    let (store, id) = (&commands.store, link.address_suppression_id);
    let load = |error| refusal::load(&error);
    let mut attempts = 0;
    loop {
        let suppression = store.load::<Suppression>(id).await.map_err(load)?;
        let history = store.log().stream(id).await;
        let history = history.map_err(|error| load(error.into()))?;
        let words = their_words(&history);
        let just_now = context.occurred_at - said_once_within(words.len());
        if words.last().is_some_and(|it| it.occurred_at > just_now) {
            return Ok(Departed::Everything);
        }
        let word = suppression::Event::Added {
            scope: suppression::Scope::Address,
            reason: suppression::Reason::Unsubscribed,
            delivery_id: link.delivery_id,
            value: None,
        };
        let mut draft = store.draft(context);
        draft.append(suppression, vec![word]);
        attempts += 1;
        match draft.commit().await {
            Ok(_) => return Ok(Departed::Everything),
            Err(error) if error.may_be_decided_anew() && attempts < ATTEMPTS_MAX => {}
            Err(error) => return Err(refusal::commit(&error)),
        }
    }
}

/// For how long the same word counts once, after it was said so often.
fn said_once_within(often: usize) -> Duration {
    match often < OFTEN {
        true => SAID_ONCE_WITHIN,
        false => SAID_OFTEN_WITHIN,
    }
}
