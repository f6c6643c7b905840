//! Attempts that only the stream of before knows. They come in doubt together with their deliveries: also with those
//! that the log has lost and would plan again, for their ids follow from what it still holds.

use std::collections::{HashMap, HashSet};

use tidings_domain::channel::Channel;
use tidings_domain::delivery::{Cause, Command, Delivery, Plan};
use tidings_domain::publication::{Draft, Publication, Stage};
use tidings_domain::stream_id::{ReceiverId, delivery as delivery_id};
use tidings_event_store::restore::{Attempt, Planned};
use tidings_event_store::{LoadError, Loaded, Past, Store};
use time::OffsetDateTime;
use uuid::Uuid;

use super::record;
use crate::audience::{self, Reading};
use crate::channel::Reach;
use crate::channels;
use crate::core::DispatchError;
use crate::publications::last;

/// Deliveries that are looked up at once.
const LOOKED_UP: usize = 1_000;

/// What became of attempts that only the stream of before knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unrecorded {
    /// Deliveries that came in doubt.
    pub doubted: u64,
    /// Deliveries that nothing in the log leads to.
    pub unknown: u64,
}

/// Puts on record, and in doubt, what only the stream of before knows to have been attempted: the receiver may have
/// it. Of each delivery once for a restore, so that it does nothing when it is repeated.
///
/// # Errors
/// When the log can not be read or written.
pub async fn doubt_unrecorded(
    store: &Store,
    restored: &Past,
    attempts: &[Attempt],
    now: OffsetDateTime,
) -> Result<Unrecorded, DispatchError> {
    let mut became = Unrecorded::default();
    let mut plans = Plans::new(store);
    for some in attempts.chunks(LOOKED_UP) {
        let ids: Vec<Uuid> = some.iter().map(|it| it.delivery_id).collect();
        let known: HashSet<Uuid> = store.log().existing(&ids).await?.into_iter().collect();
        for attempt in some {
            let loaded = store.load::<Delivery>(attempt.delivery_id).await?;
            let planned_at = loaded.history.first().map_or(now, |past| past.occurred_at);
            let mut commands = Vec::new();
            if !known.contains(&attempt.delivery_id) {
                let Some(plan) = plans.plan(attempt).await? else {
                    became.unknown += 1;
                    continue;
                };
                commands.push(Command::Plan(plan));
            }
            commands.push(doubt(attempt, planned_at));
            became.doubted += u64::from(record(store, restored, loaded, commands, now).await?);
        }
    }
    Ok(became)
}

fn doubt(attempt: &Attempt, planned_at: OffsetDateTime) -> Command {
    Command::DoubtUnrecorded {
        attempt: attempt.attempt,
        planned_at,
        instance: attempt.instance,
        deadline: attempt.deadline,
        subscriber_version: attempt.subscriber_version,
        channel_version: attempt.channel_version,
    }
}

/// The plans that the log still leads to.
struct Plans<'a> {
    store: &'a Store,
    publications: HashMap<Uuid, Option<Planning>>,
    reaches: HashMap<Uuid, Option<Reach>>,
}

/// A publication whose audience is frozen, and whose deliveries are not all planned.
struct Planning {
    draft: Draft,
    /// Whom it is for, as far as the table still has it.
    reading: Option<Reading>,
    frozen: Past,
}

impl<'a> Plans<'a> {
    fn new(store: &'a Store) -> Self {
        Self {
            store,
            publications: HashMap::new(),
            reaches: HashMap::new(),
        }
    }

    /// As the planner will make it; none: it will not. The stream says where to look, and is believed in nothing else.
    async fn plan(&mut self, attempt: &Attempt) -> Result<Option<Plan>, DispatchError> {
        let Some(planned) = attempt.planned else {
            return Ok(None);
        };
        let reach = self.reach(planned.channel_id).await?;
        let store = self.store;
        let Some(planning) = self.planning(planned.publication_id).await? else {
            return Ok(None);
        };
        if !planning.is_for(store, reach, &planned).await? {
            return Ok(None);
        }
        Ok(planning
            .plan(&planned)
            .filter(|(id, _)| *id == attempt.delivery_id)
            .map(|(_, plan)| plan))
    }

