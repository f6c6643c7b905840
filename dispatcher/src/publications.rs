//! What the dispatcher does about publications: freeze the audience, plan the deliveries, complete.
//! Each is a reaction: idempotent, guarded, and started anew from the views after any crash.

mod freeze;

use std::collections::HashMap;
use std::time::Duration;

use tidings_domain::publication::{self, Accounting, Plan, Publication, Stage};
use tidings_domain::stream_id::reaction;
use tidings_event_store::{
    Context, ExecuteError, Loaded, Log, Outage, Past, Progress, ReadError, crash_point,
};
use tidings_service::clock::Monotonic;
use tidings_service::problem::chain;
use uuid::Uuid;

use crate::audience;
use crate::channel::Reach;
use crate::core::{Core, DispatchError};
use crate::plan::Planner;
use crate::schedules::SCHEDULED;

/// A publication that is on its way.
struct Underway {
    publication_id: Uuid,
    state: String,
    /// Deliveries planned, as the view counts them, once planning has ended.
    planned: Option<i64>,
    /// Deliveries are to be tried again.
    retries: bool,
}

const UNDERWAY: &str = "select publication_id, state, planned, retries > 0 from publishing_publication_status \
     where state in ('published', 'frozen', 'planned') \
        or (state = 'cancelled' and deliveries is not null and coalesce(completed_position, 0) < under_way_since) \
     order by created_position";
const CANCELLED: &str = "select publication_id from publishing_publication_status \
     where state = 'cancelled' and deliveries is not null and coalesce(completed_position, 0) < under_way_since";

const PAUSED: &str = "select publication_id from publishing_publication_status \
     where state in ('published', 'frozen', 'planned') and paused_reason <> ''";

/// What is asked several times a second, as long as the platform runs. Each `where` has what the view's index of open
/// publications has, or less of it: else all there ever were would be looked through.
pub const ASKED_OFTEN: [&str; 4] = [UNDERWAY, CANCELLED, PAUSED, SCHEDULED];

/// Publications whose deliveries wait.
pub(crate) async fn paused(log: &Log) -> Result<Vec<Uuid>, ReadError> {
    log.ids(PAUSED, &[]).await
}

/// Publications whose deliveries are settled whenever they are due.
pub(crate) async fn cancelled(log: &Log) -> Result<Vec<Uuid>, ReadError> {
    log.ids(CANCELLED, &[]).await
}

/// What keeps a publication from going out is seldom gone a moment later, and is logged each time.
const OBSTACLE_AGAIN: Duration = Duration::from_secs(30);
/// Others wait while an audience is read: what has failed rests for this many times as long as it took.
const FAILED_REST: u32 = 4;

/// Not tried again before a while has passed.
struct Rest {
    since: Monotonic,
    lasts: Duration,
}

/// Looks after publications; one dispatcher at a time does, the one that owns lane 0.
pub(crate) struct Publications {
    planner: Planner,
    /// Those that go to nobody for now.
    obstructed: HashMap<Uuid, Rest>,
    /// Those whose steps fail, as was said.
    failing: HashMap<Uuid, Outage>,
    /// Those that can not go out at their time, as was said.
    unfired: HashMap<Uuid, Outage>,
}

impl Publications {
    pub(crate) fn new() -> Self {
        Self {
            planner: Planner::default(),
            obstructed: HashMap::new(),
            failing: HashMap::new(),
            unfired: HashMap::new(),
        }
    }

    /// One step for each publication on its way.
    pub(crate) async fn step(&mut self, core: &Core) -> Result<Progress, DispatchError> {
        if !core.instance.lanes().await?.contains(&0) {
            return Ok(Progress::Idle);
        }
        let mut progress = core.fire_schedules(&mut self.unfired).await?;
        let all = underway(core.store.log()).await?;
        let unfrozen = |id: &Uuid| {
            all.iter()
                .any(|it| it.publication_id == *id && it.state == "published")
        };
        self.obstructed.retain(|id, _| unfrozen(id));
        let is_underway = |id: &Uuid| all.iter().any(|it| it.publication_id == *id);
        self.failing.retain(|id, _| is_underway(id));
        for underway in all {
            let id = underway.publication_id;
            let step = match (underway.state.as_str(), underway.planned) {
                ("published", _) => self.freeze(core, id).await,
                ("frozen", _) | ("cancelled", None) => self.planner.step(core, id).await,
                ("planned", _) if underway.retries => core.reopen(id).await,
                _ => core.complete(id).await,
            };
            match step {
                Ok(step) => {
                    self.failing.remove(&id);
                    progress = progress.or(step);
                }
                // One publication's trouble is not the others'.
                Err(error) => {
                    let error = chain(&error);
                    if self.failing.entry(id).or_default().is_news(&error) {
                        tracing::warn!(publication = %id, error, "a publication waits");
                    }
                }
            }
        }
        Ok(progress)
    }

    async fn freeze(&mut self, core: &Core, id: Uuid) -> Result<Progress, DispatchError> {
        let rests = self.obstructed.get(&id);
        if rests.is_some_and(|it| core.clock.age(it.since) < it.lasts) {
            return Ok(Progress::Idle);
        }
        self.obstructed.remove(&id);
        let begun = core.clock.monotonic();
        let frozen = core.freeze(id).await;
        if let Err(error) = &frozen {
            let took = core.clock.age(begun) * FAILED_REST;
            let lasts = match error {
                DispatchError::Obstacle(_) => took.max(OBSTACLE_AGAIN),
                _ => took,
            };
            let since = core.clock.monotonic();
            self.obstructed.insert(id, Rest { since, lasts });
        }
        frozen
    }
}

