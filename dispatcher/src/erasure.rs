//! Erasing subscribers: once somebody's data are to be destroyed, their key is, and with it whatever it seals in any
//! copy of the log; then everything else that could bring the data back. Last of all it goes on record. Each step may
//! be repeated, so whoever goes on after a crash begins anew.

use std::time::Duration;

use deadpool_postgres::Pool;
use tidings_domain::address::Address;
use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::delivery::Delivery;
use tidings_domain::erasure::give_up;
use tidings_domain::stream_id::reaction;
use tidings_domain::subscriber::{Command, Profile, Shreddable, Shredded, Subscriber};
use tidings_domain::subscriber_import::SubscriberImport;
use tidings_domain::suppression::Suppression;
use tidings_event_store::tokio_postgres::types::ToSql;
use tidings_event_store::view::{Definition, discard_staged, position};
use tidings_event_store::{
    CommitError, Context, Loaded, Progress, ReadError, Recorded, Store, crash_point,
};
use tidings_service::Clock;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::core::{ACTOR, DispatchError};

/// Between two looks at least: most commits are none of ours, and a view has to hear of those that are.
const BREATHER: Duration = Duration::from_millis(100);
/// How often to look although nothing was committed here.
const TIMER: Duration = Duration::from_secs(1);
/// Deliveries that are folded at once.
const DELIVERIES: usize = 500;

const REQUESTED: &str = "select subscriber_id from publishing_subscriber_profile \
     where erasure_requested_at is not null and erased_at is null order by erasure_requested_at, subscriber_id";
const DELIVERED: &str = "select stream_id from publishing_events \
     where subject = $1 and type = 'delivery.Planned' order by position";
const FILES: &str =
    "select distinct import_id from publishing_import_chunks where after_records = 0";
const QUOTING: &str = "select distinct import_id from publishing_import_rejections \
     where address_ids ? $1 order by import_id";
/// The view that holds opened data of subscribers, and so does what is left of its rebuilds.
const PROFILES: Definition = Definition {
    name: "subscriber_profile",
    sql: tidings_schema::views::SUBSCRIBER_PROFILE,
};
const REJECTIONS: &str = "import_rejections";
const REQUESTED_TYPE: &str = "subscriber.ErasureRequested";
const STARTED_TYPE: &str = "subscriber_import.Started";

/// Erases those whose data are to be destroyed. Any number may run; one is enough.
pub struct Eraser {
    store: Store,
    clock: Clock,
}

impl Eraser {
    /// One over this log.
    pub fn new(store: Store, clock: Clock) -> Self {
        Self { store, clock }
    }

    /// Erases whom it can. Those that something stands in the way of are left for the next time, but for their keys,
    /// which are destroyed at once.
    ///
    /// # Errors
    /// When it cannot be found out who is to be erased.
    pub async fn step(&self) -> Result<Progress, DispatchError> {
        let mut progress = Progress::Idle;
        for id in ids(self.store.log().pool(), REQUESTED, &[]).await? {
            match erase(&self.store, id, self.clock.now()).await {
                Ok(step) => progress = progress.or(step),
                // One subscriber's trouble is not the others'.
                Err(error) => tracing::warn!(subscriber = %id, %error, "an erasure waits"),
            }
        }
        Ok(progress)
    }

    /// Steps until told to stop; wakes when this process commits something, and every second: what an erasure waits for
    /// is of many kinds.
    pub async fn run(self, stop: CancellationToken) {
        let mut commits = self.store.log().committed();
        while !stop.is_cancelled() {
            // Cutting a step off is harmless: the next one meets what it did.
            let stepped = tokio::select! {
                () = stop.cancelled() => return,
                stepped = self.step() => stepped,
            };
            if let Err(error) = stepped {
                tracing::warn!(%error, "erasures wait");
            }
            let woken = async {
                tokio::time::sleep(BREATHER).await;
                // The outcome is the same: time to look again.
                drop(tokio::time::timeout(TIMER, commits.changed()).await);
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = woken => {}
            }
        }
    }
}

async fn erase(store: &Store, id: Uuid, now: OffsetDateTime) -> Result<Progress, DispatchError> {
    let loaded = store.load::<Subscriber>(id).await?;
    let Subscriber::Erasing(profile) = loaded.state.clone() else {
        return Ok(Progress::Idle);
    };
    let events = store.log().stream(id).await?;
    let requested = events.iter().find(|it| it.event_type == REQUESTED_TYPE);
    let Some(requested) = requested else {
        return Ok(Progress::Idle);
    };
    shred(store, &[id], now).await?;
    crash_point!("erase.shredded");
    if let Some(obstacle) = obstacle(store, id, requested, now).await? {
        tracing::debug!(subscriber = %id, obstacle, "an erasure waits");
        return Ok(Progress::Idle);
    }
    let address = profile.address_id.to_string();
    let imports = ids(store.log().pool(), QUOTING, &[&address]).await?;
    shred(store, &imports, now).await?;
    crash_point!("erase.all_shredded");
    let shredded = shredded(store, id, &imports).await?;
    let erased = record(store, (loaded, &profile), requested, shredded, now).await?;
    crash_point!("erase.recorded");
    Ok(erased)
}

