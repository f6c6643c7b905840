//! Publications that go out by themselves, each at its civil time.

use std::collections::HashMap;

use tidings_domain::publication::{Command, Publication};
use tidings_domain::schedule::CivilTime;
use tidings_event_store::{Log, Outage, Progress, ReadError, crash_point};
use tidings_service::problem::chain;
use uuid::Uuid;

use crate::core::{Core, DispatchError};
use crate::publications::last;

pub(crate) const SCHEDULED: &str = "select publication_id, local_time, zone from publishing_publication_status \
     where state = 'scheduled'";

impl Core {
    /// Sends off those whose time has come. Those of which that fails are left in `failing`, as was said.
    pub(crate) async fn fire_schedules(
        &self,
        failing: &mut HashMap<Uuid, Outage>,
    ) -> Result<Progress, DispatchError> {
        let mut progress = Progress::Idle;
        // What the log has lost may have sent it.
        if self.surroundings.get().await?.held {
            return Ok(progress);
        }
        let all = scheduled(self.store.log()).await?;
        failing.retain(|failing, _| all.iter().any(|(id, _)| id == failing));
        for (id, time) in all {
            // Found anew at every look: a zone may have changed its rules since it was scheduled.
            match time.as_ref().and_then(CivilTime::instant) {
                Some(at) if self.clock.now() >= at => match self.fire(id).await {
                    Ok(fired) => {
                        failing.remove(&id);
                        progress = progress.or(fired);
                    }
                    // One publication's trouble is not the others'.
                    Err(error) => {
                        let error = chain(&error);
                        if failing.entry(id).or_default().is_news(&error) {
                            tracing::warn!(publication = %id, error, "a schedule waits");
                        }
                    }
                },
                Some(_) => {}
                None => tracing::debug!(publication = %id, "a schedule stands for no instant"),
            }
        }
        Ok(progress)
    }

    async fn fire(&self, id: Uuid) -> Result<Progress, DispatchError> {
        let loaded = self.store.load::<Publication>(id).await?;
        let Some(scheduled) = last(&loaded, "publication.Scheduled") else {
            return Ok(Progress::Idle);
        };
        let command = Command::Fire {
            schedule_version: scheduled.version,
            now: self.clock.now(),
            restored_since: self
                .surroundings
                .refresh()
                .await?
                .restored_position
                .is_some_and(|restored| restored > scheduled.position),
        };
        crash_point!("schedule.before_fired");
        self.react(id, &scheduled, "fire", command).await
    }
}

async fn scheduled(log: &Log) -> Result<Vec<(Uuid, Option<CivilTime>)>, ReadError> {
    let rows = log.query(SCHEDULED, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| {
            let local_time: Option<&str> = row.get(1);
            let zone: Option<String> = row.get(2);
            let time = local_time.zip(zone);
            (
                row.get(0),
                time.and_then(|(local_time, zone)| CivilTime::recorded(local_time, zone)),
            )
        })
        .collect())
}
