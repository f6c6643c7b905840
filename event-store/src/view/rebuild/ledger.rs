//! How far rebuilds are that have not ended: rows of `publishing_rebuilds`.

use deadpool_postgres::Transaction;
use tokio_postgres::Error;

/// A rebuild on record: it may be gone on with if all of this is as it was.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) view: &'static str,
    /// The definition's fingerprint.
    pub(super) definition: String,
    /// The generation of the tables being filled.
    pub(super) generation: i32,
    /// How many positions the view skips; they only ever become more.
    pub(super) skips: i32,
    /// How many keys were destroyed that the view opens values with: what is staged may hold some.
    pub(super) shredded: i64,
}

/// How many keys of streams of these nouns were destroyed so far.
pub(super) async fn shredded(transaction: &Transaction<'_>, nouns: &[&str]) -> Result<i64, Error> {
    let sql = "select count(*) from publishing_keys k where k.shredded_at is not null and exists (\
                   select from publishing_events e where e.stream_id = k.key_id and e.version = 1 \
                   and split_part(e.type, '.', 1) = any($1))";
    Ok(transaction.query_one(sql, &[&nouns]).await?.get(0))
}

impl Entry {
    /// The position up to which such a rebuild has staged what it folded.
    pub(super) async fn staged(&self, transaction: &Transaction<'_>) -> Result<Option<i64>, Error> {
        let sql = "select position from publishing_rebuilds \
                   where view = $1 and definition = $2 and generation = $3 and skips = $4 and shredded = $5";
        let row = transaction
            .query_opt(
                sql,
                &[
                    &self.view,
                    &self.definition,
                    &self.generation,
                    &self.skips,
                    &self.shredded,
                ],
            )
            .await?;
        Ok(row.map(|row| row.get(0)))
    }

    /// Puts on record that it begins, or goes on, towards a position.
    pub(super) async fn begin(
        &self,
        transaction: &Transaction<'_>,
        position: i64,
        head: i64,
    ) -> Result<(), Error> {
        let sql = "insert into publishing_rebuilds \
                   (view, definition, generation, skips, shredded, position, head, started_at) \
                   values ($1, $2, $3, $4, $5, $6, $7, clock_timestamp()) on conflict (view) do update \
                   set definition = $2, generation = $3, skips = $4, shredded = $5, position = $6, head = $7";
        transaction
            .execute(
                sql,
                &[
                    &self.view,
                    &self.definition,
                    &self.generation,
                    &self.skips,
                    &self.shredded,
                    &position,
                    &head,
                ],
            )
            .await?;
        Ok(())
    }

    /// Puts on record how far it is, in the transaction that stages what it folded.
    pub(super) async fn advance(
        &self,
        transaction: &Transaction<'_>,
        position: i64,
    ) -> Result<(), Error> {
        let sql = "update publishing_rebuilds set position = $2 where view = $1";
        transaction.execute(sql, &[&self.view, &position]).await?;
        Ok(())
    }

    /// Nothing is staged any more.
    pub(super) async fn end(&self, transaction: &Transaction<'_>) -> Result<(), Error> {
        let sql = "delete from publishing_rebuilds where view = $1";
        transaction.execute(sql, &[&self.view]).await?;
        Ok(())
    }
}
