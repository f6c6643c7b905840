//! Keys that another process shreds are destroyed in this one too, as soon as it hears of them.

use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Vault, VaultError};
use crate::outage::Outage;
use crate::session::{Connect, Session};
use crate::why::why;

/// Owners looked up in one statement.
const PAGE: usize = 10_000;
/// How often keys that are too old leave memory.
const FORGET_EVERY: Duration = Duration::from_secs(5);
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(1);

impl Vault {
    /// Destroys, in this process, the keys that are shredded in the database; gives how many those were. What is in
    /// use is destroyed too: whoever holds a ring opens and seals nothing with them from then on.
    ///
    /// # Errors
    /// When the database cannot be asked.
    pub async fn forget_shredded(&self) -> Result<usize, VaultError> {
        let cache = &self.inner.cache;
        // Answers on their way may be older than what is looked up here.
        cache.distrust(&[]);
        let client = self.inner.pool.get().await?;
        let statement = client
            .prepare_cached(
                "select key_id from publishing_keys where key_id = any($1) and wrapped is null",
            )
            .await?;
        let mut destroyed = 0;
        for owners in cache.owners().chunks(PAGE) {
            let rows = client.query(&statement, &[&owners]).await?;
            let shredded: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
            if !shredded.is_empty() {
                cache.destroy(&shredded);
                destroyed += shredded.len();
            }
        }
        Ok(destroyed)
    }

    /// Listens for shredded keys, over a session of its own, until told to stop; and lets keys that are too old leave
    /// memory. While it cannot listen, only their age bounds how long keys stay.
    pub async fn watch(self, connect: Connect, stop: CancellationToken) {
        let mut outage = Outage::default();
        while !stop.is_cancelled() {
            let followed = match listen(&connect).await {
                Ok(session) => self.follow(session, &mut outage, &stop).await,
                Err(error) => Err(why(&error)),
            };
            if let Err(error) = followed
                && outage.is_news(&error)
            {
                tracing::warn!(error, "can not hear of shredded keys");
            }
            self.inner.cache.forget(Instant::now());
            let pause = tokio::time::sleep(PAUSE_AFTER_ERROR);
            stop.run_until_cancelled(pause).await;
        }
    }

    /// Until told to stop, or the session ends.
    ///
    /// # Errors
    /// Why it could not be looked for shredded keys.
    async fn follow(
        &self,
        mut session: Session,
        outage: &mut Outage,
        stop: &CancellationToken,
    ) -> Result<(), String> {
        let mut timer = tokio::time::interval(FORGET_EVERY);
        // Something may have been shredded before this session listened.
        let mut rung = true;
        loop {
            if rung {
                self.forget_shredded().await.map_err(|error| why(&error))?;
                if outage.is_over() {
                    tracing::info!("hears of shredded keys again");
                }
            }
            rung = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                heard = session.notifications.recv() => match heard {
                    Some(()) => true,
                    None => return Ok(()),
                },
                _ = timer.tick() => {
                    self.inner.cache.forget(Instant::now());
                    false
                }
            };
        }
    }
}

async fn listen(connect: &Connect) -> Result<Session, tokio_postgres::Error> {
    let session = connect().await?;
    session
        .client
        .batch_execute("listen publishing_keys")
        .await?;
    Ok(session)
}