/// Destroys the keys that are not destroyed yet.
async fn shred(store: &Store, keys: &[Uuid], now: OffsetDateTime) -> Result<(), DispatchError> {
    let vault = store.vault();
    let done = vault.shredded(keys).await?;
    let is_left = |key: &Uuid| !done.iter().any(|(shredded, _)| shredded == key);
    let left: Vec<Uuid> = keys.iter().copied().filter(is_left).collect();
    if left.is_empty() {
        return Ok(());
    }
    Ok(vault.shred(&left, now).await?)
}

/// What has to end before nothing of somebody is left; `None`: nothing has.
async fn obstacle(
    store: &Store,
    id: Uuid,
    requested: &Recorded,
    now: OffsetDateTime,
) -> Result<Option<&'static str>, DispatchError> {
    let pool = store.log().pool();
    if position(pool, REJECTIONS).await?.unwrap_or(0) < requested.position {
        return Ok(Some("a view is behind"));
    }
    if is_attempted(store, id, now).await? {
        return Ok(Some("an attempt is under way"));
    }
    for import_id in ids(pool, FILES, &[]).await? {
        if may_name_them(store, import_id, requested.position).await? {
            return Ok(Some("a file is under way that may name them"));
        }
    }
    let discarded = discard_staged(store, PROFILES).await?;
    Ok((!discarded).then_some("a rebuild is under way"))
}

/// Whether an attempt may still put the address on the wire. None is made any more; one that was made before has a
/// deadline.
async fn is_attempted(store: &Store, id: Uuid, now: OffsetDateTime) -> Result<bool, DispatchError> {
    let deliveries = ids(store.log().pool(), DELIVERED, &[&id]).await?;
    for some in deliveries.chunks(DELIVERIES) {
        let loaded = store.load_many::<Delivery>(some).await?;
        let is_open = |state: &Delivery| matches!(state, Delivery::Attempting { deadline, .. } if *deadline > now);
        if loaded.iter().any(|delivery| is_open(&delivery.state)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a stored file may have come before the erasure was requested. What came later is judged by who takes it in.
async fn may_name_them(
    store: &Store,
    import_id: Uuid,
    requested: i64,
) -> Result<bool, DispatchError> {
    let import = store.load::<SubscriberImport>(import_id).await?;
    let started = import.history.first();
    Ok(started.is_none_or(|it| it.event_type != STARTED_TYPE || it.position < requested))
}

/// The keys that are destroyed, and since when.
async fn shredded(
    store: &Store,
    id: Uuid,
    imports: &[Uuid],
) -> Result<Vec<Shredded>, DispatchError> {
    let keys: Vec<Uuid> = [id].into_iter().chain(imports.iter().copied()).collect();
    let times = store.vault().shredded(&keys).await?;
    let of = |key_id: &Uuid| {
        let (_, at) = times.iter().find(|(shredded, _)| shredded == key_id)?;
        Some(Shredded {
            kind: match *key_id == id {
                true => Shreddable::Subscriber,
                false => Shreddable::Import,
            },
            key_id: *key_id,
            at: *at,
        })
    };
    Ok(keys.iter().filter_map(of).collect())
}

/// Puts it on record. Who asked gave up their address in the same commit; after a restore that has lost it, it is given
/// up here, and nothing is sent to it any more.
async fn record(
    store: &Store,
    (loaded, profile): (Loaded<Subscriber>, &Profile),
    requested: &Recorded,
    shredded: Vec<Shredded>,
    now: OffsetDateTime,
) -> Result<Progress, DispatchError> {
    let id = loaded.id;
    let intent = reaction(requested.recorded_at, "erase", requested.event_id, &[]);
    let context = Context::reaction(ACTOR, requested, intent, now);
    let completed = loaded.state.decide(Command::CompleteErasure { shredded });
    let completed = completed.map_err(|refusal| DispatchError::Refused(refusal.to_string()))?;
    let mut draft = store.draft(&context);
    draft.append(loaded, completed);
    let address = store.load::<Address>(profile.address_id).await?;
    let suppression = store.load::<Suppression>(profile.address_suppression_id);
    let suppression = suppression.await?;
    let (released, added) = give_up(id, &address.state, &suppression.state);
    if !released.is_empty() {
        draft.append(address, released);
        draft.append(suppression, added);
    }
    match draft.commit().await {
        Ok(_) => Ok(Progress::Advanced),
        // Somebody else has done it, or will have to try again.
        Err(CommitError::Conflict { .. }) => Ok(Progress::Idle),
        Err(error) => Err(error.into()),
    }
}

async fn ids(
    pool: &Pool,
    sql: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Uuid>, ReadError> {
    let client = pool.get().await?;
    let statement = client.prepare_cached(sql).await?;
    let rows = client.query(&statement, values).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
