//! Erasing subscribers: once somebody's data are to be destroyed, their key is, and with it whatever it seals in any
//! copy of the log; then everything else that could bring the data back. Last of all it goes on record. Each step may
//! be repeated, so whoever goes on after a crash begins anew.

mod waiting;

use std::time::Duration;

use tidings_domain::aggregate::Aggregate as _;
use tidings_domain::delivery::Delivery;
use tidings_domain::stream_id::reaction;
use tidings_domain::subscriber::{Command, Profile, Shreddable, Shredded, Subscriber};
use tidings_event_store::view::{Definition, Reached, discard_staged, reached};
use tidings_event_store::{
    CommitError, Context, Loaded, Progress, Recorded, Store, crash_point, give_up_addresses,
};
use tidings_service::Clock;
use tidings_service::problem::chain;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::core::{ACTOR, DispatchError};
use crate::stepping::Stepping;

pub use waiting::Waiting;

/// Deliveries that are folded at once.
const DELIVERIES: usize = 500;

const REQUESTED: &str = "select subscriber_id from publishing_subscriber_profile \
     where erasure_requested_at is not null and erased_at is null order by erasure_requested_at, subscriber_id";
const DELIVERED: &str = "select stream_id from publishing_events \
     where subject = $1 and type = 'delivery.Planned' order by position";
const FILES: &str =
    "select distinct import_id from publishing_import_chunks where after_records = 0";
const QUOTING: &str = "select distinct import_id from publishing_import_rejections \
     where address_ids ?| $1 order by import_id";
/// The view that holds opened data of subscribers, and so does what is left of its rebuilds.
const PROFILES: Definition = Definition {
    name: "subscriber_profile",
    sql: tidings_schema::views::SUBSCRIBER_PROFILE,
};
/// The view that says whom rejected records quote.
const REJECTIONS: [&str; 1] = ["import_rejections"];
/// How long a view that is a moment behind is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// What an erasure waits for that could not be carried out.
const FAILED: &str = "the last try failed, and the log of the platform says why";
const REQUESTED_TYPE: &str = "subscriber.ErasureRequested";

/// Erases those whose data are to be destroyed. Any number may run; one is enough.
pub struct Eraser {
    store: Store,
    clock: Clock,
    waiting: Waiting,
}

impl Stepping for Eraser {
    const WAITS: &str = "erasures wait";
    const BREATHER: Duration = Duration::from_millis(100);
    const TIMER: Duration = Duration::from_secs(1);

    async fn step(&self) -> Result<Progress, DispatchError> {
        Self::step(self).await
    }

    fn store(&self) -> &Store {
        &self.store
    }
}

impl Eraser {
    /// One over this log.
    pub fn new(store: Store, clock: Clock) -> Self {
        let waiting = Waiting::default();
        Self {
            store,
            clock,
            waiting,
        }
    }

    /// Those it has not erased yet, as of its last step.
    pub fn waiting(&self) -> Waiting {
        self.waiting.clone()
    }

    /// Erases whom it can. Those that something stands in the way of are left for the next time, but for their keys,
    /// which are destroyed at once.
    ///
    /// # Errors
    /// When it cannot be found out who is to be erased, or a key is not destroyed.
    pub async fn step(&self) -> Result<Progress, DispatchError> {
        let (store, now) = (&self.store, self.clock.now());
        let requested = store.log().ids(REQUESTED, &[]).await?;
        self.waiting.are(&requested);
        if requested.is_empty() {
            return Ok(Progress::Idle);
        }
        let way = self.prepared(&requested, now).await.inspect_err(|error| {
            // Nobody's goes on then, and whoever asks for one is told.
            for id in &requested {
                self.is_failed(*id, error);
            }
        })?;
        let mut progress = Progress::Idle;
        for id in requested {
            match self.erase(id, &way, now).await {
                Ok(step) => progress = progress.or(step),
                // One subscriber's trouble is not the others'.
                Err(error) => self.is_failed(id, &error),
            }
        }
        Ok(progress)
    }

    /// Destroys their keys, and looks at what stands in everybody's way.
    async fn prepared(
        &self,
        requested: &[Uuid],
        now: OffsetDateTime,
    ) -> Result<Way, DispatchError> {
        // The view has folded the request, and what it folded nobody takes back.
        shred(&self.store, requested, now).await?;
        crash_point!("erase.shredded");
        Way::of(&self.store).await
    }

    fn is_failed(&self, id: Uuid, error: &DispatchError) {
        if self.waiting.fails(id, FAILED) {
            tracing::warn!(subscriber = %id, error = %chain(error), "an erasure waits");
        }
    }

