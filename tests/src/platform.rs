//! One platform for one test: a database, a stream, and the process's parts on them.

use std::error::Error;
use std::sync::Mutex as StdMutex;
use std::time::Duration;

use deadpool_postgres::Pool;
use futures_util::future::BoxFuture;
use tidings_event_store::feed::Feed;
use tidings_event_store::relay::Relay;
use tidings_event_store::session::{Connect, connect_plain};
use tidings_event_store::stream::StreamName;
use tidings_event_store::vault::{MasterKey, Vault};
use tidings_event_store::{Log, Progress, Store};
use tidings_servers::Options;
use tidings_servers::template::EphemeralServers;
use tidings_service::clock::ManualClock;
use tidings_service::config::Secret;
use tidings_service::postgres::Settings;
use tidings_service::{Clock, Ids};
use time::macros::datetime;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::janitor::{self, Leftovers};
use crate::overdue::Overdue;
use crate::proxy::Proxy;
use crate::servers::{self, Home};
use crate::worker::{BoxError, Stepped, Worker};

/// The key every test platform wraps its keys with.
pub const MASTER_KEY: [u8; 32] = *b"a master key for tests, 32 bytes";

/// Far more than anything takes, some thousand mails included; reaching it is a failure.
const SETTLE_WITHIN: Duration = Duration::from_secs(300);

/// A platform. Its feed runs; its relay and its workers are stepped by [`Platform::settle`].
pub struct Platform {
    /// Log and vault.
    pub store: Store,
    /// Follows the stream.
    pub feed: Feed,
    /// Connections to the database.
    pub pool: Pool,
    /// Sessions outside the pool.
    pub connect: Connect,
    /// The connection to nats-server.
    pub nats: async_nats::Client,
    /// The stream, whose name no other test has.
    pub name: StreamName,
    /// The time, which stands still until the test moves it.
    pub clock: ManualClock,
    /// Ids, the same in every run.
    pub ids: Ids,
    /// The database, as tokio-postgres reads it.
    pub database_url: String,
    home: Home,
    database: Option<String>,
    relay: Mutex<Relay>,
    workers: Mutex<Vec<Box<dyn Worker>>>,
    stop: CancellationToken,
    _overdue: Overdue,
}

impl Platform {
    /// A platform on the shared servers, which must not be killed.
    pub async fn start() -> Self {
        let number = servers::next_number();
        let database = format!("t{number}");
        let url = servers::create_database(&database, true).await;
        let shared = servers::shared().await;
        Self::on(Home::Shared(shared), url, Some(database), number).await
    }

    /// A platform on servers of its own, which the test may kill.
    pub async fn start_alone() -> Self {
        Self::start_alone_with(|_| ()).await
    }

    /// The same with other options for the servers.
    pub async fn start_alone_with(change: impl FnOnce(&mut Options)) -> Self {
        let servers = servers::alone(change).await;
        let url = servers.database_url().to_owned();
        Self::on(Home::Own(servers), url, None, servers::next_number()).await
    }

    /// A platform on servers of its own, whose database it reaches through a proxy.
    pub async fn start_behind_proxy() -> (Self, Proxy) {
        let servers = servers::alone(|_| ()).await;
        let proxy = Proxy::before(servers.database_url());
        let url = proxy.database_url();
        let platform = Self::on(Home::Own(servers), url, None, servers::next_number()).await;
        (platform, proxy)
    }

    async fn on(home: Home, database_url: String, database: Option<String>, number: u32) -> Self {
        let pool = pool(&database_url);
        let connect = connect_plain(database_url.parse().unwrap());
        let nats = nats(home.servers()).await;
        let store = store(connect.clone(), pool.clone());
        let incarnation = store.log().incarnation().await.unwrap();
        let name = StreamName::new(&format!("t{number}"), incarnation);
        // As another process's: a test may put the database back beneath it, and go on with the store as a process
        // does that was started since.
        let followed = self::store(connect.clone(), pool.clone());
        let feed = Feed::open(followed.log().clone()).await.unwrap();
        let relay = Relay::new(store.log().clone(), nats.clone(), name.clone());
        let stop = CancellationToken::new();
        tokio::spawn(
            feed.clone()
                .run(nats.clone(), name.clone(), stop.child_token()),
        );
        Self {
            store,
            feed,
            pool,
            connect,
            nats,
            name,
            clock: Clock::manual(datetime!(2026-03-02 09:00 UTC)),
            ids: Ids::seeded(u64::from(number)),
            database_url,
            home,
            database,
            relay: Mutex::new(relay),
            workers: Mutex::default(),
            stop,
            _overdue: Overdue::watch(String::new),
        }
    }

