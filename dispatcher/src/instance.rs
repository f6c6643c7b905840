//! Who this dispatcher is: an id whose session lock says that it lives, and the lanes it owns.
//! Both end with the session, whatever ends it: the server ends that of a process that stands still for a minute. One that goes
//! on beside its successor is stopped by the guards of the commit.
//!
//! Lanes are shared evenly: each dispatcher counts the locks of those that live, takes free lanes up to
//! its share, and gives back what it holds beyond it. What receiving sides let one account do is shared in the same way.
//! Nobody talks to anybody, and nothing is written.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tidings_event_store::session::{Connect, Session};
use tidings_service::Clock;
use tidings_service::clock::Monotonic;
use tidings_service::problem::chain;
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::channels::Accounts;
use crate::queue::LANES;

mod life;

use life::Answers;
pub(crate) use life::Life;

/// How often a dispatcher looks whether its share has changed, and so asks its session something.
const SHARE_EVERY: Duration = Duration::from_secs(1);
/// An instance is gone once its lock was free by two looks this far apart: a server that was restarted has everybody open a new
/// session, and whoever is first must not take the others for dead.
const GONE_AFTER: Duration = Duration::from_secs(5);
/// How long a dispatcher that ends tries to give its lanes back.
const LEAVES_WITHIN: Duration = Duration::from_secs(5);
/// Makes a session what it must be. One that was cut off ends on the server too, within half a minute; so does, in a minute, that
/// of a process which stands still and whose machine goes on answering for it. Either way the locks come free.
const SET_UP: &str = "set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; \
     set tcp_keepalives_count = 3; set idle_session_timeout = '60s'; set lock_timeout = '5s'; set statement_timeout = '8s'";
/// Dispatchers that live, this one included, and those of them that leave; and the lanes this session holds.
const STANDING: &str = "select count(*) filter (where classid = $1::bigint::oid), count(*) filter (where classid = $3::bigint::oid), \
         coalesce(array_agg(objid::bigint::integer order by objid) \
             filter (where classid = $2::bigint::oid and pid = pg_backend_pid()), '{}') \
     from pg_locks \
     where locktype = 'advisory' and objsubid = 2 and granted \
       and database = (select oid from pg_database where datname = current_database())";
/// Takes up to so many lanes that nobody holds.
const TAKE: &str = "select lane from ( \
         select lane from generate_series(0, $1 - 1) as l(lane) where lane <> all($3) offset 0 \
     ) l where pg_try_advisory_lock($2, lane) limit $4";
const GIVE_BACK: &str = "select pg_advisory_unlock($1, lane) from unnest($2::integer[]) as l(lane)";

/// First half of the two-part advisory locks of lanes.
const LANE_LOCK: i32 = 0x7469_6469;
/// First half of the lock that names an instance.
const INSTANCE_LOCK: i32 = 0x7469_6470;
/// First half of the lock of an instance that only ends what it has open.
const LEAVING_LOCK: i32 = 0x7469_6471;
const LOCK: &str = "select pg_advisory_lock($1, $2)";

/// The identity and its session.
pub(crate) struct Instance {
    /// Named in every attempt.
    pub(crate) id: Uuid,
    connect: Connect,
    clock: Clock,
    accounts: Accounts,
    held: Mutex<Option<Held>>,
    answers: Answers,
    /// Whether it takes no lanes any more.
    leaves: AtomicBool,
}

struct Held {
    session: Session,
    lanes: Vec<i32>,
    /// When the share was last looked at.
    shared_at: Option<Monotonic>,
    /// Other instances whose locks are free, and since when this session has found them so.
    missed: HashMap<Uuid, Monotonic>,
    begun: Monotonic,
    /// How many instances there were by the session before.
    were: u32,
    /// How many there are.
    instances: u32,
}

impl Instance {
    /// An identity without a session yet.
    pub(crate) fn new(id: Uuid, connect: Connect, clock: Clock, accounts: Accounts) -> Self {
        Self {
            id,
            connect,
            accounts,
            held: Mutex::new(None),
            answers: Answers::new(clock.clone()),
            clock,
            leaves: AtomicBool::new(false),
        }
    }

