//! Freezing an audience: who receives a publication is read once, from the subscriber view at a known
//! position, into a table of its own.

mod candidates;
mod whom;

use std::pin::pin;

use deadpool_postgres::{Object, Pool, Transaction};
use futures_util::TryStreamExt as _;
use tidings_domain::publication::{Picked, Picking};
use tidings_event_store::picking::{self, Values};
use tidings_event_store::{ReadError, crash_point, in_time};
use uuid::Uuid;

pub(crate) use candidates::candidates;
use whom::Asked;
pub use whom::Obstacle;
pub(crate) use whom::{AboutTopic, Whom, WhomError};

/// An audience as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frozen {
    /// The position the view stood at.
    pub(crate) view_position: i64,
    /// How many subscribers.
    pub(crate) subscribers: i64,
    /// SHA-256 over their ids in ascending order.
    pub(crate) digest: [u8; 32],
    /// What segments have said, if they have a say.
    pub(crate) picked: Option<Picked>,
}

/// How many an audience would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// The position the view stood at.
    pub(crate) view_position: i64,
    /// How many subscribers.
    pub(crate) subscribers: i64,
}

/// Why an audience could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AudienceError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Obstacle(#[from] Obstacle),
}

impl From<tokio_postgres::Error> for AudienceError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Read(error.into())
    }
}

const SUM_UP: &str = "select count(*), \
     sha256(coalesce(string_agg(uuid_send(subscriber_id), ''::bytea order by subscriber_id), ''::bytea)) \
     from publishing_dispatch_audience where publication_id = $1";
const FORGET: &str = "delete from publishing_dispatch_audience where publication_id = $1";
/// The view an audience is read from.
pub(crate) const SUBSCRIBERS: &str = "subscriber_profile";

/// Reads the audience as of now, at `not_before` and what segments were read at or later; `None`: the view is not there yet.
/// `addressed`: whether any channel needs subscribers at all.
pub(crate) async fn freeze(
    pool: &Pool,
    publication_id: Uuid,
    not_before: i64,
    addressed: bool,
    whom: &Whom,
) -> Result<Option<Frozen>, AudienceError> {
    let not_before = not_before.max(whom.as_of);
    let mut client = pool.get().await.map_err(ReadError::from)?;
    let (transaction, position) = snapshot(&mut client).await?;
    let Some(view_position) = position.filter(|position| *position >= not_before) else {
        return Ok(None);
    };
    transaction.execute(FORGET, &[&publication_id]).await?;
    let picked = match addressed {
        true => keep(&transaction, publication_id, whom).await?,
        false => None,
    };
    let (subscribers, digest) = sum_up(&transaction, publication_id).await?;
    crash_point!("freeze.audience_read");
    transaction.commit().await?;
    crash_point!("freeze.audience_kept");
    Ok(Some(Frozen {
        view_position,
        subscribers,
        digest,
        picked,
    }))
}

/// Puts them into the table. Gives what segments have said, if they have a say.
async fn keep(
    transaction: &Transaction<'_>,
    publication_id: Uuid,
    whom: &Whom,
) -> Result<Option<Picked>, AudienceError> {
    let mut values: Values = vec![Box::new(publication_id)];
    let Asked { candidates, picked } = whom.ask(&mut values)?;
    let insert = "insert into publishing_dispatch_audience (publication_id, subscriber_id)";
    let Some(picked) = picked else {
        let sql = format!("{insert} select $1, s.subscriber_id {candidates}");
        transaction
            .execute(&sql, &picking::borrowed(&values))
            .await?;
        return Ok(None);
    };
    // In one statement, so that whoever has a bit is in the table and nobody else.
    let sql = format!(
        "with candidate as materialized (select s.subscriber_id as id, {picked} as picked {candidates}), \
         kept as ({insert} select $1, id from candidate where picked) \
         select picked from candidate order by id"
    );
    let rows = transaction
        .query_raw(&sql, picking::borrowed(&values))
        .await?;
    let mut rows = pin!(rows);
    let mut picking = Picking::default();
    while let Some(row) = rows.try_next().await? {
        picking.push(row.get(0));
    }
    not_too_many(picking.candidates())?;
    Ok(Some(picking.by(whom.asked.clone())))
}

/// How many a freeze would read now; `None`: the view is not there yet. `addressed`: as there.
pub(crate) async fn count(
    pool: &Pool,
    addressed: bool,
    whom: &Whom,
) -> Result<Option<Counted>, AudienceError> {
    let mut values = Values::new();
    let Asked { candidates, picked } = whom.ask(&mut values)?;
    let picked_alone = picked.map_or_else(String::new, |it| format!("filter (where {it})"));
    let sql = format!("select count(*), count(*) {picked_alone} {candidates}");
    let counted = in_time(async {
        let mut client = pool.get().await?;
        let (transaction, position) = snapshot(&mut client).await?;
        let Some(view_position) = position else {
            return Ok(None);
        };
        let (mut could, mut subscribers) = (0_i64, 0);
        if addressed {
            let row = transaction
                .query_one(&sql, &picking::borrowed(&values))
                .await?;
            (could, subscribers) = (row.get(0), row.get(1));
        }
        let counted = Counted {
            view_position,
            subscribers,
        };
        Ok(Some((could, counted)))
    });
    let Some((could, counted)) = counted.await? else {
        return Ok(None);
    };
    if whom.condition.is_some() {
        not_too_many(could as u64)?;
    }
    Ok(Some(counted))
}

