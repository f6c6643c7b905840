//! The facts about consent that the log has lost become part of it again: all of one stream in one commit, under
//! an id that follows from the `Restored` event and the stream, so that doing it twice does it once.

use std::collections::HashMap;

use tidings_domain::aggregate::Aggregate;
use tidings_domain::stream_id::reaction;
use tidings_domain::subscriber::{self, ResubscribeMethod, Subscriber, UnsubscribeMethod};
use tidings_domain::suppression::{self, Reason, Scope, Suppression};
use tidings_proto::EventMessage as _;
use tidings_proto::{subscriber as of_subscriber, suppression as of_suppression};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{ACTOR, Again, RestoreError};
use crate::committer::CommitError;
use crate::store::{Context, Loaded, Past, Store};
use crate::witness::Fact;

/// Times a stream is looked at anew because somebody else has written to it.
const ATTEMPTS_MAX: u32 = 5;
/// Events that say the opposite of what somebody said who left.
const BACK: [&str; 2] = [
    of_subscriber::Resubscribed::TYPE,
    of_suppression::Lifted::TYPE,
];

/// Makes facts part of the log again, caused by the `Restored` event. `tell` sees how many of how many streams are
/// done.
///
/// # Errors
/// When the log can not be read or written, or a fact is not understood: then nothing of its stream is recorded.
pub async fn again(
    store: &Store,
    restored: &Past,
    facts: &[Fact],
    now: OffsetDateTime,
    tell: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<Again, RestoreError> {
    let mut order = Vec::new();
    let mut streams: HashMap<Uuid, Vec<&Fact>> = HashMap::new();
    for fact in facts {
        let of_stream = streams.entry(fact.stream_id).or_insert_with(|| {
            order.push(fact.stream_id);
            Vec::new()
        });
        of_stream.push(fact);
    }
    let mut again = Again {
        facts: facts.len() as u64,
        ..Again::default()
    };
    for (done, stream_id) in (1..).zip(&order) {
        let of_stream = &streams[stream_id];
        let context = context(restored, *stream_id, now);
        // A new kind of fact needs an arm of its own: what is not understood stops the restore.
        match of_stream[0].event_type.split('.').next() {
            Some(Subscriber::NOUN) => {
                of_subscriber_stream(store, &context, *stream_id, of_stream, &mut again).await?;
            }
            Some(Suppression::NOUN) => {
                let commands = commands(of_stream, suppression_command)?;
                let events = stream::<Suppression>(store, &context, *stream_id, &commands).await?;
                again.count::<Suppression>(&events);
            }
            _ => return Err(unheard(of_stream[0], "the kind")),
        }
        tell(done, order.len() as u64);
    }
    Ok(again)
}

fn context(restored: &Past, stream_id: Uuid, now: OffsetDateTime) -> Context {
    Context {
        actor: ACTOR.to_owned(),
        correlation_id: restored.event_id,
        causation: Some(restored.position),
        occurred_at: now,
        traceparent: None,
        intent: reaction(
            restored.recorded_at,
            "restored",
            restored.event_id,
            &[stream_id.as_bytes()],
        ),
        request_digest: None,
    }
}

async fn of_subscriber_stream(
    store: &Store,
    context: &Context,
    subscriber_id: Uuid,
    facts: &[&Fact],
    again: &mut Again,
) -> Result<(), RestoreError> {
    let commands = commands(facts, subscriber_command)?;
    let known = store.log().existing(&[subscriber_id]).await?;
    if known.contains(&subscriber_id) {
        let events = stream::<Subscriber>(store, context, subscriber_id, &commands).await?;
        again.count::<Subscriber>(&events);
        return Ok(());
    }
    // They signed up and left in what was lost. Whoever brings the address again must not have it mailed.
    let Some(suppression_id) = left_as(facts) else {
        return Ok(());
    };
    let command = suppression::Command::Add {
        scope: Scope::Address,
        reason: Reason::Unsubscribed,
        delivery_id: None,
        value: None,
    };
    let at = facts[0].recorded_at;
    let events =
        stream::<Suppression>(store, context, suppression_id, &[(at, true, command)]).await?;
    again.unknown += 1;
    again.count::<Suppression>(&events);
    Ok(())
}

/// The suppression of somebody who had left everything in the end.
fn left_as(facts: &[&Fact]) -> Option<Uuid> {
    let last = facts
        .iter()
        .rfind(|fact| fact.topic_id.is_none())
        .filter(|fact| fact.event_type == of_subscriber::Unsubscribed::TYPE)?;
    last.address_suppression_id
}

/// A command, when what it says happened, and whether it says that somebody must not be written to.
type Dated<C> = (OffsetDateTime, bool, C);

fn commands<C>(
    facts: &[&Fact],
    command: fn(&Fact) -> Result<C, RestoreError>,
) -> Result<Vec<Dated<C>>, RestoreError> {
    let dated = |fact: &&Fact| {
        let leaves = !BACK.contains(&fact.event_type.as_str());
        let at = fact.recorded_at;
        command(fact).map(|command| (at, leaves, command))
    };
    facts.iter().map(dated).collect()
}

fn subscriber_command(fact: &Fact) -> Result<subscriber::Command, RestoreError> {
    match fact.event_type.as_str() {
        of_subscriber::Unsubscribed::TYPE => Ok(subscriber::Command::Unsubscribe {
            method: UnsubscribeMethod::Restored,
            delivery_id: None,
            evidence: None,
            topic_id: fact.topic_id,
        }),
        of_subscriber::Resubscribed::TYPE => Ok(subscriber::Command::Resubscribe {
            method: ResubscribeMethod::Restored,
            evidence: None,
        }),
        _ => Err(unheard(fact, "the kind")),
    }
}

fn suppression_command(fact: &Fact) -> Result<suppression::Command, RestoreError> {
    let reasons = fact
        .reasons
        .iter()
        .map(|reason| Reason::parse(reason).map_err(|_| unheard(fact, "the reason")))
        .collect::<Result<Vec<_>, _>>()?;
    match fact.event_type.as_str() {
        of_suppression::Added::TYPE => {
            let scope = fact.scope.as_deref().unwrap_or_default();
            Ok(suppression::Command::Add {
                scope: Scope::parse(scope).map_err(|_| unheard(fact, "the scope"))?,
                reason: *reasons.first().ok_or_else(|| unheard(fact, "the reason"))?,
                delivery_id: None,
                value: None,
            })
        }
        of_suppression::Lifted::TYPE => Ok(suppression::Command::Lift { reasons }),
        _ => Err(unheard(fact, "the kind")),
    }
}

/// Carries out commands on one stream in one commit; gives the events. None when it was done before.
async fn stream<A>(
    store: &Store,
    context: &Context,
    id: Uuid,
    commands: &[Dated<A::Command>],
) -> Result<Vec<A::Event>, RestoreError>
where
    A: Aggregate,
    A::Command: Clone,
{
    let mut attempts = 0;
    loop {
        let loaded = store.load::<A>(id).await?;
        if loaded.repeated(context.intent).is_some() {
            return Ok(Vec::new());
        }
        let mut state = loaded.state.clone();
        let mut events = Vec::new();
        for (at, leaves, command) in commands {
            if overtaken(&loaded, *at, *leaves) {
                continue;
            }
            // What the stream can not take is so already.
            for event in state.decide(command.clone()).unwrap_or_default() {
                state = state.evolve(&event);
                events.push(event);
            }
        }
        if events.is_empty() {
            return Ok(events);
        }
        let mut draft = store.draft(context);
        draft.append(loaded, events.clone());
        attempts += 1;
        match draft.commit().await {
            Ok(_) => return Ok(events),
            Err(CommitError::Conflict { .. } | CommitError::Unknown) if attempts < ATTEMPTS_MAX => {
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether the log has a later word of the same person, as it may after it has gone on: leaving is undone by a later
/// coming back alone, coming back by anything.
fn overtaken<A>(loaded: &Loaded<A>, at: OffsetDateTime, leaves: bool) -> bool {
    let later = |past: &&Past| past.recorded_at > at;
    let mut later = loaded.history.iter().filter(later);
    later.any(|past| !leaves || BACK.contains(&past.event_type.as_str()))
}

fn unheard(fact: &Fact, what: &'static str) -> RestoreError {
    RestoreError::Unheard {
        what,
        event_type: fact.event_type.clone(),
        position: fact.position,
    }
}

impl Again {
    fn count<A: Aggregate>(&mut self, events: &[A::Event]) {
        for event in events {
            *self.events.entry(A::event_type(event)).or_default() += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn fact(event_type: &str, topic_id: Option<Uuid>) -> Fact {
        let at = datetime!(2026-03-01 10:00 UTC);
        Fact {
            position: 7,
            event_type: event_type.to_owned(),
            stream_id: Uuid::from_u128(1),
            event_id: Uuid::from_u128(2),
            occurred_at: at,
            recorded_at: at,
            topic_id,
            method: None,
            address_suppression_id: Some(Uuid::from_u128(3)),
            scope: None,
            reasons: Vec::new(),
        }
    }

    #[test]
    fn only_who_left_everything_in_the_end_is_suppressed() {
        let topic = Some(Uuid::from_u128(9));
        let left = fact("subscriber.Unsubscribed", None);
        let left_topic = fact("subscriber.Unsubscribed", topic);
        let back = fact("subscriber.Resubscribed", None);
        let suppression = Some(Uuid::from_u128(3));
        assert_eq!(left_as(&[&left]), suppression);
        assert_eq!(left_as(&[&left, &left_topic]), suppression);
        assert_eq!(left_as(&[&left, &back]), None);
        assert_eq!(left_as(&[&left, &back, &left]), suppression);
        assert_eq!(left_as(&[&left_topic]), None);
    }

    #[test]
    fn what_is_not_understood_is_no_consent() {
        let unknown = fact("subscriber.Vanished", None);
        assert!(subscriber_command(&unknown).is_err());
        let added = fact("suppression.Added", None);
        let refused = suppression_command(&added).unwrap_err().to_string();
        assert!(
            refused.contains("suppression.Added, position 7"),
            "{refused}"
        );
    }
}