    /// The lanes this instance owns now: its share of them, as far as the others have given theirs back.
    /// Opens a new session if the old one was lost.
    pub(crate) async fn lanes(&self) -> Result<Vec<i32>, tokio_postgres::Error> {
        let mut held = self.held.lock().await;
        let asked = self.clock.moment();
        let shared = self.share(&mut held).await;
        if let Shared::Anew = shared? {
            self.answers.hear(asked);
        }
        Ok(held
            .as_ref()
            .map(|held| held.lanes.clone())
            .unwrap_or_default())
    }

    async fn share(&self, held: &mut Option<Held>) -> Result<Shared, tokio_postgres::Error> {
        let held = self.standing(held).await?;
        let now = self.clock.monotonic();
        let is_recent = |then: Monotonic| now.since(then) < SHARE_EVERY;
        if held.shared_at.is_some_and(is_recent) {
            return Ok(Shared::AsBefore);
        }
        held.share(now, self.leaves.load(Ordering::Relaxed)).await?;
        self.accounts.share_among(held.instances);
        held.shared_at = Some(now);
        Ok(Shared::Anew)
    }

    /// Says that this instance lives, until it is dropped, whatever else of it is busy: its session must not stand idle.
    pub(crate) async fn stay(&self) {
        loop {
            tokio::time::sleep(SHARE_EVERY).await;
            if self.answers.is_within(SHARE_EVERY) {
                continue;
            }
            let mut held = self.held.lock().await;
            let asked = self.clock.moment();
            let stayed = async {
                let held = self.standing(&mut held).await?;
                held.session.client.simple_query("").await
            };
            match stayed.await {
                Ok(_) => self.answers.hear(asked),
                Err(error) => {
                    tracing::debug!(error = %chain(&error), "the session of a dispatcher is away");
                }
            }
        }
    }

    /// The present one, if nobody else can have taken this instance for dead by now: what was begun in another one may be in doubt.
    pub(crate) fn life(&self) -> Option<Life> {
        self.answers.life()
    }

    /// Leaves its lanes to whoever else lives, and takes none any more; what it has open, it ends.
    pub(crate) async fn leave(&self) {
        self.leaves.store(true, Ordering::Relaxed);
        let leaving = async {
            let mut held = self.held.lock().await;
            match held.as_mut().filter(|held| !held.is_lost()) {
                Some(held) => {
                    held.leave(self.id).await?;
                    held.share(self.clock.monotonic(), true).await
                }
                // With the session its lanes have gone.
                None => Ok(()),
            }
        };
        // A server that hangs must not keep a program from ending: its lanes come free with its session.
        match tokio::time::timeout(LEAVES_WITHIN, leaving).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::debug!(error = %chain(&error), "a dispatcher that ends keeps its lanes");
            }
            Err(_) => tracing::debug!(
                "a dispatcher that ends keeps its lanes: the database does not answer"
            ),
        }
    }

    /// Which of these instances are gone. What was free by a look of an earlier session does not count: that session may have
    /// ended with theirs.
    pub(crate) async fn gone(&self, others: &[Uuid]) -> Result<Vec<Uuid>, tokio_postgres::Error> {
        let mut held = self.held.lock().await;
        let Some(held) = held.as_mut() else {
            return Ok(Vec::new());
        };
        let mut gone = Vec::new();
        // Whoever is back is forgotten, and so is whoever has left nothing open.
        let before = std::mem::take(&mut held.missed);
        for other in others {
            // Our own lock can be taken again, which says nothing about another that shares it.
            if half(*other) == half(self.id) || !held.is_free(half(*other)).await? {
                continue;
            }
            let now = self.clock.monotonic();
            let since = before.get(other).copied().unwrap_or(now);
            held.missed.insert(*other, since);
            if now.since(since) >= GONE_AFTER {
                gone.push(*other);
            }
        }
        Ok(gone)
    }

    /// The session and what it holds; a new one if the old one was lost.
    async fn standing<'a>(
        &self,
        held: &'a mut Option<Held>,
    ) -> Result<&'a mut Held, tokio_postgres::Error> {
        if held.as_ref().is_none_or(Held::is_lost) {
            self.answers.miss();
            let session = (self.connect)().await?;
            session.client.batch_execute(SET_UP).await?;
            session
                .client
                .query_one(LOCK, &[&INSTANCE_LOCK, &half(self.id)])
                .await?;
            let anew = Held {
                session,
                lanes: Vec::new(),
                shared_at: None,
                missed: HashMap::new(),
                begun: self.clock.monotonic(),
                were: held.as_ref().map_or(1, |held| held.instances),
                instances: 1,
            };
            if self.leaves.load(Ordering::Relaxed) {
                anew.leave(self.id).await?;
            }
            *held = Some(anew);
        }
        Ok(held.as_mut().expect("it was just opened"))
    }
}

