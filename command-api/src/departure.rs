//! Carries out what an unsubscribe link asks for, whichever way it came.

use tidings_domain::subscriber::{self, Standing, Subscriber, UnsubscribeMethod, What};
use tidings_domain::suppression::{self, Suppression};
use tidings_domain::token::UnsubscribeLink;
use tidings_domain::value::Evidence;
use tidings_event_store::{Context, ExecuteError, is_their_word};
use tidings_service::Problem;

use crate::commands::Commands;
use crate::feedback::Origin;
use crate::refusal::{self, Refused as _};

/// Takes whom the link names off what it names. Doing it again changes nothing.
pub(crate) async fn depart(
    commands: &Commands,
    origin: &Origin,
    link: &UnsubscribeLink,
    method: UnsubscribeMethod,
    evidence: Option<Evidence>,
) -> Result<(), Problem> {
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
        Ok(_) => Ok(()),
        Err(ExecuteError::Refused(refusal)) if refusal.is_unknown() => {
            suppress(commands, &context, link).await
        }
        Err(ExecuteError::Load(error)) if error.is_wrong_stream() => {
            suppress(commands, &context, link).await
        }
        Err(error) => Err(refusal::of(error)),
    }
}

/// The log does not know the subscriber (any more): then nothing may go to the address they had.
async fn suppress(
    commands: &Commands,
    context: &Context,
    link: &UnsubscribeLink,
) -> Result<(), Problem> {
    let command = || suppression::Command::Add {
        scope: suppression::Scope::Address,
        reason: suppression::Reason::Unsubscribed,
        delivery_id: link.delivery_id,
        value: None,
    };
    let (store, id) = (&commands.store, link.address_suppression_id);
    let executed = store.execute::<Suppression>(id, context, None, command);
    let executed = executed.await.map_err(refusal::of)?;
    if executed.committed.is_some() || executed.repeated.is_some() {
        return Ok(());
    }
    // It stands already. Where no more than a file said so, an operator may lift it, but not what they say themselves.
    let history = store.log().stream(id).await;
    let history = history.map_err(|error| refusal::load(&error.into()))?;
    if is_their_word(&history) {
        return Ok(());
    }
    let mut draft = store.draft(context);
    let word = suppression::Event::Added {
        scope: suppression::Scope::Address,
        reason: suppression::Reason::Unsubscribed,
        delivery_id: link.delivery_id,
        value: None,
    };
    draft.append(executed.after, vec![word]);
    let committed = draft.commit().await;
    committed.map(drop).map_err(|error| refusal::commit(&error))
}
