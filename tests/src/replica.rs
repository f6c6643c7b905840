//! A streaming replica of a platform's database, which can be cut off and promoted.

use std::fs;
use std::time::Duration;

use tidings_servers::template::{EphemeralServers, Watched};
use tidings_servers::{Needs, Options, Profile, Servers};
use tokio_postgres::{Client, NoTls};

/// How often a server is asked that nobody else tells about.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// A PostgreSQL that follows another one.
pub struct Replica {
    servers: Servers,
    client: Client,
    // Dropped last: it ends the server.
    _watched: Watched,
}

impl Replica {
    /// Copies the database and follows it from there on.
    pub async fn of(primary: &EphemeralServers) -> Self {
        let watched = Watched::new(std::path::Path::new("/tmp")).unwrap();
        let copy = watched.dir().join("copy");
        primary.base_backup(&copy).await.unwrap();
        let sockets = primary.location().join("run");
        let follow = format!(
            "primary_conninfo = 'host={} port=5432 user=tidings'\n",
            sockets.display()
        );
        fs::write(copy.join("postgresql.auto.conf"), follow).unwrap();
        fs::write(copy.join("standby.signal"), "").unwrap();
        let options = Options {
            state_dir: watched.dir().join("state"),
            needs: Needs::PostgresOnly,
            profile: Profile::Test,
            ..Options::from_env(watched.dir().join("replica"))
        };
        tidings_servers::lay(&options, &copy).await.unwrap();
        let servers = Servers::start(options).await.unwrap();
        let (client, connection) = tokio_postgres::connect(&servers.database_url().unwrap(), NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        Self {
            servers,
            client,
            _watched: watched,
        }
    }

    /// The URL of its database.
    pub fn database_url(&self) -> String {
        self.servers.database_url().unwrap()
    }

    /// Waits until it holds the log up to a position.
    pub async fn reached(&self, position: i64) {
        let sql = "select coalesce(max(last_position), 0) >= $1 from publishing_batches";
        self.until(sql, position).await;
    }

    /// It gets nothing any more.
    pub async fn cut_off(&self) {
        let sql = "alter system set primary_conninfo = ''";
        self.client.execute(sql, &[]).await.unwrap();
        let sql = "select pg_reload_conf()";
        self.client.execute(sql, &[]).await.unwrap();
        let sql = "select count(*) = $1 from pg_stat_wal_receiver";
        self.until(sql, 0).await;
    }

    /// It takes over.
    pub async fn promote(&self) {
        let row = self.client.query_one("select pg_promote()", &[]).await;
        assert!(row.unwrap().get::<_, bool>(0), "it was promoted");
    }

    async fn until(&self, sql: &str, parameter: i64) {
        loop {
            let row = self.client.query_one(sql, &[&parameter]).await.unwrap();
            if row.get(0) {
                return;
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }
}
