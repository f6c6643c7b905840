//! Attempts whose process is gone, or whose deadline has passed, without an outcome: nobody knows
//! whether the receiver has the message, and that is what goes on record.

use tidings_domain::aggregate::Aggregate;
use tidings_domain::delivery::{Command, Delivery, DoubtPolicy, DoubtReason};
use tidings_domain::stream_id::reaction;
use tidings_event_store::{CommitError, Progress, ReadError};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::core::{Core, DispatchError};

const PAGE: i64 = 256;
/// Past its deadline, an attempt of a living process gets this long to bring its own outcome.
const GRACE: time::Duration = time::Duration::seconds(5);

struct Open {
    delivery_id: Uuid,
    attempt: u32,
    instance: Uuid,
    deadline_at: OffsetDateTime,
    correlation_id: Uuid,
}

impl Core {
    /// Puts on record which open attempts are in doubt.
    pub(crate) async fn doubt(&self) -> Result<Progress, DispatchError> {
        let now = self.clock.now();
        let mut found = false;
        let mut gone: Vec<(Uuid, bool)> = Vec::new();
        for open in self.open_attempts(now).await? {
            let overdue = open.deadline_at + GRACE <= now;
            let reason = if overdue {
                DoubtReason::DeadlinePassed
            } else if open.instance == self.instance.id {
                continue;
            } else {
                let known = gone
                    .iter()
                    .find(|(instance, _)| *instance == open.instance)
                    .map(|(_, gone)| *gone);
                let is_gone = match known {
                    Some(is_gone) => is_gone,
                    None => {
                        let is_gone = self.instance.is_gone(open.instance).await?;
                        gone.push((open.instance, is_gone));
                        is_gone
                    }
                };
                if !is_gone {
                    continue;
                }
                DoubtReason::ProcessDied
            };
            found |= self.doubt_one(&open, reason, now).await?;
        }
        Ok(Progress::of(found))
    }

    async fn doubt_one(
        &self,
        open: &Open,
        reason: DoubtReason,
        now: OffsetDateTime,
    ) -> Result<bool, DispatchError> {
        let loaded = self.store.load::<Delivery>(open.delivery_id).await?;
        let command = Command::Doubt {
            attempt: open.attempt,
            reason,
            now,
            policy: DoubtPolicy::Hold,
        };
        let Ok(events) = loaded.state.decide(command) else {
            return Ok(false);
        };
        if events.is_empty() {
            // The queue is behind.
            return Ok(false);
        }
        let Some(last) = loaded.history.last() else {
            return Ok(false);
        };
        let intent = reaction(last.recorded_at, "doubt", last.event_id, &[]);
        let context = self.context(open.correlation_id, last.position, None, intent);
        let owner = loaded.state.plan().map_or(open.delivery_id, |plan| {
            plan.subscriber_id.unwrap_or(plan.channel_id)
        });
        let mut draft = self.store.draft(&context);
        draft.append_for(loaded, events, owner, None);
        match draft.commit().await {
            Ok(_) => {
                tracing::warn!(delivery = %open.delivery_id, ?reason, "an attempt is in doubt");
                Ok(true)
            }
            Err(CommitError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Attempts of other instances, and any that is overdue.
    async fn open_attempts(&self, now: OffsetDateTime) -> Result<Vec<Open>, ReadError> {
        let client = self.store.log().pool().get().await?;
        let statement = client
            .prepare_cached(
                "select delivery_id, open_attempt, open_instance, open_deadline_at, correlation_id \
                 from publishing_dispatch_queue \
                 where open_attempt > 0 and (open_instance <> $1 or open_deadline_at <= $2) \
                 order by open_deadline_at limit $3",
            )
            .await?;
        let rows = client
            .query(&statement, &[&self.instance.id, &now, &PAGE])
            .await?;
        Ok(rows
            .iter()
            .filter_map(|row| {
                Some(Open {
                    delivery_id: row.get(0),
                    attempt: row.get::<_, i32>(1) as u32,
                    instance: row.get::<_, Option<Uuid>>(2)?,
                    deadline_at: row.get::<_, Option<OffsetDateTime>>(3)?,
                    correlation_id: row.get::<_, Option<Uuid>>(4)?,
                })
            })
            .collect())
    }
}
