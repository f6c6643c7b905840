//! Months of engagement whose time is over: first nothing is sealed under a month's key any more, then the key is destroyed, and with
//! it all that is known of that month's hits beyond their counts. Each step may be repeated, so whoever goes on after a crash begins anew.

use std::time::Duration;

use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::engagement_period::{CloseReason, Command, EngagementPeriod};
use tidings_domain::id::derive_from;
use tidings_domain::stream_id;
use tidings_domain::value::Month;
use tidings_event_store::restore::is_sending_held;
use tidings_event_store::{CommitError, Context, Progress, Store, crash_point};
use tidings_service::Clock;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::core::{ACTOR, DispatchError};
use crate::stepping::Stepping;

/// Every month with hits is a row: what was told in one is in the view before its time is over. More than are ever kept.
const NOT_ENDED: &str = "select period from publishing_engagement_periods \
     where shredded_at is null order by period limit 200";

/// Ends what is kept of months whose time is over. Any number may run; one is enough.
pub struct Retention {
    store: Store,
    clock: Clock,
    keep_months: u32,
    heeds_the_log: bool,
}

impl Stepping for Retention {
    const WAITS: &str = "the end of what is kept of engagement waits";
    const BREATHER: Duration = Duration::from_secs(1);
    const TIMER: Duration = Duration::from_secs(60);

    async fn step(&self) -> Result<Progress, DispatchError> {
        Self::step(self).await
    }

    fn store(&self) -> &Store {
        &self.store
    }
}

impl Retention {
    /// One over this log, which keeps evidence for so many whole months after that of a hit.
    pub fn new(store: Store, clock: Clock, keep_months: u32) -> Self {
        Self {
            store,
            clock,
            keep_months,
            heeds_the_log: false,
        }
    }

    /// The same, for which it is no later than when the log recorded something last. What is destroyed does not come back, and
    /// the clock of one machine may be years ahead.
    #[must_use]
    pub fn no_later_than_the_log(self) -> Self {
        Self {
            heeds_the_log: true,
            ..self
        }
    }

    /// Ends what is kept of each month whose time is over, and of each whose key is destroyed whatever its time: a restore does
    /// that again, and the setting may be another by then. Nothing while sending is held after a restore: somebody
    /// still looks at what the log has lost, and may put another backup in its place, which knows of more.
    ///
    /// # Errors
    /// When it cannot be found out which these are, or the log or the vault does not take it.
    pub async fn step(&self) -> Result<Progress, DispatchError> {
        let Some(now) = self.now().await? else {
            return Ok(Progress::Idle);
        };
        let over = self.over(now).await?;
        if over.is_empty() || is_sending_held(&self.store).await? {
            return Ok(Progress::Idle);
        }
        let mut progress = Progress::Idle;
        let mut failed = None;
        for month in over {
            // One that cannot end keeps no other from it.
            match self.end(month, now).await {
                Ok(ended) => progress = progress.or(ended),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(progress), Err)
    }

    /// Steps until told to stop; wakes when this process commits something, and every minute: a month is over once.
    pub async fn run(self, stop: CancellationToken) {
        self.run_until(stop).await;
    }

    /// None: nothing was recorded yet.
    async fn now(&self) -> Result<Option<OffsetDateTime>, DispatchError> {
        let now = self.clock.now();
        if !self.heeds_the_log {
            return Ok(Some(now));
        }
        let recorded = self.store.log().last_recorded_at().await?;
        Ok(recorded.map(|recorded| recorded.min(now)))
    }

    async fn over(&self, now: OffsetDateTime) -> Result<Vec<Month>, DispatchError> {
        let last = Month::last_not_kept(now, self.keep_months);
        let rows = self.store.log().query(NOT_ENDED, &[]).await?;
        let mut months: Vec<Month> = rows
            .iter()
            .filter_map(|row| Month::parse(row.get(0)))
            .collect();
        let keys: Vec<Uuid> = months
            .iter()
            .map(|month| stream_id::engagement_period(*month))
            .collect();
        let destroyed = match keys[..] {
            [] => Vec::new(),
            _ => self.store.vault().shredded(&keys).await?,
        };
        let is_destroyed = |month: Month| {
            let key_id = stream_id::engagement_period(month);
            destroyed.iter().any(|(destroyed, _)| *destroyed == key_id)
        };
        months.retain(|month| *month <= last || is_destroyed(*month));
        Ok(months)
    }

    async fn end(&self, month: Month, now: OffsetDateTime) -> Result<Progress, DispatchError> {
        // The stream and the key have one id.
        let id = stream_id::engagement_period(month);
        let reason = CloseReason::Age;
        let close = Command::Close { month, reason };
        let closed = self.carry_out(id, "engagement_period.closed", close, now);
        let closed = closed.await?;
        crash_point!("retention.closed");
        // Whoever records a hit with evidence is guarded on the stream not being there: from here on nothing is sealed under the key.
        if self.store.vault().shredded(&[id]).await?.is_empty() {
            self.store.vault().shred(&[id], now).await?;
        }
        crash_point!("retention.shredded");
        let key_id = id;
        let noted = Command::NoteShredded { month, key_id };
        let noted = self.carry_out(id, "engagement_period.shredded", noted, now);
        Ok(closed.or(noted.await?))
    }

    /// Commits what a command comes to on the month's stream, if anything does. What it is derived from is the month alone: whoever
    /// else does it writes the same event.
    async fn carry_out(
        &self,
        id: Uuid,
        intent: &str,
        command: Command,
        now: OffsetDateTime,
    ) -> Result<Progress, DispatchError> {
        let loaded = self.store.load::<EngagementPeriod>(id).await?;
        let decided = loaded.state.decide(command);
        let events = decided.map_err(|refusal| DispatchError::Refused(refusal.to_string()))?;
        if events.is_empty() {
            return Ok(Progress::Idle);
        }
        let intent = derive_from(id, intent, &[]);
        let context = Context {
            actor: ACTOR.to_owned(),
            correlation_id: intent,
            causation: loaded.history.last().map(|before| before.position),
            occurred_at: now,
            traceparent: None,
            intent,
            request_digest: None,
        };
        let mut draft = self.store.draft(&context);
        draft.append(loaded, events);
        match draft.commit().await {
            // Somebody else has done it.
            Ok(_) | Err(CommitError::Conflict { .. }) => Ok(Progress::Advanced),
            Err(error) => Err(error.into()),
        }
    }
}
