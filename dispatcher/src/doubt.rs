//! Attempts whose process is gone, or whose deadline has passed, without an outcome: nobody knows
//! whether the receiver has the message, and that is what goes on record.

use std::collections::HashSet;

use tidings_domain::aggregate::Aggregate;
use tidings_domain::delivery::{Command, Delivery, DoubtReason};
use tidings_domain::stream_id::reaction;
use tidings_event_store::{CommitError, Progress, ReadError, crash_point};
use tidings_service::problem::chain;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::core::{Core, DispatchError};
use crate::outcome::label;

const PAGE: i64 = 256;
/// Past its deadline, an attempt of a living process gets this long to bring its own outcome.
const GRACE: time::Duration = time::Duration::seconds(5);

struct Open {
    delivery_id: Uuid,
    attempt: u32,
    instance: Uuid,
    correlation_id: Uuid,
}

/// An attempt's deadline, and its delivery: where to go on.
type Place = (OffsetDateTime, Uuid);

impl Core {
    /// Puts on record which open attempts are in doubt. Those of which that fails are left in `failed`, and said once.
    pub(crate) async fn doubt(
        &self,
        failed: &mut HashSet<Uuid>,
    ) -> Result<Progress, DispatchError> {
        let now = self.clock.now();
        let others = self.other_instances().await?;
        let gone = self.instance.gone(&others).await?;
        let mut found = false;
        let before = std::mem::take(failed);
        let mut after = (OffsetDateTime::UNIX_EPOCH, Uuid::nil());
        loop {
            let page = self.open_attempts(&gone, now, after).await?;
            for (_, open) in &page {
                let reason = match gone.contains(&open.instance) {
                    true => DoubtReason::ProcessDied,
                    false => DoubtReason::DeadlinePassed,
                };
                match self.doubt_one(open, reason, now).await {
                    Ok(doubted) => found |= doubted,
                    Err(error) if error.is_everybodys() => return Err(error),
                    // One delivery's trouble is not the others'.
                    Err(error) => {
                        if !before.contains(&open.delivery_id) {
                            tracing::warn!(
                                delivery = %open.delivery_id, error = %chain(&error),
                                "an attempt that is in doubt stays open"
                            );
                        }
                        failed.insert(open.delivery_id);
                    }
                }
            }
            match page.last() {
                Some((place, _)) if page.len() == PAGE as usize => after = *place,
                _ => return Ok(Progress::of(found)),
            }
        }
    }

    async fn doubt_one(
        &self,
        open: &Open,
        reason: DoubtReason,
        now: OffsetDateTime,
    ) -> Result<bool, DispatchError> {
        let loaded = self.store.load::<Delivery>(open.delivery_id).await?;
        let Some(plan) = loaded.state.plan() else {
            return Ok(false);
        };
        let (channel_id, owner) = (plan.channel_id, plan.owner());
        let way = self.roster.get(channel_id).await?;
        let command = Command::Doubt {
            attempt: open.attempt,
            reason,
            now,
            policy: way.doubt,
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
        let label = label(&events);
        let intent = reaction(last.recorded_at, "doubt", last.event_id, &[]);
        let context = self.context(open.correlation_id, last.position, None, intent);
        let mut draft = self.store.draft(&context);
        draft.append_for(loaded, events, owner, None);
        crash_point!("doubt.before_recorded");
        match draft.commit().await {
            Ok(_) => {
                crash_point!("doubt.recorded");
                tracing::warn!(delivery = %open.delivery_id, ?reason, "an attempt ended {label}");
                self.count(&way, label);
                Ok(true)
            }
            Err(CommitError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Other instances with open attempts.
    async fn other_instances(&self) -> Result<Vec<Uuid>, ReadError> {
        let sql = "select distinct open_instance from publishing_dispatch_queue \
                   where open_attempt > 0 and open_instance <> $1";
        self.store.log().ids(sql, &[&self.instance.id]).await
    }

    /// Attempts of instances that are gone, and any that is overdue.
    async fn open_attempts(
        &self,
        gone: &[Uuid],
        now: OffsetDateTime,
        after: Place,
    ) -> Result<Vec<(Place, Open)>, ReadError> {
        let sql = "select delivery_id, open_attempt, open_instance, correlation_id, open_deadline_at \
                   from publishing_dispatch_queue \
                   where open_attempt > 0 and open_instance is not null and correlation_id is not null \
                     and (open_instance = any($1) or open_deadline_at <= $2) \
                     and (open_deadline_at, delivery_id) > ($4, $5) \
                   order by open_deadline_at, delivery_id limit $3";
        let overdue = now - GRACE;
        let (deadline, delivery_id) = after;
        let log = self.store.log();
        let rows = log
            .query(sql, &[&gone, &overdue, &PAGE, &deadline, &delivery_id])
            .await?;
        let open = rows.iter().map(|row| {
            let delivery_id = row.get(0);
            let open = Open {
                delivery_id,
                attempt: row.get::<_, i32>(1) as u32,
                instance: row.get(2),
                correlation_id: row.get(3),
            };
            ((row.get(4), delivery_id), open)
        });
        Ok(open.collect())
    }
}
