//! Planning: one delivery per subscriber and addressed channel, one per broadcast channel, in chunks.
//! The ids of deliveries are derived, so a chunk that was planned before is recognised, and planning
//! can start over at any time. It never runs far ahead of the queue, so that an urgent publication
//! does not stand behind a hundred thousand plans.

mod lost;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tidings_domain::delivery::{self, Delivery};
use tidings_domain::publication::{Audience, Command, Plan, Priority, Publication, Sending, Stage};
use tidings_domain::stream_id::{ReceiverId, delivery as delivery_id, reaction};
use tidings_event_store::{CommitError, Loaded, Past, Progress, crash_point};
use tidings_service::clock::Monotonic;
use uuid::Uuid;

use crate::audience::{self, Reading};
use crate::channel::Reach;
use crate::core::{Core, DispatchError};
use crate::publications::last;
use crate::{preferences, queue};

/// Subscribers planned for in one commit and channel.
const CHUNK: i64 = 500;
/// A lost audience is read again from the whole log: not at every step.
const LOST_AGAIN: Duration = Duration::from_secs(300);

/// How far planning has come, for each publication. Lost with the process, and found again.
#[derive(Default)]
pub(crate) struct Planner {
    cursors: HashMap<Uuid, Cursor>,
}

#[derive(Default)]
struct Cursor {
    /// Whom it is planned for: a reading that is the frozen audience.
    reading: Option<Reading>,
    /// There was none, and it could not be read again: not tried before this is old.
    lost: Option<Monotonic>,
    broadcast_done: bool,
    after: Option<Uuid>,
    planned: u64,
    /// Position of the last planned chunk.
    position: i64,
}

/// What planning one chunk came to.
#[derive(Default)]
struct Chunk {
    planned: u64,
    /// Where its commit stands; 0 when it was planned before.
    position: i64,
}

impl Cursor {
    fn add(&mut self, chunk: &Chunk) {
        self.planned += chunk.planned;
        self.position = self.position.max(chunk.position);
    }
}

/// A publication whose deliveries are being planned.
struct Planning<'a> {
    core: &'a Core,
    id: Uuid,
    version: i32,
    content_version: i32,
    channel_ids: Vec<Uuid>,
    priority: Priority,
    audience: Audience,
    frozen: Past,
    cancelled: bool,
}

impl Planner {
    /// Plans one chunk.
    pub(crate) async fn step(&mut self, core: &Core, id: Uuid) -> Result<Progress, DispatchError> {
        let loaded = core.store.load::<Publication>(id).await?;
        let Some(planning) = planning(core, &loaded) else {
            self.cursors.remove(&id);
            return Ok(Progress::Idle);
        };
        let cursor = self.cursors.entry(id).or_default();
        if cursor.position - queue::position(core.store.log().pool()).await?
            > core.limits.plan_ahead_max
        {
            return Ok(Progress::Idle);
        }
        if cursor
            .lost
            .is_some_and(|since| core.clock.age(since) < LOST_AGAIN)
        {
            return Ok(Progress::Idle);
        }
        let reading = match cursor.reading {
            Some(reading) => reading,
            None => match planning.reading().await {
                Ok(reading) => *cursor.reading.insert(reading),
                Err(error) => {
                    cursor.lost = Some(core.clock.monotonic());
                    return Err(error);
                }
            },
        };
        if !cursor.broadcast_done {
            let Some(chunk) = planning.plan(&planning.broadcasts().await?).await? else {
                return Ok(Progress::Idle);
            };
            cursor.add(&chunk);
            cursor.broadcast_done = true;
            return Ok(Progress::Advanced);
        }
        let pool = core.store.log().pool();
        let subscribers = audience::page_after(pool, reading, cursor.after, CHUNK).await?;
        if let Some(last) = subscribers.last().copied() {
            let mut chunks = Vec::new();
            for receivers in planning.addressed(&subscribers).await? {
                let Some(chunk) = planning.plan(&receivers).await? else {
                    return Ok(Progress::Idle);
                };
                chunks.push(chunk);
            }
            // Counted together with the cursor: a chunk that is planned again is not counted twice.
            chunks.iter().for_each(|chunk| cursor.add(chunk));
            cursor.after = Some(last);
            return Ok(Progress::Advanced);
        }
        let planned = cursor.planned;
        self.cursors.remove(&id);
        if !audience::is_whole(pool, reading, &planning.audience).await? {
            tracing::warn!(publication = %id, "its audience was lost while it was planned, which starts over");
            return Ok(Progress::Advanced);
        }
        let plan = Plan {
            planned,
            not_planned: planning.audience.deliveries.saturating_sub(planned),
        };
        crash_point!("plan.before_completed");
        let progress = core
            .react(id, &planning.frozen, "plan", Command::CompletePlan(plan))
            .await?;
        crash_point!("plan.completed");
        Ok(progress)
    }
}

/// None: there is nothing to plan, or no longer: the view that it was found in may be behind.
fn planning<'a>(core: &'a Core, loaded: &Loaded<Publication>) -> Option<Planning<'a>> {
    let (Stage::Frozen { draft, audience }
    | Stage::Cancelled {
        draft,
        audience: Some(audience),
        plan: None,
        ..
    }) = loaded.state.stage()
    else {
        return None;
    };
    Some(Planning {
        core,
        id: loaded.id,
        version: loaded.version,
        content_version: draft.content_version,
        channel_ids: draft.channel_ids.iter().collect(),
        priority: draft.aim.priority,
        audience: *audience,
        frozen: last(loaded, "publication.AudienceFrozen")?,
        cancelled: loaded.state.sending() == Sending::Never,
    })
}

