//! The log: a cheap handle to commit to it and read from it.

mod query;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use deadpool_postgres::{GenericClient, Pool};
use futures_util::future::try_join;
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio_postgres::Row;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use crate::committer::{CommitError, Committer};
use crate::counters::Counters;
use crate::event::{Commit, Committed, Recorded};
use crate::session::Connect;
use crate::stream::hex;
use crate::timeline::{Timeline, WentBack};
pub(crate) use query::ANSWER_WITHIN;
pub use query::in_time;

/// Events one commit may hold.
pub const COMMIT_EVENTS_MAX: usize = 1_000;
/// Bytes one event may take, so that it fits a JetStream message of the default 1 MB with its headers.
pub const EVENT_BYTES_MAX: usize = 900 << 10;

pub(crate) const COLUMNS: &str = "position, stream_id, version, event_id, type, subject, occurred_at, \
     recorded_at, actor, correlation_id, causation, metadata, payload, digest";
/// The hash of the batch that holds a position.
pub(crate) const BATCH_AT: &str =
    "select hash from publishing_batches where last_position >= $1 order by last_position limit 1";
/// The batches of a page, after the one that holds the position before it; past the end of the log, those up to it.
const BATCHES: &str = "select last_position, hash from publishing_batches \
     where last_position >= $1 and last_position <= coalesce( \
         (select min(last_position) from publishing_batches where last_position >= $1 + $2), 9223372036854775807) \
     order by last_position";

/// A page ends early, before the event that would make it larger: events may be large, and a page is
/// held in memory. The first event always fits.
const PAGE_BYTES_MAX: i64 = 16 << 20;

fn page() -> String {
    format!(
        "select {COLUMNS} from ( \
             select *, sum(octet_length(payload) + octet_length(metadata)) over (order by position) as bytes \
                 from publishing_events where position > $1 and position <= $1 + $2 \
         ) e where bytes <= {PAGE_BYTES_MAX} or position = $1 + 1 order by position"
    )
}

/// The event log.
#[derive(Clone)]
pub struct Log {
    inner: Arc<Inner>,
}

struct Inner {
    committer: Committer,
    pool: Pool,
    counters: Arc<Counters>,
    head: watch::Receiver<i64>,
    timeline: Arc<Timeline>,
}

/// Why the log could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// No connection to the database.
    #[error("no connection to the database")]
    Pool(#[from] deadpool_postgres::PoolError),
    /// The database answered with an error.
    #[error("the database could not answer")]
    Database(#[from] tokio_postgres::Error),
    /// The database hangs.
    #[error("the database does not answer")]
    NoAnswer,
    /// Rows of a COPY that are none of the log's.
    #[error(
        "the database sent rows that are not the log's; `tidings audit verify` names what was changed"
    )]
    Garbled,
    /// The log is not the one this process has seen. Never retried.
    #[error(transparent)]
    WentBack(#[from] WentBack),
}

impl ReadError {
    /// There was no answer, or the server has given the question up: it takes longer than it may.
    pub fn is_too_slow(&self) -> bool {
        match self {
            Self::NoAnswer => true,
            Self::Database(error) => error.code() == Some(&SqlState::QUERY_CANCELED),
            _ => false,
        }
    }

    /// Trying again can not help.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::WentBack { .. })
    }
}

/// Some events in order, with the batches that hold them.
pub(crate) struct Page {
    /// The hash (hex) of the batch that holds the position before the first event; `None`: the log does not reach
    /// it, or it is 0.
    pub(crate) before: Option<String>,
    /// The events.
    pub(crate) events: Vec<Recorded>,
    /// Last position and hash (hex) of each batch, in order.
    batches: Vec<(i64, String)>,
}

impl Page {
    /// The hash (hex) of the batch that holds an event of the page.
    pub(crate) fn batch_hash(&self, position: i64) -> &str {
        let covering = self.batches.partition_point(|(up_to, _)| *up_to < position);
        // Every event has its batch, or there is no page.
        &self.batches[covering].1
    }

    /// Whether the page continues what ends in a batch with this hash (`None`: at position 0).
    pub(crate) fn continues(&self, position: i64, batch_hash: Option<&str>) -> bool {
        position == 0 || self.before.as_deref() == batch_hash
    }
}

/// Where the log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last position; 0 when the log is empty.
    pub position: i64,
    /// The hash of the batch that holds it; zeros when the log is empty.
    pub batch_hash: [u8; 32],
}

impl Log {
    /// Opens the log: starts this process's committer. `connect` makes the committer's own session.
    pub fn open(connect: Connect, pool: Pool) -> Self {
        let counters = Arc::new(Counters::default());
        let (sender, head) = watch::channel(0);
        let timeline = Arc::new(Timeline::default());
        let committer = Committer::start(connect, counters.clone(), sender, timeline.clone());
        Self {
            inner: Arc::new(Inner {
                committer,
                pool,
                counters,
                head,
                timeline,
            }),
        }
    }