/// Whether the session was asked.
enum Shared {
    Anew,
    AsBefore,
}

impl Held {
    fn is_lost(&self) -> bool {
        self.session.client.is_closed()
    }

    /// Counts no longer among those who share the lanes.
    async fn leave(&self, id: Uuid) -> Result<(), tokio_postgres::Error> {
        let client = &self.session.client;
        client.query_one(LOCK, &[&LEAVING_LOCK, &half(id)]).await?;
        Ok(())
    }

    /// Takes or gives back lanes until this instance holds its share, which is none if it leaves.
    async fn share(&mut self, now: Monotonic, leaves: bool) -> Result<(), tokio_postgres::Error> {
        let client = &self.session.client;
        let kinds = [INSTANCE_LOCK, LANE_LOCK, LEAVING_LOCK].map(i64::from);
        let row = client
            .query_one(STANDING, &[&kinds[0], &kinds[1], &kinds[2]])
            .await?;
        // As the server has them: a statement that was cut off may have done its work.
        self.lanes = row.get(2);
        let count = |column| u32::try_from(row.get::<_, i64>(column)).unwrap_or(0);
        let (counted, leaving) = (count(0).max(1), count(1));
        // A server that was restarted has everybody open a new session: whoever is first is not alone.
        self.instances = match now.since(self.begun) < GONE_AFTER {
            true => counted.max(self.were),
            false => counted,
        };
        let share = match leaves {
            true => 0,
            // Whoever leaves has connections in use, and takes no lane.
            false => {
                (LANES as usize).div_ceil(self.instances.saturating_sub(leaving).max(1) as usize)
            }
        };
        if self.lanes.len() > share {
            // The last ones: whoever holds lane 0 looks after publications, and had better keep doing so.
            let surplus = &self.lanes[share..];
            client.execute(GIVE_BACK, &[&LANE_LOCK, &surplus]).await?;
            self.lanes.truncate(share);
        } else if self.lanes.len() < share {
            let wanted = (share - self.lanes.len()) as i64;
            let rows = client
                .query(TAKE, &[&LANES, &LANE_LOCK, &self.lanes, &wanted])
                .await?;
            self.lanes
                .extend(rows.iter().map(|row| row.get::<_, i32>(0)));
            self.lanes.sort_unstable();
        }
        Ok(())
    }

    /// Whether nobody holds an instance's lock.
    async fn is_free(&self, half: i32) -> Result<bool, tokio_postgres::Error> {
        let probe = "select case when pg_try_advisory_lock($1, $2) then pg_advisory_unlock($1, $2) else false end";
        let client = &self.session.client;
        Ok(client
            .query_one(probe, &[&INSTANCE_LOCK, &half])
            .await?
            .get(0))
    }
}

/// Second half of an instance's lock. What two instances that share it leave behind comes in doubt by
/// its deadline only.
fn half(id: Uuid) -> i32 {
    let bytes = id.as_bytes();
    i32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]])
}
