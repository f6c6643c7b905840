//! The pair of servers that all tests of a process share, and databases on it.

use std::sync::atomic::{AtomicU32, Ordering};

use tidings_event_store::migrate::migrate;
use tidings_servers::Options;
use tidings_servers::template::EphemeralServers;
use tokio::sync::OnceCell;
use tokio_postgres::NoTls;

/// A migrated, empty database that the others are copied from.
const TEMPLATE: &str = "tidings_template";

/// The servers of one platform.
pub(crate) enum Home {
    /// Those of the whole process: they must stay up.
    Shared(&'static EphemeralServers),
    /// Its own: free to be killed.
    Own(Box<EphemeralServers>),
}

impl Home {
    pub(crate) fn servers(&self) -> &EphemeralServers {
        match self {
            Self::Shared(servers) => servers,
            Self::Own(servers) => servers,
        }
    }
}

/// A number no other platform of this process has.
pub(crate) fn next_number() -> u32 {
    static LAST: AtomicU32 = AtomicU32::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

/// The shared servers, started by whoever asks first.
pub(crate) async fn shared() -> &'static EphemeralServers {
    static SERVERS: OnceCell<EphemeralServers> = OnceCell::const_new();
    SERVERS
        .get_or_init(|| async {
            let servers = EphemeralServers::start().await.unwrap();
            execute(
                servers.database_url(),
                &format!("create database {TEMPLATE}"),
            )
            .await;
            migrate_database(&servers.database_url_of(TEMPLATE).unwrap()).await;
            servers
        })
        .await
}

/// A pair of its own, with changed options; its database is migrated.
pub(crate) async fn alone(change: impl FnOnce(&mut Options)) -> Box<EphemeralServers> {
    let mut options = Options::from_env("/tmp");
    change(&mut options);
    let servers = EphemeralServers::start_with(options).await.unwrap();
    migrate_database(servers.database_url()).await;
    Box::new(servers)
}

/// A new database on the shared servers: a copy of the migrated one, or an empty one. Gives its URL.
pub(crate) async fn create_database(name: &str, migrated: bool) -> String {
    let servers = shared().await;
    let template = if migrated { TEMPLATE } else { "template1" };
    let sql = format!("create database {name} template {template} strategy file_copy");
    execute(servers.database_url(), &sql).await;
    servers.database_url_of(name).unwrap()
}

async fn migrate_database(url: &str) {
    let (mut client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    migrate(&mut client).await.unwrap();
    drop(client);
    // Nobody may be connected to a database that is copied.
    driver.await.unwrap().unwrap();
}

async fn execute(url: &str, sql: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    client.batch_execute(sql).await.unwrap();
    drop(client);
    driver.await.unwrap().unwrap();
}