    /// Commits, together with whatever else waits at this moment; returns once it is durable.
    pub async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        commit.validate().map_err(CommitError::Invalid)?;
        self.inner.committer.submit(commit).await
    }

    /// Whether the log is still the one this process has seen.
    ///
    /// # Errors
    /// When it is not: then nothing is recorded any more.
    pub fn alive(&self) -> Result<(), WentBack> {
        self.inner.timeline.alive()
    }

    /// Somebody has seen the log up to a position, in a batch with this hash (hex).
    pub(crate) fn saw(&self, position: i64, batch_hash: &str) {
        self.inner.timeline.saw(position, batch_hash);
    }

    /// Says that what was seen up to a position is not what the log holds: from now on nothing is recorded.
    pub(crate) fn went_back(&self, position: i64) -> WentBack {
        self.inner.timeline.end(position)
    }

    /// The last position this process has committed: a wake-up call for the relay.
    pub fn committed(&self) -> watch::Receiver<i64> {
        self.inner.head.clone()
    }

    /// Totals since the process started.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.inner.counters
    }

    /// Connections for reading.
    pub fn pool(&self) -> &Pool {
        &self.inner.pool
    }

    /// The end of the log.
    pub async fn head(&self) -> Result<Head, ReadError> {
        let sql = "select last_position, hash from publishing_batches order by last_position desc limit 1";
        let rows = self.query(sql, &[]).await?;
        Ok(rows.first().map_or(
            Head {
                position: 0,
                batch_hash: [0; 32],
            },
            |row| Head {
                position: row.get(0),
                batch_hash: hash(row.get(1)),
            },
        ))
    }

    /// When it recorded something last, by the database's clock, which never goes back there; none: it is empty.
    pub async fn last_recorded_at(&self) -> Result<Option<OffsetDateTime>, ReadError> {
        let sql = "select committed_at from publishing_batches order by last_position desc limit 1";
        let rows = self.query(sql, &[]).await?;
        Ok(rows.first().map(|row| row.get(0)))
    }

    /// All incarnations, oldest first.
    pub async fn incarnations(&self) -> Result<Vec<Uuid>, ReadError> {
        let sql = "select incarnation from publishing_incarnations order by ordinal";
        let rows = self.query(sql, &[]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// The incarnation: another one after the log was restored from a backup.
    pub async fn incarnation(&self) -> Result<Uuid, ReadError> {
        // The first one is made with the table.
        let all = self.incarnations().await?;
        Ok(all.last().copied().unwrap_or_default())
    }

    /// Whether a position is in a batch with this hash (hex): then the log holds all that led up to it, unchanged.
    pub(crate) async fn holds(&self, position: i64, hash: &str) -> Result<bool, ReadError> {
        in_time(async {
            let client = self.inner.pool.get().await?;
            holds(&client, position, hash).await
        })
        .await
    }

    /// The hash of the batch that holds a position; `None` past the end of the log.
    pub async fn batch_hash(&self, position: i64) -> Result<Option<[u8; 32]>, ReadError> {
        in_time(async {
            let client = self.inner.pool.get().await?;
            batch_hash(&client, position).await
        })
        .await
    }

    /// Up to `limit` events after a position, in order.
    pub async fn page_after(&self, position: i64, limit: i64) -> Result<Vec<Recorded>, ReadError> {
        let rows = self.query(&page(), &[&position, &limit]).await?;
        Ok(rows.iter().map(recorded).collect())
    }

    /// The same, and the batches that hold them. One round trip.
    pub(crate) async fn page_with_batches(
        &self,
        position: i64,
        limit: i64,
    ) -> Result<Page, ReadError> {
        let (events, batches) = in_time(async {
            let client = self.inner.pool.get().await?;
            let events = client.prepare_cached(&page()).await?;
            let batches = client.prepare_cached(BATCHES).await?;
            // Sent in this order, answered in this order: the later look sees every batch of the earlier one.
            let both = try_join(
                client.query(&events, &[&position, &limit]),
                client.query(&batches, &[&position, &limit]),
            )
            .await?;
            Ok(both)
        })
        .await?;
        let batches: Vec<(i64, String)> = batches
            .iter()
            .map(|row| (row.get(0), hex(row.get(1))))
            .collect();
        let events: Vec<Recorded> = events.iter().map(recorded).collect();
        let covered = batches.last().map_or(0, |(up_to, _)| *up_to);
        if events.last().is_some_and(|last| last.position > covered) {
            // Somebody has taken a batch away.
            return Err(ReadError::Garbled);
        }
        Ok(Page {
            before: batches
                .first()
                .filter(|_| position > 0)
                .map(|(_, hash)| hash.clone()),
            events,
            batches,
        })
    }

    /// Every event of a stream, oldest first.
    pub async fn stream(&self, stream_id: Uuid) -> Result<Vec<Recorded>, ReadError> {
        let sql = format!(
            "select {COLUMNS} from publishing_events where stream_id = $1 order by version"
        );
        let rows = self.query(&sql, &[&stream_id]).await?;
        Ok(rows.iter().map(recorded).collect())
    }

    /// Up to `limit` events of a stream after a version of it, oldest first.
    pub async fn stream_after(
        &self,
        stream_id: Uuid,
        version: i32,
        limit: i64,
    ) -> Result<Vec<Recorded>, ReadError> {
        let sql = format!(
            "select {COLUMNS} from publishing_events where stream_id = $1 and version > $2 order by version limit $3"
        );
        let rows = self.query(&sql, &[&stream_id, &version, &limit]).await?;
        Ok(rows.iter().map(recorded).collect())
    }

    /// The version a stream is at; 0: there is no such stream.
    pub async fn version(&self, stream_id: Uuid) -> Result<i32, ReadError> {
        let sql = "select coalesce(max(version), 0) from publishing_events where stream_id = $1";
        let rows = self.query(sql, &[&stream_id]).await?;
        Ok(rows.first().map_or(0, |row| row.get(0)))
    }

    /// The versions that several streams are at, in the order of these ids; 0: there is no such stream.
    pub async fn versions(&self, stream_ids: &[Uuid]) -> Result<Vec<i32>, ReadError> {
        let sql = "select coalesce(of.version, 0) from unnest($1::uuid[]) with ordinality as asked (stream_id, place) \
                   left join lateral (select max(version) as version from publishing_events e \
                   where e.stream_id = asked.stream_id) of on true order by asked.place";
        let rows = self.query(sql, &[&stream_ids]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// A stream's events of some types, oldest first.
    pub async fn stream_of(
        &self,
        stream_id: Uuid,
        types: &[&str],
    ) -> Result<Vec<Recorded>, ReadError> {
        let sql = format!(
            "select {COLUMNS} from publishing_events where stream_id = $1 and type = any($2) order by version"
        );
        let rows = self.query(&sql, &[&stream_id, &types]).await?;
        Ok(rows.iter().map(recorded).collect())
    }

    /// The events at these positions, in order.
    pub async fn at(&self, positions: &[i64]) -> Result<Vec<Recorded>, ReadError> {
        let sql = format!(
            "select {COLUMNS} from publishing_events where position = any($1) order by position"
        );
        let rows = self.query(&sql, &[&positions]).await?;
        Ok(rows.iter().map(recorded).collect())
    }

    /// The positions of all events of the streams that are about a subscriber, in order.
    pub async fn subject_positions(&self, subject: Uuid) -> Result<Vec<i64>, ReadError> {
        // Whatever the planner thinks of their number, it is by the index of subjects and then by that of streams.
        let sql = "with about as materialized (select stream_id from publishing_events where subject = $1) \
                   select position from publishing_events where stream_id in (select stream_id from about) \
                   order by position";
        let rows = self.query(sql, &[&subject]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Which of these streams exist.
    pub async fn existing(&self, stream_ids: &[Uuid]) -> Result<Vec<Uuid>, ReadError> {
        let sql =
            "select stream_id from publishing_events where stream_id = any($1) and version = 1";
        let rows = self.query(sql, &[&stream_ids]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Which of these streams exist and are of this noun.
    pub async fn existing_of(
        &self,
        noun: &str,
        stream_ids: &[Uuid],
    ) -> Result<Vec<Uuid>, ReadError> {
        let sql = "select stream_id from publishing_events \
                   where stream_id = any($1) and version = 1 and split_part(type, '.', 1) = $2";
        let rows = self.query(sql, &[&stream_ids, &noun]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// Every event of several streams, by stream and version.
    pub async fn streams(&self, stream_ids: &[Uuid]) -> Result<Vec<Recorded>, ReadError> {
        let sql = format!(
            "select {COLUMNS} from publishing_events where stream_id = any($1) order by stream_id, version"
        );
        let rows = self.query(&sql, &[&stream_ids]).await?;
        Ok(rows.iter().map(recorded).collect())
    }
}

/// [`Log::holds`] over a connection.
pub(crate) async fn holds(
    client: &impl GenericClient,
    position: i64,
    hash: &str,
) -> Result<bool, ReadError> {
    let there = batch_hash(client, position).await?;
    Ok(there.is_some_and(|there| hex(&there) == hash))
}

async fn batch_hash(
    client: &impl GenericClient,
    position: i64,
) -> Result<Option<[u8; 32]>, ReadError> {
    let statement = client.prepare_cached(BATCH_AT).await?;
    Ok(client
        .query_opt(&statement, &[&position])
        .await?
        .map(|row| hash(row.get(0))))
}

/// One row with [`COLUMNS`].
pub(crate) fn recorded(row: &Row) -> Recorded {
    let bytes = |column| Bytes::copy_from_slice(row.get::<_, &[u8]>(column));
    Recorded {
        position: row.get(0),
        stream_id: row.get(1),
        version: row.get(2),
        event_id: row.get(3),
        event_type: row.get(4),
        subject: row.get(5),
        occurred_at: row.get(6),
        recorded_at: row.get(7),
        actor: row.get(8),
        correlation_id: row.get(9),
        causation: row.get(10),
        metadata: bytes(11),
        payload: bytes(12),
        digest: hash(row.get(13)),
    }
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    // The function that writes hashes only ever writes sha256(). Whoever has put something else there is found out by
    // zeros as well.
    bytes.try_into().unwrap_or_default()
}

/// The patience of callers that wait for something the log will bring anyway.
pub(crate) const SLOW_TIMER: Duration = Duration::from_secs(1);
