//! The facts about consent that the log has lost become part of it again: all of one stream in one commit, under an
//! id that follows from the `Restored` event, the stream and its last fact. So doing it twice does it once, and
//! doing it again with more facts adds them.

use std::collections::HashSet;

use tidings_domain::aggregate::Aggregate;
use tidings_domain::api_key::ApiKey;
use tidings_domain::id::nth_event;
use tidings_domain::stream_id::reaction;
use tidings_domain::subscriber::{Subscriber, What};
use tidings_domain::suppression::{Command, Event, Reason, Suppression};
use time::OffsetDateTime;
use uuid::Uuid;

use super::words::{self, BACK, Weight, Word};
use super::{ACTOR, Again, RestoreError};
use crate::crash_point;
use crate::event::Recorded;
use crate::store::{Context, LoadError, Loaded, Past, Store};
use crate::their_word::is_their_word;
use crate::witness::{Fact, of_event};

/// Times a stream is looked at anew because somebody else has written to it.
const ATTEMPTS_MAX: u32 = 5;
/// Streams that are looked up at once.
const LOOKED_UP: usize = 10_000;

/// What the log lacks.
#[derive(Clone, Copy, Debug)]
pub struct Lacking<'a> {
    /// The facts, in their order.
    pub facts: &'a [Fact],
    /// The last position that the log has in common with the one of before. What it holds after that is later than
    /// any of the facts.
    pub parted_after: i64,
}

/// Makes facts part of the log again, caused by the `Restored` event. `tell` sees how many of how many streams are
/// done.
///
/// # Errors
/// When the log can not be read or written, or a fact is not understood: then none is recorded.
pub async fn again(
    store: &Store,
    restored: &Past,
    lacking: Lacking<'_>,
    now: OffsetDateTime,
    tell: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<Again, RestoreError> {
    let mut known = HashSet::new();
    for some in words::subscribers(lacking.facts).chunks(LOOKED_UP) {
        known.extend(store.log().existing(some).await?);
    }
    let words = words::words(lacking.facts, &known)?;
    let mut again = Again {
        facts: lacking.facts.len() as u64,
        unknown: words.unknown,
        ..Again::default()
    };
    let teller = Teller {
        store,
        restored,
        parted_after: lacking.parted_after,
        now,
    };
    let streams = words.subscribers.len() + words.suppressions.len() + words.api_keys.len();
    let mut done = 0;
    let mut told = || {
        done += 1;
        tell(done, streams as u64);
    };
    // Before anything is opened with them.
    store
        .vault()
        .shred(&words.shredded, now)
        .await
        .map_err(LoadError::from)?;
    for (stream_id, words) in &words.subscribers {
        let events = teller
            .stream::<Subscriber>(*stream_id, words, |_, _| None)
            .await?;
        again.count::<Subscriber>(&events);
        told();
    }
    for (stream_id, words) in &words.api_keys {
        let events = teller
            .stream::<ApiKey>(*stream_id, words, |_, _| None)
            .await?;
        again.count::<ApiKey>(&events);
        told();
    }
    for (stream_id, words) in &words.suppressions {
        let events = teller
            .stream::<Suppression>(*stream_id, words, theirs)
            .await?;
        again.count::<Suppression>(&events);
        told();
    }
    Ok(again)
}

/// Something a person has said since.
struct Said {
    /// That they want to be written to again.
    back: bool,
    what: What,
}

/// Whether a later word of the same person outweighs one: leaving something is undone by a later coming back to the same
/// alone, coming back by anything, an erasure by nothing.
fn overtaken(later: &[Said], weight: Weight, what: What) -> bool {
    match weight {
        Weight::ForGood => false,
        Weight::Leaves => later.iter().any(|said| said.back && said.what == what),
        Weight::Back => !later.is_empty(),
    }
}

/// Where no more than a file said that somebody left, that they say so themselves changes nothing but that no operator can
/// lift it. `history`: of the suppression.
fn theirs(history: &[Recorded], command: &Command) -> Option<Event> {
    match command {
        Command::Add {
            scope,
            reason: Reason::Unsubscribed,
            delivery_id,
            value: None,
        } if !is_their_word(history) => Some(Event::Added {
            scope: *scope,
            reason: Reason::Unsubscribed,
            delivery_id: *delivery_id,
            value: None,
        }),
        _ => None,
    }
}

/// Tells the log again what it has lost.
struct Teller<'a> {
    store: &'a Store,
    restored: &'a Past,
    parted_after: i64,
    now: OffsetDateTime,
}

