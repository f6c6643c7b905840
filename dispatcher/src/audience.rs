//! Freezing an audience: who receives a publication is read once, from the subscriber view at a known
//! position, into a table of its own.

mod candidates;
mod kept;
mod whom;

use std::pin::pin;
use std::time::Duration;

use deadpool_postgres::{Object, Pool, Transaction};
use futures_util::TryStreamExt as _;
use tidings_domain::publication::{Picked, Picking};
use tidings_event_store::picking::{self, Values};
use tidings_event_store::{ReadError, crash_point, in_time};
use tokio_postgres::error::SqlState;

pub(crate) use candidates::candidates;
use kept::{INSERT, sum_up};
pub(crate) use kept::{
    Reading, find, forget, forget_reading, holds, is_whole, page_after, put_back,
};
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

/// The view an audience is read from.
pub(crate) const SUBSCRIBERS: &str = "subscriber_profile";

/// Reads the audience as of now, at `not_before` and what segments were read at or later; `None`: the view is not there yet.
/// `reading`: a name that no other has; `addressed`: whether any channel needs subscribers at all; `within`: each of its
/// statements.
pub(crate) async fn freeze(
    pool: &Pool,
    reading: Reading,
    not_before: i64,
    addressed: bool,
    whom: &Whom,
    within: Duration,
) -> Result<Option<Frozen>, AudienceError> {
    let not_before = not_before.max(whom.as_of);
    let read = async {
        let mut client = pool.get().await.map_err(ReadError::from)?;
        let (transaction, position) = snapshot(&mut client).await?;
        let Some(view_position) = position.filter(|position| *position >= not_before) else {
            return Ok(None);
        };
        // Whatever the connection has otherwise, which is for questions.
        let limit = format!("set local statement_timeout = {}", within.as_millis());
        transaction.batch_execute(&limit).await?;
        let picked = match addressed {
            true => keep(&transaction, reading, whom).await?,
            false => None,
        };
        let (subscribers, digest) = sum_up(&transaction, reading).await?;
        crash_point!("freeze.audience_read");
        transaction.commit().await?;
        crash_point!("freeze.audience_kept");
        Ok(Some(Frozen {
            view_position,
            subscribers,
            digest,
            picked,
        }))
    };
    match read.await {
        Err(AudienceError::Read(ReadError::Database(error)))
            if error.code() == Some(&SqlState::QUERY_CANCELED) =>
        {
            Err(Obstacle::TakesTooLong(within.as_secs()).into())
        }
        read => read,
    }
}

/// Puts them into the table. Gives what segments have said, if they have a say.
async fn keep(
    transaction: &Transaction<'_>,
    reading: Reading,
    whom: &Whom,
) -> Result<Option<Picked>, AudienceError> {
    let mut values: Values = vec![Box::new(reading.publication_id), Box::new(reading.id)];
    let Asked { candidates, picked } = whom.ask(&mut values)?;
    let Some(picked) = picked else {
        let sql = format!("{INSERT} select $1, $2, s.subscriber_id {candidates}");
        transaction
            .execute(&sql, &picking::borrowed(&values))
            .await?;
        return Ok(None);
    };
    // In one statement, so that whoever has a bit is in the table and nobody else; and nobody, if they are too many.
    let sql = format!(
        "with candidate as materialized (select s.subscriber_id as id, {picked} as picked {candidates}), \
         kept as ({INSERT} select $1, $2, id from candidate \
             where picked and (select count(*) from candidate) <= {max}) \
         select picked from candidate order by id",
        max = Picked::CANDIDATES_MAX
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_bits_fit_an_event_for_are_none() {
        const MAX: u64 = Picked::CANDIDATES_MAX;
        assert_eq!(not_too_many(MAX), Ok(()));
        let refused = not_too_many(MAX + 1).unwrap_err();
        assert_eq!(refused, Obstacle::TooManyCandidates(MAX + 1));
        let said = refused.to_string();
        assert!(
            said.contains("among 7000000 subscribers, and 7000001 could get it"),
            "{said}"
        );
    }
}
