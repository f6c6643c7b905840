//! The database, migrated, and the log and the vault over it: what every command that touches data needs.

use std::sync::Arc;

use deadpool_postgres::Pool;
use futures_util::future::join_all;
use tidings_domain::id::IdKey;
use tidings_domain::token::LinkKeys;
use tidings_event_store::session::{Connect, Session};
use tidings_event_store::vault::{Vault, VaultError};
use tidings_event_store::{Log, Store, migrate};
use tidings_service::config::{Config, MasterKey};
use tidings_service::postgres::{self, Connector, Settings};
use tokio::sync::mpsc::{self, error::TrySendError};
use uuid::Uuid;

use super::master_key::{MasterKeys, for_vault};
use super::{Backing, Ground, StartError};

/// An open platform database. Cheap to clone.
#[derive(Clone)]
pub struct Core {
    /// Connections for short work.
    pub pool: Pool,
    /// Opens connections of their own: committer, relay, locks.
    pub connect: Connect,
    /// Log and vault.
    pub store: Store,
    /// Which life of the log this is; names the stream.
    pub incarnation: Uuid,
    /// Makes ids nobody can guess.
    pub id_key: IdKey,
    /// Signs the links in mails.
    pub link_keys: LinkKeys,
    /// Sign what mails tell about themselves.
    pub tracking_keys: LinkKeys,
    /// Migrations this start applied.
    pub migrated: Vec<i32>,
}

impl Core {
    /// Connects, migrates, and opens the vault with the configured master key or the one in the data folder, which
    /// is made if the database holds no keys yet.
    ///
    /// # Errors
    /// When the database cannot be reached or migrated, or the master key is missing or another's.
    pub async fn open(
        config: &Config,
        ground: &Ground,
        backing: &Backing,
    ) -> Result<Self, StartError> {
        Self::open_with(config, ground, backing, &MasterKeys::of(config, ground)).await
    }

    /// The same with master keys from elsewhere.
    pub(crate) async fn open_with(
        config: &Config,
        ground: &Ground,
        backing: &Backing,
        masters: &MasterKeys,
    ) -> Result<Self, StartError> {
        let url = backing.database_url();
        let pool = postgres::connect(url, &Settings::new("tidings", &config.database)).await?;
        let connector = Connector::new(url, "tidings session")?;
        let migrated = migrate(&connector).await?;
        warm(&pool).await;
        let keys = master_keys(masters, ground, &pool).await?;
        let keys = keys.iter().map(for_vault).collect();
        let vault = Vault::with_source(pool.clone(), keys, masters.for_vault());
        let refused = |error| match error {
            VaultError::WrongMasterKey(wrapped_by) => StartError::WrongMasterKey {
                wrapped_by,
                place: masters.place(),
            },
            error => StartError::Vault(error),
        };
        let id_key = vault.id_key(ground.clock.now()).await.map_err(refused)?;
        let link_keys = vault.link_keys(ground.clock.now()).await;
        let link_keys = link_keys.map_err(refused)?;
        let tracking_keys = vault.tracking_keys(ground.clock.now()).await;
        let tracking_keys = tracking_keys.map_err(refused)?;
        let connect = dialler(connector);
        let log = Log::open(Arc::clone(&connect), pool.clone());
        let incarnation = log.incarnation().await?;
        Ok(Self {
            pool,
            connect,
            store: Store::new(log, vault),
            incarnation,
            id_key,
            link_keys,
            tracking_keys,
            migrated,
        })
    }

    /// Ends the connections of the pool, so that a server that is stopped next has nobody to throw out.
    pub fn close(&self) {
        self.pool.close();
    }
}

/// Brings the database up to date, over a connection without statement timeout.
async fn migrate(connector: &Connector) -> Result<Vec<i32>, StartError> {
    let mut session = connector.connect().await?;
    Ok(migrate::migrate(&mut session.client).await?)
}

/// Opens all connections of the pool here, on the runtime that outlives the HTTP workers: a connection that a worker
/// opened would end with that worker, before the deliveries that still use it.
async fn warm(pool: &Pool) {
    let all = (0..pool.status().max_size).map(|_| pool.get());
    // Those that fail are opened when they are needed.
    drop(join_all(all).await);
}

/// The master keys at hand; one is made when nothing has been sealed yet.
async fn master_keys(
    masters: &MasterKeys,
    ground: &Ground,
    pool: &Pool,
) -> Result<Vec<MasterKey>, StartError> {
    let keys = masters.read().await?;
    if !keys.is_empty() {
        return Ok(keys);
    }
    if holds_keys(pool).await? {
        let place = masters.place();
        let dir = ground.home.dir().to_owned();
        return Err(StartError::NoMasterKey { place, dir });
    }
    Ok(vec![ground.home.make_master_key(&ground.ids)?])
}

async fn holds_keys(pool: &Pool) -> Result<bool, StartError> {
    let client = pool
        .get()
        .await
        .map_err(tidings_event_store::ReadError::from)?;
    let sql = "select exists (select from publishing_keys where wrapped is not null)";
    Ok(client.query_one(sql, &[]).await?.get(0))
}

/// Sessions in the event store's terms, TLS included where the URL asks for it.
pub(crate) fn dialler(connector: Connector) -> Connect {
    Arc::new(move || {
        let connector = connector.clone();
        Box::pin(async move {
            let mut single = connector.connect().await?;
            let (doorbell, notifications) = mpsc::channel(1);
            tokio::spawn(async move {
                while single.notifications.recv().await.is_some() {
                    // One ring stands for all that nobody has answered yet.
                    if let Err(TrySendError::Closed(())) = doorbell.try_send(()) {
                        break;
                    }
                }
            });
            Ok(Session {
                client: single.client,
                notifications,
            })
        })
    })
}
