//! Where an incarnation begins, and which ones came before it.

use time::OffsetDateTime;
use tokio_postgres::Transaction;
use uuid::Uuid;

use crate::crash_point;
use crate::log::ReadError;
use crate::store::Store;
use crate::witness::Incarnation;

/// The lock of the commit function: while it is held nobody commits.
const COMMIT_LOCK: i64 = 7_310_575_178_592_774_515;

/// An incarnation that is to begin at the end of the log.
#[derive(Clone, Copy, Debug)]
pub struct Beginning<'a> {
    /// Its id.
    pub incarnation: Uuid,
    /// The last position at which the log is known to be the one of before; none: its end, for it has not gone on.
    pub parted_after: Option<i64>,
    /// All incarnations that the witness knows, oldest first: the log may have lost some.
    pub witnessed: &'a [Incarnation],
}

/// An incarnation that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The last position before it.
    pub after_position: i64,
    /// The last position at which the log is known to be the one of before.
    pub parted_after: i64,
}

/// The position after which an incarnation began; `None`: it has not.
///
/// # Errors
/// When the database does not answer.
pub async fn begun(store: &Store, incarnation: Uuid) -> Result<Option<i64>, ReadError> {
    let client = store.log().pool().get().await?;
    let sql = "select after_position from publishing_incarnations where incarnation = $1";
    let row = client.query_opt(sql, &[&incarnation]).await?;
    Ok(row.map(|row| row.get(0)))
}

/// Begins an incarnation at the end of the log, after all that were witnessed. One that has begun stays where it is;
/// what was learnt since is added.
///
/// # Errors
/// When the database does not answer.
pub async fn begin(
    store: &Store,
    beginning: Beginning<'_>,
    now: OffsetDateTime,
) -> Result<Begun, ReadError> {
    let mut client = store.log().pool().get().await?;
    let transaction = client.transaction().await?;
    transaction
        .execute("select pg_advisory_xact_lock($1)", &[&COMMIT_LOCK])
        .await?;
    for witnessed in beginning.witnessed {
        adopt(&transaction, witnessed).await?;
    }
    // Begun twice it learns at most that the histories parted earlier.
    let sql = "with log as (select coalesce(max(last_position), 0) as position from publishing_batches) \
               insert into publishing_incarnations as it \
                   (incarnation, ordinal, after_position, started_at, parted_after) \
               select $1, (select max(ordinal) + 1 from publishing_incarnations), position, $2, \
                      least(coalesce($3, position), position) from log \
               on conflict (incarnation) do update set \
                   ordinal = case when it.ordinal + 1 < excluded.ordinal then excluded.ordinal else it.ordinal end, \
                   parted_after = least(it.parted_after, excluded.parted_after) \
               returning after_position, parted_after";
    let row = transaction
        .query_one(
            sql,
            &[&beginning.incarnation, &now, &beginning.parted_after],
        )
        .await?;
    transaction.commit().await?;
    crash_point!("restore.incarnation_begun");
    Ok(Begun {
        after_position: row.get(0),
        parted_after: row.get(1),
    })
}

/// Makes an incarnation that the log has lost part of it again: the witness goes on from it, and it had a stream.
async fn adopt(
    transaction: &Transaction<'_>,
    witnessed: &Incarnation,
) -> Result<(), tokio_postgres::Error> {
    let sql = "insert into publishing_incarnations \
                   (incarnation, ordinal, after_position, started_at, parted_after) \
               select $1, max(ordinal) + 1, $2, $3, $2 from publishing_incarnations \
               on conflict (incarnation) do nothing";
    let after = witnessed.after_position;
    transaction
        .execute(sql, &[&witnessed.incarnation, &after, &witnessed.at])
        .await?;
    Ok(())
}