    /// Steps until told to stop; wakes when this process commits something, and every second: what an erasure waits for
    /// is of many kinds.
    pub async fn run(self, stop: CancellationToken) {
        self.run_until(stop).await;
    }

    async fn erase(
        &self,
        id: Uuid,
        way: &Way,
        now: OffsetDateTime,
    ) -> Result<Progress, DispatchError> {
        let store = &self.store;
        let loaded = store.load::<Subscriber>(id).await?;
        let Subscriber::Erasing(profile) = loaded.state.clone() else {
            self.waiting.is_done(id);
            return Ok(Progress::Idle);
        };
        let events = store.log().stream(id).await?;
        let requested = events.iter().find(|it| it.event_type == REQUESTED_TYPE);
        let Some(requested) = requested else {
            return Ok(Progress::Idle);
        };
        let mut obstacle = way.obstacle(requested.position);
        if obstacle.is_none() && is_attempted(store, id, now).await? {
            obstacle = Some("an attempt is under way".to_owned());
        }
        if let Some(obstacle) = obstacle {
            let requested_at = requested.recorded_at;
            let is_long = self.waiting.waits(id, (requested_at, now), &obstacle);
            tracing::debug!(subscriber = %id, obstacle, "an erasure waits");
            if is_long {
                tracing::warn!(subscriber = %id, obstacle, %requested_at, "an erasure has waited for long");
            }
            return Ok(Progress::Idle);
        }
        let former = profile.former.iter().map(|former| former.address_id);
        let addresses: Vec<String> = former
            .chain([profile.address_id])
            .map(|id| id.to_string())
            .collect();
        let imports = store.log().ids(QUOTING, &[&addresses]).await?;
        shred(store, &imports, now).await?;
        crash_point!("erase.all_shredded");
        let shredded = shredded(store, id, &imports).await?;
        let erased = record(store, (loaded, &profile), requested, shredded, now).await?;
        crash_point!("erase.recorded");
        if erased == Progress::Advanced {
            self.waiting.is_done(id);
        }
        Ok(erased)
    }
}

/// What stands in everybody's way, looked at once for all.
struct Way {
    /// Files that are stored, and where in the log their imports began; none: they have not.
    files: Vec<(Uuid, Option<i64>)>,
    /// A rebuild of the view with opened values is at work.
    rebuilt: bool,
    /// All rejected records are known.
    known: bool,
}

impl Way {
    async fn of(store: &Store) -> Result<Self, DispatchError> {
        let mut files = Vec::new();
        for import_id in store.log().ids(FILES, &[]).await? {
            // Not understood, only placed: one that a later build wrote keeps waiting whoever asked since, and nobody else.
            let first = store.log().stream_after(import_id, 0, 1).await?;
            files.push((import_id, first.first().map(|started| started.position)));
        }
        let rebuilt = !discard_staged(store, PROFILES).await?;
        // Behind the look at the files: what an import that has just ended has rejected is known too.
        let head = store.log().head().await?.position;
        let reached = reached(store.log(), &REJECTIONS, Some(head), PATIENCE).await?;
        Ok(Self {
            files,
            rebuilt,
            known: matches!(reached, Reached::At(_)),
        })
    }

    /// What has to end before nothing is left of somebody whose erasure was requested at a position.
    fn obstacle(&self, requested: i64) -> Option<String> {
        if !self.known {
            return Some(format!("the view {} is behind", REJECTIONS[0]));
        }
        // A file that came later is judged by who takes it in.
        let before = |started: Option<i64>| started.is_none_or(|position| position < requested);
        if let Some((id, _)) = self.files.iter().find(|(_, started)| before(*started)) {
            return Some(format!("import {id} is under way and may name them"));
        }
        self.rebuilt.then(|| "a rebuild is under way".to_owned())
    }
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

/// Whether an attempt may still put the address on the wire. None is made any more; one that was made before has a
/// deadline.
async fn is_attempted(store: &Store, id: Uuid, now: OffsetDateTime) -> Result<bool, DispatchError> {
    let deliveries = store.log().ids(DELIVERED, &[&id]).await?;
    for some in deliveries.chunks(DELIVERIES) {
        let loaded = store.load_many::<Delivery>(some).await?;
        let is_open = |state: &Delivery| matches!(state, Delivery::Attempting { deadline, .. } if *deadline > now);
        if loaded.iter().any(|delivery| is_open(&delivery.state)) {
            return Ok(true);
        }
    }
    Ok(false)
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
    give_up_addresses(store, &mut draft, id, profile).await?;
    match draft.commit().await {
        Ok(_) => Ok(Progress::Advanced),
        // Somebody else has done it, or will have to try again.
        Err(CommitError::Conflict { .. }) => Ok(Progress::Idle),
        Err(error) => Err(error.into()),
    }
}