/// Whether it is anybody at all, as far as the view is.
pub(crate) async fn is_anybody(pool: &Pool, whom: &Whom) -> Result<bool, AudienceError> {
    let mut values = Values::new();
    let Asked { candidates, picked } = whom.ask(&mut values)?;
    let and_picked = picked.map_or_else(String::new, |it| format!("and {it}"));
    let sql = format!("select exists (select {candidates} {and_picked})");
    let found = in_time(async {
        let client = pool.get().await?;
        let row = client.query_one(&sql, &picking::borrowed(&values)).await?;
        Ok(row.get(0))
    });
    Ok(found.await?)
}

fn not_too_many(candidates: u64) -> Result<(), Obstacle> {
    if candidates > Picked::CANDIDATES_MAX {
        return Err(Obstacle::TooManyCandidates(candidates));
    }
    Ok(())
}

/// One snapshot of the subscribers, and the position they stand at; none: there is no such view yet.
async fn snapshot(
    client: &mut Object,
) -> Result<(Transaction<'_>, Option<i64>), tokio_postgres::Error> {
    let transaction = client
        .build_transaction()
        .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
        .start()
        .await?;
    // A lock takes no snapshot. Behind it nobody can put another table behind the view's name, whose
    // rows a snapshot taken before would not see.
    transaction
        .batch_execute("lock table publishing_subscriber_profile in access share mode")
        .await?;
    let position = transaction
        .query_opt(
            "select position from publishing_views where view = $1",
            &[&SUBSCRIBERS],
        )
        .await?
        .map(|row| row.get::<_, i64>(0));
    Ok((transaction, position))
}

/// How many subscribers the table holds for a publication, and their digest.
pub(crate) async fn stored(
    pool: &Pool,
    publication_id: Uuid,
) -> Result<(i64, [u8; 32]), ReadError> {
    let client = pool.get().await?;
    Ok(sum_up(&client, publication_id).await?)
}

/// Whether the table holds a subscriber for a publication.
pub(crate) async fn holds(
    pool: &Pool,
    publication_id: Uuid,
    subscriber_id: Uuid,
) -> Result<bool, ReadError> {
    let client = pool.get().await?;
    let sql = "select exists (select from publishing_dispatch_audience \
               where publication_id = $1 and subscriber_id = $2)";
    let statement = client.prepare_cached(sql).await?;
    let row = client
        .query_one(&statement, &[&publication_id, &subscriber_id])
        .await?;
    Ok(row.get(0))
}

async fn sum_up(
    client: &impl deadpool_postgres::GenericClient,
    publication_id: Uuid,
) -> Result<(i64, [u8; 32]), tokio_postgres::Error> {
    let row = client.query_one(SUM_UP, &[&publication_id]).await?;
    let digest = row
        .get::<_, &[u8]>(1)
        .try_into()
        .expect("sha256() gives 32 bytes");
    Ok((row.get(0), digest))
}

/// Puts an audience that was lost back into the table.
pub(crate) async fn put_back(
    pool: &Pool,
    publication_id: Uuid,
    subscribers: &[Uuid],
) -> Result<(), ReadError> {
    let mut client = pool.get().await?;
    let transaction = client.transaction().await?;
    transaction.execute(FORGET, &[&publication_id]).await?;
    transaction
        .execute(
            "insert into publishing_dispatch_audience (publication_id, subscriber_id) \
             select $1, id from unnest($2::uuid[]) as s(id)",
            &[&publication_id, &subscribers],
        )
        .await?;
    transaction.commit().await?;
    Ok(())
}

/// The next subscribers of a frozen audience, in ascending order.
pub(crate) async fn page_after(
    pool: &Pool,
    publication_id: Uuid,
    after: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Uuid>, ReadError> {
    let client = pool.get().await?;
    let statement = client
        .prepare_cached(
            "select subscriber_id from publishing_dispatch_audience \
             where publication_id = $1 and ($2::uuid is null or subscriber_id > $2) order by subscriber_id limit $3",
        )
        .await?;
    let rows = client
        .query(&statement, &[&publication_id, &after, &limit])
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// The publication is done: nobody asks for its audience any more.
pub(crate) async fn forget(pool: &Pool, publication_id: Uuid) -> Result<(), ReadError> {
    let client = pool.get().await?;
    client.execute(FORGET, &[&publication_id]).await?;
    Ok(())
}
