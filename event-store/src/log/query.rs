//! Questions to the database, none of which is waited for without end.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::{Log, ReadError};

/// Longer than a server that works ever takes for a page.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(10);

impl Log {
    /// The rows of a short statement.
    ///
    /// # Errors
    /// When the database does not answer within 10 s: a server that hangs must not hang whoever asks.
    pub async fn query(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, ReadError> {
        self.rows(sql, params, true).await
    }

    /// Its first column, if that holds ids.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub async fn ids(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Uuid>, ReadError> {
        let rows = self.query(sql, params).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    /// The same as [`Self::query`] for a question that is put together anew each time: no statement is kept for it.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub async fn query_once(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, ReadError> {
        self.rows(sql, params, false).await
    }

    /// `is_kept`: the statement is, for the next time.
    async fn rows(
        &self,
        sql: &str,
        params: &[&(dyn ToSql + Sync)],
        is_kept: bool,
    ) -> Result<Vec<Row>, ReadError> {
        let ends = Instant::now() + ANSWER_WITHIN;
        let client = timeout_at(ends, self.inner.pool.get()).await;
        let client = client.map_err(|_| ReadError::NoAnswer)??;
        let rows = async {
            if !is_kept {
                return client.query(sql, params).await;
            }
            let statement = client.prepare_cached(sql).await?;
            client.query(&statement, params).await
        };
        match timeout_at(ends, rows).await {
            Ok(rows) => Ok(rows?),
            Err(_) => {
                // The server still works for it: whoever got the connection now would wait for that. So it is given back once
                // the server answers, and as many questions are open at once as there are connections.
                tokio::spawn(async move { drop(client.simple_query("").await) });
                Err(ReadError::NoAnswer)
            }
        }
    }
}

/// The answer, or word that there is none in time.
///
/// # Errors
/// When the database does not answer within 10 s.
pub async fn in_time<T>(
    answer: impl Future<Output = Result<T, ReadError>>,
) -> Result<T, ReadError> {
    let answer = tokio::time::timeout(ANSWER_WITHIN, answer).await;
    answer.unwrap_or(Err(ReadError::NoAnswer))
}