impl Teller<'_> {
    /// Carries out the words for one stream in one commit; gives the events. None when it was done before. `still`: what a
    /// command is on record as all the same, by the stream's history, that would change nothing.
    async fn stream<A>(
        &self,
        id: Uuid,
        words: &[Word<A::Command>],
        still: fn(&[Recorded], &A::Command) -> Option<A::Event>,
    ) -> Result<Vec<A::Event>, RestoreError>
    where
        A: Aggregate,
        A::Command: Clone,
    {
        let intents: Vec<Uuid> = words.iter().map(|it| self.intent(id, it.fact)).collect();
        let Some(last) = intents.last() else {
            return Ok(Vec::new());
        };
        let context = self.context(*last);
        let mut attempts = 0;
        loop {
            let loaded = self.store.load::<A>(id).await?;
            if loaded.repeated(*last).is_some() || self.knew_more(&loaded, &intents) {
                return Ok(Vec::new());
            }
            let history = self.store.log().stream(id).await;
            let history = history.map_err(LoadError::from)?;
            let still = |command: &A::Command| still(&history, command);
            let events = events(&loaded, &self.said(&history), words, still);
            if events.is_empty() {
                return Ok(events);
            }
            let mut draft = self.store.draft(&context);
            draft.append(loaded, events.clone());
            attempts += 1;
            match draft.commit().await {
                Ok(_) => {
                    crash_point!("restore.fact_recorded");
                    return Ok(events);
                }
                Err(error) if error.may_be_decided_anew() && attempts < ATTEMPTS_MAX => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What the log has of the stream that is later than anything lost, as it may after it has gone on.
    fn said(&self, history: &[Recorded]) -> Vec<Said> {
        let later = history.iter().filter(|event| {
            let own = event.causation == Some(self.restored.position);
            event.position > self.parted_after && !own
        });
        later
            .map(|event| Said {
                back: BACK.contains(&event.event_type.as_str()),
                what: of_event(event, None).map_or(What::Everything, |it| words::what(&it)),
            })
            .collect()
    }

    /// Whether an earlier run of this restore has recorded what none of these intents leads to: it had a witness or a
    /// stream at hand that went on further, and what it did stands.
    fn knew_more<A>(&self, loaded: &Loaded<A>, intents: &[Uuid]) -> bool {
        let mut own = loaded.history.iter().filter(|past| self.is_own(past));
        let leads_to = |intent: &Uuid, event_id: Uuid| {
            let mut events = (0..=intents.len() as u32).map(|n| nth_event(*intent, n));
            events.any(|event| event == event_id)
        };
        own.any(|past| !intents.iter().any(|it| leads_to(it, past.event_id)))
    }

    /// Whether this restore has recorded it.
    fn is_own(&self, past: &Past) -> bool {
        past.causation == Some(self.restored.position)
    }

    fn intent(&self, stream_id: Uuid, last_fact: Uuid) -> Uuid {
        reaction(
            self.restored.recorded_at,
            "restored",
            self.restored.event_id,
            &[stream_id.as_bytes(), last_fact.as_bytes()],
        )
    }

    fn context(&self, intent: Uuid) -> Context {
        Context {
            actor: ACTOR.to_owned(),
            correlation_id: self.restored.event_id,
            causation: Some(self.restored.position),
            occurred_at: self.now,
            traceparent: None,
            intent,
            request_digest: None,
        }
    }
}

/// What words lead to in a stream, of which the log has later words.
fn events<A>(
    loaded: &Loaded<A>,
    later: &[Said],
    words: &[Word<A::Command>],
    still: impl Fn(&A::Command) -> Option<A::Event>,
) -> Vec<A::Event>
where
    A: Aggregate,
    A::Command: Clone,
{
    let mut state = loaded.state.clone();
    let (mut events, mut is_said) = (Vec::new(), false);
    let stands = |command: &A::Command| {
        let decided = loaded.state.decide(command.clone());
        decided.is_ok_and(|events| events.is_empty())
    };
    for word in words {
        if overtaken(later, word.weight, word.what) {
            continue;
        }
        let decided = match state.decide(word.command.clone()) {
            // Once is enough.
            Ok(decided) if decided.is_empty() && !is_said && stands(&word.command) => {
                let said: Vec<A::Event> = still(&word.command).into_iter().collect();
                is_said = !said.is_empty();
                said
            }
            // What the stream can not take is so already.
            decided => decided.unwrap_or_default(),
        };
        for event in decided {
            state = state.evolve(&event);
            events.push(event);
        }
    }
    events
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

    #[test]
    fn only_the_same_thing_is_come_back_to() {
        let [topic, other] = [1, 2].map(|n| What::Topic(Uuid::from_u128(n)));
        let channel = What::Channel(Uuid::from_u128(1));
        let back = |what| vec![Said { back: true, what }];
        for what in [What::Everything, topic, channel] {
            assert!(overtaken(&back(what), Weight::Leaves, what));
            for elsewhere in [What::Everything, topic, other, channel] {
                let same = elsewhere == what;
                assert_eq!(overtaken(&back(elsewhere), Weight::Leaves, what), same);
            }
            let left = [Said { back: false, what }];
            assert!(!overtaken(&left, Weight::Leaves, what));
            assert!(overtaken(&left, Weight::Back, What::Everything));
            assert!(!overtaken(&back(what), Weight::ForGood, What::Everything));
        }
    }
}