impl Planning<'_> {
    async fn broadcasts(&self) -> Result<Vec<(Uuid, Option<Uuid>)>, DispatchError> {
        let mut receivers = Vec::new();
        for channel_id in &self.channel_ids {
            if self.core.reach(*channel_id).await? == Reach::Broadcast {
                receivers.push((*channel_id, None));
            }
        }
        Ok(receivers)
    }

    /// A chunk for each addressed channel.
    async fn addressed(
        &self,
        subscribers: &[Uuid],
    ) -> Result<Vec<Vec<(Uuid, Option<Uuid>)>>, DispatchError> {
        let mut chunks = Vec::new();
        for channel_id in &self.channel_ids {
            if self.core.reach(*channel_id).await? == Reach::Addressed {
                chunks.push(
                    subscribers
                        .iter()
                        .map(|subscriber| (*channel_id, Some(*subscriber)))
                        .collect(),
                );
            }
        }
        Ok(chunks)
    }

    /// Plans a delivery to each receiver (channel, subscriber) that has none yet, all in one commit.
    /// After a cancellation nothing more is planned, only counted. `None`: the publication has moved on.
    async fn plan(
        &self,
        receivers: &[(Uuid, Option<Uuid>)],
    ) -> Result<Option<Chunk>, DispatchError> {
        let ids: Vec<Uuid> = receivers
            .iter()
            .map(|receiver| self.delivery_id(*receiver))
            .collect();
        if self.cancelled {
            let planned = self.planned_before(&ids).await?.len() as u64;
            return Ok(Some(Chunk {
                planned,
                position: 0,
            }));
        }
        let mut planned = HashSet::new();
        let mut position = 0;
        loop {
            let missing: Vec<_> = ids
                .iter()
                .zip(receivers)
                .filter(|(id, _)| !planned.contains(*id))
                .map(|(id, to)| (*id, *to))
                .collect();
            if missing.is_empty() {
                break;
            }
            match self.commit(&missing).await {
                Ok(last) => {
                    position = last;
                    break;
                }
                Err(DispatchError::Commit(CommitError::Conflict { stream_id, .. }))
                    if stream_id == self.id =>
                {
                    return Ok(None);
                }
                // Planned by an earlier run, or by this one before the connection broke.
                Err(DispatchError::Commit(error)) if error.may_be_decided_anew() => {
                    planned = self.planned_before(&ids).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Some(Chunk {
            planned: receivers.len() as u64,
            position,
        }))
    }

    async fn commit(&self, missing: &[(Uuid, (Uuid, Option<Uuid>))]) -> Result<i64, DispatchError> {
        let first = missing[0].0;
        let intent = reaction(
            self.frozen.recorded_at,
            "plan.chunk",
            self.frozen.event_id,
            &[first.as_bytes()],
        );
        let context = self
            .core
            .publication_context(self.id, &self.frozen, intent)
            .await?;
        let subscribers: Vec<Uuid> = missing.iter().filter_map(|(_, (_, to))| *to).collect();
        let preferences = preferences::of(self.core.store.log(), &subscribers).await?;
        // The date the messages bear, by which their time is found again at each attempt.
        let now = context.occurred_at;
        let due_at = |subscriber_id: &Option<Uuid>| {
            let preferences = subscriber_id.and_then(|id| preferences.get(&id));
            let at = preferences.map(|it| {
                let urgent = self.priority == Priority::Urgent;
                it.not_before(now, now, urgent)
            });
            at.filter(|at| *at > now).unwrap_or(self.frozen.occurred_at)
        };
        let mut draft = self.core.store.draft(&context);
        draft.guard(self.id, self.version);
        for (delivery_id, (channel_id, subscriber_id)) in missing {
            let plan = delivery::Plan {
                cause: delivery::Cause::Publication(self.id),
                content_version: self.content_version,
                channel_id: *channel_id,
                subscriber_id: *subscriber_id,
                due_at: due_at(subscriber_id),
                priority: self.priority.of_deliveries(),
            };
            let loaded = Loaded::known(*delivery_id, Delivery::default(), 0);
            let owner = subscriber_id.unwrap_or(*channel_id);
            draft.append_for(
                loaded,
                vec![delivery::Event::Planned(plan)],
                owner,
                *subscriber_id,
            );
        }
        crash_point!("plan.before_chunk");
        let committed = draft.commit().await?;
        crash_point!("plan.chunk_recorded");
        Ok(committed.last_position)
    }

    fn delivery_id(&self, (channel_id, subscriber_id): (Uuid, Option<Uuid>)) -> Uuid {
        let receiver = match subscriber_id {
            Some(subscriber_id) => ReceiverId::Subscriber(subscriber_id),
            None => ReceiverId::Channel(channel_id),
        };
        delivery_id(
            self.frozen.recorded_at,
            self.frozen.event_id,
            channel_id,
            receiver,
        )
    }

    async fn planned_before(&self, ids: &[Uuid]) -> Result<HashSet<Uuid>, DispatchError> {
        Ok(self
            .core
            .store
            .log()
            .existing(ids)
            .await?
            .into_iter()
            .collect())
    }
}