async fn underway(log: &Log) -> Result<Vec<Underway>, ReadError> {
    let rows = log.query(UNDERWAY, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| Underway {
            publication_id: row.get(0),
            state: row.get(1),
            planned: row.get(2),
            retries: row.get(3),
        })
        .collect())
}

impl Core {
    /// Completes the publication once every delivery is settled.
    async fn complete(&self, id: Uuid) -> Result<Progress, DispatchError> {
        let log = self.store.log();
        let seen = delivery_log_position(log).await?;
        let (planned, pending, mut totals) = totals(log, id).await?;
        if pending > 0 {
            return Ok(Progress::Idle);
        }
        let loaded = self.store.load::<Publication>(id).await?;
        let plan: Plan = match loaded.state.stage() {
            Stage::Planned { plan, .. }
            | Stage::Cancelled {
                plan: Some(plan), ..
            } => *plan,
            _ => return Ok(Progress::Idle),
        };
        totals.not_planned = plan.not_planned;
        // The delivery log may be behind the publication's own view.
        if planned as u64 != plan.planned || totals.settled() != plan.planned {
            return Ok(Progress::Idle);
        }
        // A cancellation settles what a retry had opened again.
        let ends = [
            "publication.PlanCompleted",
            "publication.RetryCompleted",
            "publication.Cancelled",
        ];
        let Some(cause) = ends
            .iter()
            .filter_map(|ends| last(&loaded, ends))
            .max_by_key(|past| past.version)
        else {
            return Ok(Progress::Idle);
        };
        // Counted before what was reopened, everything is settled.
        if seen < cause.position {
            return Ok(Progress::Idle);
        }
        // Everything is planned: the audience has served. Before the last event, or a crash between
        // would leave it behind.
        audience::forget(log.pool(), id).await?;
        crash_point!("complete.audience_forgotten");
        let command = publication::Command::Complete { totals };
        let progress = self.react(id, &cause, "complete", command).await?;
        crash_point!("complete.recorded");
        Ok(progress)
    }

    /// How many deliveries a channel makes.
    pub(crate) async fn reach(&self, channel_id: Uuid) -> Result<Reach, DispatchError> {
        Ok(self.roster.get(channel_id).await?.reach())
    }

    /// Carries out a reaction to an event of the publication's own stream.
    pub(crate) async fn react(
        &self,
        id: Uuid,
        cause: &Past,
        name: &str,
        command: publication::Command,
    ) -> Result<Progress, DispatchError> {
        let intent = reaction(cause.recorded_at, name, cause.event_id, &[]);
        let context = self.publication_context(id, cause, intent).await?;
        let result = self
            .store
            .execute::<Publication>(id, &context, None, || command.clone())
            .await;
        match result {
            Ok(executed) => {
                self.causes.refresh(id).await?;
                Ok(Progress::of(executed.committed.is_some()))
            }
            // It was cancelled meanwhile, which the next look at the view will show.
            Err(ExecuteError::Refused(publication::Refusal::Cancelled)) => Ok(Progress::Idle),
            Err(ExecuteError::Refused(refusal)) => Err(DispatchError::Refused(refusal.to_string())),
            Err(ExecuteError::Load(error)) => Err(error.into()),
            Err(ExecuteError::Commit(error)) => Err(error.into()),
            Err(error @ ExecuteError::Precondition { .. }) => {
                Err(DispatchError::Refused(error.to_string()))
            }
        }
    }

    /// The circumstances of a reaction: those of the event that set it off.
    pub(crate) async fn publication_context(
        &self,
        id: Uuid,
        cause: &Past,
        intent: Uuid,
    ) -> Result<Context, DispatchError> {
        let events = self.store.log().stream(id).await?;
        let event = events.iter().find(|event| event.event_id == cause.event_id);
        let (correlation_id, traceparent) = event.map_or((id, None), |event| {
            (
                event.correlation_id,
                Some(event.metadata().traceparent).filter(|trace| !trace.is_empty()),
            )
        });
        Ok(self.context(correlation_id, cause.position, traceparent, intent))
    }
}

pub(crate) fn last<A: tidings_domain::aggregate::Aggregate>(
    loaded: &Loaded<A>,
    event_type: &str,
) -> Option<Past> {
    loaded
        .history
        .iter()
        .rfind(|past| past.event_type == event_type)
        .cloned()
}

/// How far the view that deliveries are counted in has folded the log.
pub(crate) async fn delivery_log_position(log: &Log) -> Result<i64, ReadError> {
    Ok(
        tidings_event_store::view::position(log.pool(), "delivery_log")
            .await?
            .unwrap_or(0),
    )
}

/// Planned, pending, and the settled ones by class, over all channels.
async fn totals(log: &Log, id: Uuid) -> Result<(i64, i64, Accounting), ReadError> {
    let rows = log
        .query(
            "select coalesce(sum(planned), 0)::bigint, coalesce(sum(pending), 0)::bigint, \
                    coalesce(sum(sent), 0)::bigint, coalesce(sum(failed), 0)::bigint, \
                    coalesce(sum(suppressed), 0)::bigint, coalesce(sum(cancelled), 0)::bigint, \
                    coalesce(sum(in_doubt), 0)::bigint \
             from publishing_publication_accounting where publication_id = $1",
            &[&id],
        )
        .await?;
    // A sum has its row, also of none.
    let count = |column: usize| rows.first().map_or(0, |row| row.get::<_, i64>(column));
    let settled = |column| count(column) as u64;
    let totals = Accounting {
        sent: settled(2),
        failed: settled(3),
        suppressed: settled(4),
        cancelled: settled(5),
        in_doubt: settled(6),
        not_planned: 0,
    };
    Ok((count(0), count(1), totals))
}
