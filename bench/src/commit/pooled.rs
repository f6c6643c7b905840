//! A peer that commits by one statement, over whichever of its connections is free.

use std::sync::Arc;

use deadpool_postgres::Pool;
use futures_util::future::try_join_all;
use tidings_event_store::NewEvent;
use tokio_postgres::types::ToSql;

use super::Peer;
use crate::Error;
use crate::site::{Database, pool};

/// The parameters of its statement for an event.
pub(super) type Params = fn(NewEvent) -> Vec<Box<dyn ToSql + Sync + Send>>;

/// The peer. A cheap handle.
#[derive(Clone)]
pub(super) struct Pooled {
    pool: Pool,
    statement: Arc<str>,
    params: Params,
}

impl Pooled {
    /// Opens all its connections.
    pub(super) async fn open(
        database: &Database,
        connections: usize,
        statement: &str,
        params: Params,
    ) -> Result<Self, Error> {
        let pool = pool(&database.url, connections)?;
        try_join_all((0..connections).map(|_| pool.get())).await?;
        Ok(Self {
            pool,
            statement: statement.into(),
            params,
        })
    }
}

impl Peer for Pooled {
    async fn commit(&self, event: NewEvent) -> Result<(), Error> {
        let client = self.pool.get().await?;
        let statement = client.prepare_cached(&self.statement).await?;
        let owned = (self.params)(event);
        let params: Vec<&(dyn ToSql + Sync)> = owned.iter().map(|it| &**it as _).collect();
        client.execute(&statement, &params).await?;
        Ok(())
    }
}