    /// The servers it stands on.
    pub fn servers(&self) -> &EphemeralServers {
        self.home.servers()
    }

    /// An empty database on the shared servers, for migrations; it goes with the servers.
    pub async fn empty_database() -> String {
        servers::create_database(&format!("e{}", servers::next_number()), false).await
    }

    /// Log and vault of another process on the same database, over whatever sessions.
    pub fn another_store(&self, connect: Connect) -> Store {
        store(connect, pool(&self.database_url))
    }

    /// Log and vault of a process that is started anew: it has not seen what was in the database before.
    pub fn restart_log(&mut self) {
        self.store = self.another_store(self.connect.clone());
    }

    /// Another process's relay, over a connection of its own.
    pub async fn another_relay(&self) -> Relay {
        let client = nats(self.servers()).await;
        Relay::new(self.store.log().clone(), client, self.name.clone())
    }

    /// Lets `settle` step a worker: `platform.add_worker("projector", projector, |it| Box::pin(async
    /// { Ok(it.step().await?) }))`.
    pub async fn add_worker<S: Send + 'static>(
        &self,
        name: &str,
        state: S,
        step: impl for<'a> FnMut(&'a mut S) -> BoxFuture<'a, Result<Progress, BoxError>>
        + Send
        + 'static,
    ) {
        let worker = Stepped {
            name: name.to_owned(),
            state,
            step,
        };
        self.workers.lock().await.push(Box::new(worker));
    }

    /// Steps relay and workers until all are idle, the feed has seen the whole log, and the log has not
    /// grown meanwhile. Panics when a step fails, or when somebody never becomes idle.
    pub async fn settle(&self) {
        let busy = StdMutex::new("nobody".to_owned());
        let doing = |who: &str| who.clone_into(&mut busy.lock().unwrap());
        let settled = async {
            let mut workers = self.workers.lock().await;
            loop {
                doing("the relay");
                self.relay().await;
                let head = self.store.log().head().await.unwrap().position;
                doing(&format!("the feed, on its way to {head}"));
                self.feed.reached(head).await;
                let mut worked = false;
                for worker in workers.iter_mut() {
                    doing(worker.name());
                    while step(worker.as_mut()).await == Progress::Advanced {
                        worked = true;
                    }
                }
                if !worked && self.store.log().head().await.unwrap().position == head {
                    return;
                }
            }
        };
        if tokio::time::timeout(SETTLE_WITHIN, settled).await.is_err() {
            panic!("never idle: {}", busy.lock().unwrap());
        }
    }

    /// Waits until a feed has seen a position. Panics when it never does.
    pub async fn reached(feed: &Feed, position: i64) {
        let reached = tokio::time::timeout(SETTLE_WITHIN, feed.reached(position)).await;
        assert!(reached.is_ok(), "the feed stopped at {}", feed.head());
    }

    /// Steps the relay until nothing is pending.
    pub async fn relay(&self) {
        let mut relay = self.relay.lock().await;
        while relay.step().await.unwrap() == Progress::Advanced {}
    }

    /// The relay, to step it by hand.
    pub fn relay_itself(&self) -> &Mutex<Relay> {
        &self.relay
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(database) = self.database.take() {
            janitor::remove(Leftovers {
                database,
                stream: self.name.stream.clone(),
            });
        }
    }
}

async fn step(worker: &mut dyn Worker) -> Progress {
    match worker.step().await {
        Ok(progress) => progress,
        Err(error) => panic!("{} failed: {}", worker.name(), chain(error.as_ref())),
    }
}

/// An error with its causes.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

fn pool(url: &str) -> Pool {
    let settings = Settings {
        application_name: "tidings test".to_owned(),
        pool_size_max: 8,
        statement_timeout: None,
    };
    tidings_service::postgres::pool(&Secret::new(url), &settings).unwrap()
}

async fn nats(servers: &EphemeralServers) -> async_nats::Client {
    let url = Secret::new(servers.nats_url());
    tidings_service::nats::connect(&url, "tidings test")
        .await
        .unwrap()
}

fn store(connect: Connect, pool: Pool) -> Store {
    let vault = Vault::new(pool.clone(), MasterKey::new(&MASTER_KEY).unwrap());
    Store::new(Log::open(connect, pool), vault)
}