    async fn planning(&mut self, id: Uuid) -> Result<&Option<Planning>, DispatchError> {
        if !self.publications.contains_key(&id) {
            let loaded = found(self.store.load::<Publication>(id).await)?;
            let planning = match &loaded {
                Some(loaded) => planning(self.store, loaded).await?,
                None => None,
            };
            self.publications.insert(id, planning);
        }
        Ok(&self.publications[&id])
    }

    /// What deliveries a channel makes; none: there is no such channel.
    async fn reach(&mut self, channel_id: Uuid) -> Result<Option<Reach>, DispatchError> {
        if !self.reaches.contains_key(&channel_id) {
            let loaded = found(self.store.load::<Channel>(channel_id).await)?;
            self.reaches
                .insert(channel_id, loaded.as_ref().and_then(reach));
        }
        Ok(self.reaches[&channel_id])
    }
}

impl Planning {
    /// Whether the channel makes such deliveries, and the subscriber is in the frozen audience.
    async fn is_for(
        &self,
        store: &Store,
        reach: Option<Reach>,
        planned: &Planned,
    ) -> Result<bool, DispatchError> {
        match (reach, planned.subscriber_id, self.reading) {
            (Some(Reach::Broadcast), None, _) => Ok(true),
            (Some(Reach::Addressed), Some(subscriber_id), Some(reading)) => {
                let pool = store.log().pool();
                Ok(audience::holds(pool, reading, subscriber_id).await?)
            }
            _ => Ok(false),
        }
    }

    fn plan(&self, planned: &Planned) -> Option<(Uuid, Plan)> {
        let mut channels = self.draft.channel_ids.iter();
        channels.find(|it| *it == planned.channel_id)?;
        let receiver = match planned.subscriber_id {
            Some(subscriber_id) => ReceiverId::Subscriber(subscriber_id),
            None => ReceiverId::Channel(planned.channel_id),
        };
        let (frozen_at, frozen) = (self.frozen.recorded_at, self.frozen.event_id);
        let id = delivery_id(frozen_at, frozen, planned.channel_id, receiver);
        let plan = Plan {
            cause: Cause::Publication(planned.publication_id),
            content_version: self.draft.content_version,
            channel_id: planned.channel_id,
            subscriber_id: planned.subscriber_id,
            due_at: self.frozen.occurred_at,
            priority: self.draft.aim.priority.of_deliveries(),
        };
        Some((id, plan))
    }
}

async fn planning(
    store: &Store,
    loaded: &Loaded<Publication>,
) -> Result<Option<Planning>, DispatchError> {
    let Stage::Frozen { draft, audience } = loaded.state.stage() else {
        return Ok(None);
    };
    let Some(frozen) = last(loaded, "publication.AudienceFrozen") else {
        return Ok(None);
    };
    Ok(Some(Planning {
        draft: draft.clone(),
        reading: audience::find(store.log().pool(), loaded.id, audience).await?,
        frozen,
    }))
}

fn reach(loaded: &Loaded<Channel>) -> Option<Reach> {
    let setup = loaded.state.setup()?;
    // One that this build does not know counts as a broadcast, as it does to the planner.
    let kind = channels::find(setup.kind.as_str());
    Some(kind.map_or(Reach::Broadcast, |kind| kind.reach))
}

/// What the stream names may be anything.
fn found<A>(loaded: Result<Loaded<A>, LoadError>) -> Result<Option<Loaded<A>>, LoadError> {
    match loaded {
        Err(error) if error.is_wrong_stream() => Ok(None),
        loaded => loaded.map(Some),
    }
}
