//! Verification of the whole log: digests, groups, batches and the chain are recomputed from the rows, and the
//! first place that is not what was recorded is named. Ranges of whole batches are read by COPY and hashed in
//! parallel, each in a short snapshot, so it may run beside a working platform.

mod finding;
mod links;
mod proof;
mod range;
mod several;
mod versions;

use std::collections::VecDeque;

use deadpool_postgres::Pool;
use futures_util::{TryStreamExt as _, stream};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::copy::Rows;
use crate::hex::{Hash, Hex};
use crate::log::ReadError;

pub use finding::{Defect, Finding};
pub use proof::{Checked, Proof, ProofError, ProveError, Proven, prove};
pub use several::{Place, ProofOfMany, Span, covering, span};

pub(crate) use finding::note;
use range::{BATCH_COLUMNS, Batch, EVENT_COLUMNS, Incarnations, Range, Row};

/// Positions a range has at least, as far as there are as many.
const RANGE: i64 = 50_000;

/// How far verification is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyProgress {
    /// Events recomputed.
    pub events: u64,
    /// Events there are.
    pub of: u64,
}

/// What verification saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Events recomputed.
    pub events: u64,
    /// Batches recomputed.
    pub batches: u64,
    /// The last batch when it began; `None`: the log was empty.
    pub head: Option<VerifiedHead>,
    /// The first place that is not what was recorded; `None`: the log is sound.
    pub finding: Option<Finding>,
}

/// The batch up to which the log was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct VerifiedHead {
    /// Its last position.
    pub position: i64,
    /// Its hash.
    pub batch_hash: Hash,
    /// The incarnation it was recorded in.
    pub incarnation: Uuid,
}

/// Verifies the log up to its present head, `readers` ranges at a time. `tell` is told after each range.
///
/// # Errors
/// When the database does not answer. What is wrong with the log is no error.
pub async fn verify(
    pool: &Pool,
    readers: usize,
    tell: &mut (dyn FnMut(VerifyProgress) + Send),
) -> Result<Verified, ReadError> {
    let incarnations = std::sync::Arc::new(incarnations(pool).await?);
    let last = last_batch(pool).await?;
    // One that can not be read ends the log all the same.
    let head = last.map_or(0, |batch| {
        batch.map_or_else(|last| last, |batch| batch.last)
    });
    let versions = tokio::spawn(versions::check(pool.clone(), head));
    let mut seen = Verified {
        events: 0,
        batches: 0,
        head: last.and_then(Result::ok).map(|batch| VerifiedHead {
            position: batch.last,
            batch_hash: Hex(batch.hash.unwrap_or_default()),
            incarnation: batch.incarnation,
        }),
        finding: None,
    };
    {
        let checks = ranges(pool, head)
            .map_ok(|(after, up_to)| {
                let (pool, incarnations) = (pool.clone(), incarnations.clone());
                let check = async move { check_range(&pool, &incarnations, after, up_to).await };
                joined(tokio::spawn(check))
            })
            .try_buffered(readers.max(1));
        let mut checks = std::pin::pin!(checks);
        // In order: what the first range with a finding says comes before whatever later ones would say.
        while let Some(checked) = checks.try_next().await? {
            seen.events += checked.events;
            seen.batches += checked.batches;
            tell(VerifyProgress {
                events: seen.events,
                of: head.unsigned_abs().max(seen.events),
            });
            note(&mut seen.finding, checked.finding);
            if seen.finding.is_some() {
                break;
            }
        }
    }
    note(&mut seen.finding, joined(versions).await?);
    note(&mut seen.finding, outside(pool).await?);
    Ok(seen)
}

/// The task's result; its panic goes on here.
async fn joined<T>(task: JoinHandle<T>) -> T {
    match task.await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Ranges that end where a batch ends: after the first, up to and with the second position.
fn ranges(
    pool: &Pool,
    head: i64,
) -> impl futures_util::Stream<Item = Result<(i64, i64), ReadError>> {
    stream::try_unfold(0, move |after| async move {
        if after >= head {
            return Ok(None);
        }
        let client = pool.get().await?;
        let sql = "select last_position from publishing_batches where last_position >= $1 and last_position <= $2 \
                   order by last_position limit 1";
        let statement = client.prepare_cached(sql).await?;
        let row = client
            .query_opt(&statement, &[&after.saturating_add(RANGE), &head])
            .await?;
        let up_to: i64 = row.map_or(head, |row| row.get(0));
        Ok(Some(((after, up_to), up_to)))
    })
}

/// What became of one range.
struct RangeChecked {
    events: u64,
    batches: u64,
    finding: Option<Finding>,
}

async fn check_range(
    pool: &Pool,
    incarnations: &Incarnations,
    after: i64,
    up_to: i64,
) -> Result<RangeChecked, ReadError> {
    let client = pool.get().await?;
    let mut finding = None;
    // With the one before the range, which its first batch follows.
    let mut batches = VecDeque::new();
    let query = format!(
        "select {BATCH_COLUMNS} from publishing_batches where last_position > 0 and last_position <= {up_to} \
         and last_position >= (select coalesce(max(last_position), 0) from publishing_batches \
                               where last_position <= {after}) \
         order by last_position"
    );
    let mut rows = Rows::of(&client, &query).await?;
    while let Some(row) = rows.next().await? {
        match Batch::of(&row) {
            Ok(batch) => batches.push_back(batch),
            Err(last) => note(&mut finding, Finding::at(last, Defect::RowUnreadable)),
        }
    }
    let before = batches.pop_front_if(|batch: &mut Batch| batch.last <= after);
    let mut seen = RangeChecked {
        events: 0,
        batches: batches.len() as u64,
        finding,
    };
    let mut range = Range::new(incarnations, before, batches);
    let query = format!(
        "select {EVENT_COLUMNS} from publishing_events where position > {after} and position <= {up_to} \
         order by position"
    );
    let mut rows = Rows::of(&client, &query).await?;
    while let Some(row) = rows.next().await? {
        seen.events += 1;
        range.event(Row::of(&row));
    }
    note(&mut seen.finding, range.finish());
    Ok(seen)
}

async fn last_batch(pool: &Pool) -> Result<Option<Result<Batch, i64>>, ReadError> {
    let client = pool.get().await?;
    let query = format!(
        "select {BATCH_COLUMNS} from publishing_batches order by last_position desc limit 1"
    );
    let mut rows = Rows::of(&client, &query).await?;
    Ok(rows.next().await?.map(|row| Batch::of(&row)))
}

async fn incarnations(pool: &Pool) -> Result<Incarnations, ReadError> {
    let client = pool.get().await?;
    let sql = "select incarnation, ordinal, after_position from publishing_incarnations";
    let rows = client.query(sql, &[]).await?;
    Ok(rows
        .iter()
        .map(|row| (row.get(0), (row.get(1), row.get(2))))
        .collect())
}

/// Rows before the first position or after the last batch. One statement, so that a commit made meanwhile is seen
/// with its batch or not at all.
async fn outside(pool: &Pool) -> Result<Option<Finding>, ReadError> {
    let client = pool.get().await?;
    let sql = "select min(position) from ( \
                 (select position from publishing_events where position < 1 order by position limit 1) union all \
                 (select last_position from publishing_batches where last_position < 1 \
                  order by last_position limit 1) union all \
                 (select position from publishing_events where position > (select coalesce(max(last_position), 0) \
                  from publishing_batches) order by position limit 1)) as stray(position)";
    let position: Option<i64> = client.query_one(sql, &[]).await?.get(0);
    Ok(position.map(|position| Finding::at(position, Defect::PositionOutside)))
}
