//! Who this dispatcher is: an id whose session lock says that it lives, and the lanes it owns.
//! Both end with the session, whatever ends it; a paused process that overlaps with its successor is
//! stopped by the guards of the commit.

use tidings_event_store::session::{Connect, Session};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::queue::LANES;

/// First half of the two-part advisory locks of lanes.
const LANE_LOCK: i32 = 0x7469_6469;
/// First half of the lock that names an instance.
const INSTANCE_LOCK: i32 = 0x7469_6470;

/// The identity and its session.
pub(crate) struct Instance {
    /// Named in every attempt.
    pub(crate) id: Uuid,
    connect: Connect,
    held: Mutex<Option<Held>>,
}

struct Held {
    session: Session,
    lanes: Vec<i32>,
}

impl Instance {
    /// An identity without a session yet.
    pub(crate) fn new(id: Uuid, connect: Connect) -> Self {
        Self {
            id,
            connect,
            held: Mutex::new(None),
        }
    }

    /// The lanes this instance owns now; takes those that are free, and a new session if the old one
    /// was lost.
    pub(crate) async fn lanes(&self) -> Result<Vec<i32>, tokio_postgres::Error> {
        let mut held = self.held.lock().await;
        if held
            .as_ref()
            .is_none_or(|held| held.session.client.is_closed())
        {
            let session = (self.connect)().await?;
            // A session that was cut off ends on the server too, within half a minute, and gives the
            // locks back.
            session
                .client
                .batch_execute(
                    "set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; \
                     set tcp_keepalives_count = 3; set lock_timeout = '5s'; set statement_timeout = '8s'",
                )
                .await?;
            let lock = "select pg_advisory_lock($1, $2)";
            session
                .client
                .query_one(lock, &[&INSTANCE_LOCK, &half(self.id)])
                .await?;
            *held = Some(Held {
                session,
                lanes: Vec::new(),
            });
        }
        let held = held.as_mut().expect("it was just opened");
        if held.lanes.len() < LANES as usize {
            let free = "select lane from generate_series(0, $1 - 1) as l(lane) \
                        where lane <> all($3) and pg_try_advisory_lock($2, lane)";
            let rows = held
                .session
                .client
                .query(free, &[&LANES, &LANE_LOCK, &held.lanes])
                .await?;
            held.lanes
                .extend(rows.iter().map(|row| row.get::<_, i32>(0)));
        }
        Ok(held.lanes.clone())
    }

    /// Whether another instance is gone: its lock is free.
    pub(crate) async fn is_gone(&self, other: Uuid) -> Result<bool, tokio_postgres::Error> {
        if half(other) == half(self.id) {
            // Our own lock: it can be taken again, which says nothing about the other.
            return Ok(false);
        }
        let held = self.held.lock().await;
        let Some(held) = held.as_ref() else {
            return Ok(false);
        };
        let probe = "select case when pg_try_advisory_lock($1, $2) then pg_advisory_unlock($1, $2) else false end";
        Ok(held
            .session
            .client
            .query_one(probe, &[&INSTANCE_LOCK, &half(other)])
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
