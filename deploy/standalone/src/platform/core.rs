//! The database, migrated, and the log and the vault over it: what every command that touches data needs.

use std::sync::Arc;

use deadpool_postgres::Pool;
use futures_util::future::join_all;
use tidings_domain::id::IdKey;
use tidings_domain::token::LinkKeys;
use tidings_event_store::session::{Connect, Session};
use tidings_event_store::vault::{MasterKey, Vault, VaultError};
use tidings_event_store::{Log, Store, migrate};
use tidings_service::config::Config;
use tidings_service::postgres::{self, Connector, Settings};
use tokio::sync::mpsc::{self, error::TrySendError};
use uuid::Uuid;

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
        let url = backing.database_url();
        let pool = postgres::connect(url, &Settings::new("tidings", &config.database)).await?;
        let connector = Connector::new(url, "tidings session")?;
        let migrated = migrate(&connector).await?;
        warm(&pool).await;
        let master = master_key(config, ground, &pool).await?;
        let vault = Vault::new(pool.clone(), MasterKey::new(&master)?);
        let id_key = vault
            .id_key(ground.clock.now())
            .await
            .map_err(|error| match error {
                VaultError::WrongMasterKey(_) => StartError::WrongMasterKey {
                    place: place_of_master_key(config, ground),
                },
                error => StartError::Vault(error),
            })?;
        let link_keys = vault.link_keys(ground.clock.now()).await;
        let link_keys = link_keys.map_err(StartError::Vault)?;
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

async fn master_key(config: &Config, ground: &Ground, pool: &Pool) -> Result<[u8; 32], StartError> {
    if let Some(key) = &config.master_key {
        return Ok(*key.expose());
    }
    if let Some(key) = ground.home.master_key()? {
        return Ok(*key.expose());
    }
    if holds_keys(pool).await? {
        let place = place_of_master_key(config, ground);
        return Err(StartError::NoMasterKey { place });
    }
    Ok(*ground.home.make_master_key(&ground.ids)?.expose())
}

async fn holds_keys(pool: &Pool) -> Result<bool, StartError> {
    let client = pool
        .get()
        .await
        .map_err(tidings_event_store::ReadError::from)?;
    let sql = "select exists (select from publishing_keys where wrapped is not null)";
    Ok(client.query_one(sql, &[]).await?.get(0))
}

/// Where the master key is looked for, for messages.
pub(crate) fn place_of_master_key(config: &Config, ground: &Ground) -> String {
    if config.master_key.is_some() {
        "the setting master_key".to_owned()
    } else {
        ground.home.master_key_file().display().to_string()
    }
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
