//! Putting a retry into effect: deliveries that failed, or are held in doubt, wait for another attempt. In chunks,
//! each found in the delivery log and judged by its own stream, so that it can start over at any time.

use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::delivery::{self, Command, Delivery, Plan};
use tidings_domain::publication::{self, OpenRetry, Publication};
use tidings_domain::stream_id::reaction;
use tidings_domain::value::Code;
use tidings_event_store::{Loaded, Log, Past, Progress, ReadError, crash_point};
use uuid::Uuid;

use crate::core::{Core, DispatchError};
use crate::publications::delivery_log_position;

/// Deliveries reopened in one commit.
const CHUNK: i64 = 500;
const FOUND: &str = "select delivery_id from publishing_delivery_log \
     where publication_id = $1 and class = $2 and ($3::uuid is null or channel_id = $3) \
       and ($4::uuid is null or delivery_id = $4) and ($5::text[] = '{}' or reason = any($5) or reason = 'gave_up' and deferred_reason = any($5)) and position < $6 \
       and ($8::uuid is null or delivery_id > $8) order by delivery_id limit $7";

impl Core {
    /// Reopens one chunk of what is to be tried again.
    pub(crate) async fn reopen(&self, id: Uuid) -> Result<Progress, DispatchError> {
        let loaded = self.store.load::<Publication>(id).await?;
        let Some(open) = loaded.state.retries().first() else {
            return Ok(Progress::Idle);
        };
        let requested = loaded
            .history
            .iter()
            .find(|past| past.version == open.version)
            .cloned();
        let Some(requested) = requested else {
            return Ok(Progress::Idle);
        };
        let log = self.store.log();
        let seen = delivery_log_position(log).await?;
        if seen < requested.position {
            return Ok(Progress::Idle);
        }
        let mut after = None;
        loop {
            let found = found(log, id, open, requested.position, after).await?;
            if found.is_empty() {
                let command = publication::Command::CompleteRetry {
                    version: open.version,
                };
                crash_point!("retry.before_completed");
                return self.react(id, &requested, "retry", command).await;
            }
            after = found.last().copied();
            let deliveries = self.store.load_many::<Delivery>(&found).await?;
            // The view will have these out of the class once it has come so far.
            let lags = deliveries.iter().any(|delivery| {
                let last = delivery.history.last();
                last.is_some_and(|last| last.position > seen)
            });
            match self.reopen_these(&loaded, &requested, deliveries).await? {
                Some(progress) => return Ok(progress),
                None if lags => return Ok(Progress::Idle),
                // It never will: somebody had it skip what they went through. Their own streams are what counts.
                None => {}
            }
        }
    }

    /// None: not one of them is to be reopened.
    async fn reopen_these(
        &self,
        loaded: &Loaded<Publication>,
        requested: &Past,
        deliveries: Vec<Loaded<Delivery>>,
    ) -> Result<Option<Progress>, DispatchError> {
        // Others have moved since, which the view has yet to see: reopened before, or settled by a late word.
        let stands = |delivery: &Loaded<Delivery>| {
            // What is said of it meanwhile changes nothing.
            let own = |past: &&Past| !delivery::is_report(&past.event_type);
            let last = delivery.history.iter().rev().find(own);
            last.is_some_and(|last| last.position <= requested.position)
        };
        let deliveries: Vec<_> = deliveries.into_iter().filter(stands).collect();
        let Some(first) = deliveries
            .first()
            .map(|delivery| (delivery.id, delivery.version))
        else {
            return Ok(None);
        };
        // A chunk whose reply was lost is met by the versions it has left behind.
        let intent = reaction(
            requested.recorded_at,
            "retry.chunk",
            requested.event_id,
            &[first.0.as_bytes(), &first.1.to_be_bytes()],
        );
        let context = self
            .publication_context(loaded.id, requested, intent)
            .await?;
        let mut draft = self.store.draft(&context);
        draft.guard(loaded.id, loaded.version);
        let mut reopened = 0;
        for delivery in deliveries {
            let Some(planned) = delivery.history.first() else {
                continue;
            };
            let command = Command::Reopen {
                due_at: self.clock.now(),
                planned_at: planned.occurred_at,
            };
            let events = delivery.state.decide(command).unwrap_or_default();
            let owner = delivery.state.plan().map_or(delivery.id, Plan::owner);
            if !events.is_empty() {
                draft.append_for(delivery, events, owner, None);
                reopened += 1;
            }
        }
        if reopened == 0 {
            return Ok(None);
        }
        crash_point!("retry.before_chunk");
        match draft.commit().await {
            Ok(_) => {
                crash_point!("retry.chunk_recorded");
                Ok(Some(Progress::Advanced))
            }
            // A late word came in between, or the publication was cancelled: the next look shows it.
            Err(error) if error.may_be_decided_anew() => Ok(Some(Progress::Idle)),
            Err(error) => Err(error.into()),
        }
    }
}

/// Deliveries that were in the class when it was asked for, and have not moved since as far as the view knows; those
/// behind `after`, if there is one.
async fn found(
    log: &Log,
    publication_id: Uuid,
    open: &OpenRetry,
    requested_at: i64,
    after: Option<Uuid>,
) -> Result<Vec<Uuid>, ReadError> {
    let retry = &open.retry;
    let reasons: Vec<&str> = retry.failed_reasons.iter().map(Code::as_str).collect();
    log.ids(
        FOUND,
        &[
            &publication_id,
            &retry.class.as_str(),
            &retry.channel_id,
            &retry.delivery_id,
            &reasons,
            &requested_at,
            &CHUNK,
            &after,
        ],
    )
    .await
}
