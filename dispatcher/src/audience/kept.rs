//! The table of audiences. Each reading of one has a name of its own, and its rows are never changed, only dropped together: what
//! somebody reads late who was thought dead stands beside the reading that counts, which is one with the frozen count and digest.

use deadpool_postgres::{GenericClient, Pool};
use tidings_domain::publication::Audience;
use tidings_event_store::ReadError;
use uuid::Uuid;

/// A reading of a publication's audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    /// Whose audience it is.
    pub(crate) publication_id: Uuid,
    /// Its own name.
    pub(crate) id: Uuid,
}

/// Puts subscribers into the table, of whom a query follows that gives publication, reading and subscriber.
pub(super) const INSERT: &str =
    "insert into publishing_dispatch_audience (publication_id, reading, subscriber_id)";
const SUM_UP: &str = "select count(*), \
     sha256(coalesce(string_agg(uuid_send(subscriber_id), ''::bytea order by subscriber_id), ''::bytea)) \
     from publishing_dispatch_audience where publication_id = $1 and reading = $2";
const FIND: &str = "select reading from publishing_dispatch_audience \
     where publication_id = $1 and ($4::uuid is null or reading = $4) group by reading \
     having count(*) = $2 and sha256(string_agg(uuid_send(subscriber_id), ''::bytea order by subscriber_id)) = $3 \
     order by reading limit 1";

/// How many subscribers a reading has, and their digest.
pub(super) async fn sum_up(
    client: &impl GenericClient,
    reading: Reading,
) -> Result<(i64, [u8; 32]), tokio_postgres::Error> {
    let row = client
        .query_one(SUM_UP, &[&reading.publication_id, &reading.id])
        .await?;
    let digest = row
        .get::<_, &[u8]>(1)
        .try_into()
        .expect("sha256() gives 32 bytes");
    Ok((row.get(0), digest))
}

/// A whole reading of the audience that was frozen; none: it was lost, or is of nobody.
pub(crate) async fn find(
    pool: &Pool,
    publication_id: Uuid,
    audience: &Audience,
) -> Result<Option<Reading>, ReadError> {
    find_of(pool, publication_id, audience, None).await
}

/// Whether a reading still is the whole audience that was frozen. As nothing is put into it later, so was all that was read of
/// it before.
pub(crate) async fn is_whole(
    pool: &Pool,
    reading: Reading,
    audience: &Audience,
) -> Result<bool, ReadError> {
    let Reading { publication_id, id } = reading;
    let found = find_of(pool, publication_id, audience, Some(id)).await?;
    Ok(found.is_some() || audience.subscribers == 0)
}

async fn find_of(
    pool: &Pool,
    publication_id: Uuid,
    audience: &Audience,
    reading: Option<Uuid>,
) -> Result<Option<Reading>, ReadError> {
    let client = pool.get().await?;
    let count = audience.subscribers as i64;
    let digest = &audience.digest[..];
    let row = client
        .query_opt(FIND, &[&publication_id, &count, &digest, &reading])
        .await?;
    Ok(row.map(|row| Reading {
        publication_id,
        id: row.get(0),
    }))
}

/// Whether a subscriber is in a reading.
pub(crate) async fn holds(
    pool: &Pool,
    reading: Reading,
    subscriber_id: Uuid,
) -> Result<bool, ReadError> {
    let client = pool.get().await?;
    let sql = "select exists (select from publishing_dispatch_audience \
               where publication_id = $1 and reading = $2 and subscriber_id = $3)";
    let statement = client.prepare_cached(sql).await?;
    let Reading { publication_id, id } = reading;
    let row = client
        .query_one(&statement, &[&publication_id, &id, &subscriber_id])
        .await?;
    Ok(row.get(0))
}

/// Puts an audience that was lost back into the table, as a reading that has no rows yet.
pub(crate) async fn put_back(
    pool: &Pool,
    reading: Reading,
    subscribers: &[Uuid],
) -> Result<(), ReadError> {
    let client = pool.get().await?;
    let Reading { publication_id, id } = reading;
    let sql = format!("{INSERT} select $1, $2, id from unnest($3::uuid[]) as s(id)");
    client
        .execute(&sql, &[&publication_id, &id, &subscribers])
        .await?;
    Ok(())
}

/// The next subscribers of a reading, in ascending order.
pub(crate) async fn page_after(
    pool: &Pool,
    reading: Reading,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Uuid>, ReadError> {
    let client = pool.get().await?;
    let statement = client
        .prepare_cached(
            "select subscriber_id from publishing_dispatch_audience \
             where publication_id = $1 and reading = $2 and ($3::uuid is null or subscriber_id > $3) \
             order by subscriber_id limit $4",
        )
        .await?;
    let Reading { publication_id, id } = reading;
    let rows = client
        .query(&statement, &[&publication_id, &id, &after, &limit])
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Drops a reading that does not count. Should somebody plan from it, as it is of the same subscribers as the one that does, they
/// notice at the end ([`is_whole`]).
pub(crate) async fn forget_reading(pool: &Pool, reading: Reading) -> Result<(), ReadError> {
    let client = pool.get().await?;
    let sql = "delete from publishing_dispatch_audience where publication_id = $1 and reading = $2";
    let Reading { publication_id, id } = reading;
    client.execute(sql, &[&publication_id, &id]).await?;
    Ok(())
}

/// The publication is done: nobody asks for its audience any more.
pub(crate) async fn forget(pool: &Pool, publication_id: Uuid) -> Result<(), ReadError> {
    let client = pool.get().await?;
    let sql = "delete from publishing_dispatch_audience where publication_id = $1";
    client.execute(sql, &[&publication_id]).await?;
    Ok(())
}
