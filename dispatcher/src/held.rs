//! What an operator decides about after a restore: attempts that were open in the log, and those that only the
//! stream of before knows, come in doubt, and what is left to deliver is counted.

mod unrecorded;

use deadpool_postgres::Pool;
use serde::Serialize;
use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::delivery::{Command, Delivery, DoubtPolicy, DoubtReason};
use tidings_domain::stream_id::reaction;
use tidings_event_store::feed::Feed;
use tidings_event_store::view::Runner;
use tidings_event_store::{
    CommitError, Context, Loaded, Past, Progress, ReadError, Store, crash_point,
};
use time::OffsetDateTime;
use uuid::Uuid;

pub use unrecorded::{Unrecorded, doubt_unrecorded};

use crate::core::{ACTOR, DispatchError};
use crate::queue::DispatchQueue;

/// A publication with deliveries that wait, or that nobody knows the outcome of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// The publication.
    pub publication_id: Uuid,
    /// What it is called; none when it was taken down.
    pub title: Option<String>,
    /// `published`, `frozen`, `planned`, `completed` or `cancelled`.
    pub state: String,
    /// Deliveries planned.
    pub planned: i64,
    /// Those that have not been settled: they go out once sending goes on.
    pub pending: i64,
    /// Those nobody knows the outcome of: they are held.
    pub in_doubt: i64,
}

/// Notices to single readers: they are no publication's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WaitingNotices {
    /// Those that have not been settled: they go out once sending goes on.
    pub pending: i64,
    /// Those nobody knows the outcome of: they are held.
    pub in_doubt: i64,
}

/// The queue as the log has it, with every attempt that was open when the log was restored in doubt: it may have been
/// sent, and the word that it was is lost. Gives how many were put in doubt. Repeated, it does nothing.
///
/// # Errors
/// When the log can not be read or written, or the queue not be folded.
pub async fn doubt_open(
    store: &Store,
    feed: &Feed,
    restored: &Past,
    now: OffsetDateTime,
) -> Result<u64, DispatchError> {
    let mut queue = Runner::<DispatchQueue>::new(store.clone(), feed.clone());
    while queue.step().await? == Progress::Advanced {}
    let mut doubted = 0;
    for (delivery_id, attempt) in open(store.log().pool()).await? {
        let command = Command::Doubt {
            attempt,
            reason: DoubtReason::Restored,
            now,
            policy: DoubtPolicy::Hold,
        };
        let loaded = store.load::<Delivery>(delivery_id).await?;
        doubted += u64::from(record(store, restored, loaded, vec![command], now).await?);
    }
    Ok(doubted)
}

/// Carries commands out on a delivery because of the restore, in one commit; false: an earlier try did.
async fn record(
    store: &Store,
    restored: &Past,
    loaded: Loaded<Delivery>,
    commands: Vec<Command>,
    now: OffsetDateTime,
) -> Result<bool, DispatchError> {
    let (delivery_id, mut state) = (loaded.id, loaded.state.clone());
    let intent = reaction(
        restored.recorded_at,
        "restored",
        restored.event_id,
        &[delivery_id.as_bytes()],
    );
    if loaded.repeated(intent).is_some() {
        return Ok(false);
    }
    let mut events = Vec::new();
    for command in commands {
        for event in state.decide(command).unwrap_or_default() {
            state = state.evolve(&event);
            events.push(event);
        }
    }
    if events.is_empty() {
        return Ok(false);
    }
    let context = Context {
        actor: ACTOR.to_owned(),
        correlation_id: restored.event_id,
        causation: Some(restored.position),
        occurred_at: now,
        traceparent: None,
        intent,
        request_digest: None,
    };
    let subject = state.plan().and_then(|plan| plan.subscriber_id);
    let channel = state.plan().map_or(delivery_id, |plan| plan.channel_id);
    let mut draft = store.draft(&context);
    draft.append_for(loaded, events, subject.unwrap_or(channel), subject);
    match draft.commit().await {
        Ok(_) => {
            crash_point!("restore.attempt_doubted");
            Ok(true)
        }
        Err(CommitError::Conflict { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

async fn open(pool: &Pool) -> Result<Vec<(Uuid, u32)>, ReadError> {
    let client = pool.get().await?;
    let sql = "select delivery_id, open_attempt from publishing_dispatch_queue where open_attempt > 0 \
               order by delivery_id";
    let rows = client.query(sql, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| (row.get(0), row.get::<_, i32>(1) as u32))
        .collect())
}

/// The publications with deliveries that wait or are in doubt, as the views have them, oldest first.
///
/// # Errors
/// When the views can not be read.
pub async fn waiting(pool: &Pool) -> Result<Vec<Waiting>, ReadError> {
    let client = pool.get().await?;
    let sql = "select p.publication_id, p.title, p.state, coalesce(sum(a.planned), 0)::bigint, \
                      coalesce(sum(a.pending), 0)::bigint, coalesce(sum(a.in_doubt), 0)::bigint \
               from publishing_publication_status p \
               left join publishing_publication_accounting a on a.publication_id = p.publication_id \
               group by p.publication_id, p.title, p.state, p.created_position \
               having sum(a.pending) > 0 or sum(a.in_doubt) > 0 or p.state in ('published', 'frozen') \
               order by p.created_position";
    let rows = client.query(sql, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| Waiting {
            publication_id: row.get(0),
            title: row.get(1),
            state: row.get(2),
            planned: row.get(3),
            pending: row.get(4),
            in_doubt: row.get(5),
        })
        .collect())
}

/// The notices that wait or are in doubt, as the views have them.
///
/// # Errors
/// When the views can not be read.
pub async fn waiting_notices(pool: &Pool) -> Result<WaitingNotices, ReadError> {
    let client = pool.get().await?;
    let sql = "select count(*) filter (where class = 'pending'), count(*) filter (where class = 'in_doubt') \
               from publishing_delivery_log where publication_id is null";
    let row = client.query_one(sql, &[]).await?;
    Ok(WaitingNotices {
        pending: row.get(0),
        in_doubt: row.get(1),
    })
}
