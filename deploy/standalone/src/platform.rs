//! Every role in one process: commands, reads, delivery, relay and views behind one listener.

mod backing;
mod core;
mod error;
mod figures;
mod health;
mod http;
mod master_key;
mod rooms;
mod supervisor;
mod views;
mod witness;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::web;
use futures_util::future::join;
use tidings_event_store::feed::Feed;
use tidings_event_store::relay::Relay;
use tidings_event_store::stream::StreamName;
use tidings_service::auth::Authenticator;
use tidings_service::config::{Config, PublicUrl};
use tidings_service::health::Health;
use tidings_service::http::Edge;
use tidings_service::limits::Limits;
use tidings_service::metrics::Metrics;
use tidings_service::{Clock, Ids, nats};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use backing::Backing;
pub use core::Core;
pub(crate) use core::dialler;
pub use error::StartError;
pub use master_key::MasterKeyError;
pub(crate) use master_key::{MasterKeys, for_vault, read_file as read_master_keys};
pub use views::all_views;
pub(crate) use witness::{folder as witness_folder, pinned as pinned_witness_key};

use crate::home::Home;
use rooms::{Rooms, Site};
use supervisor::Supervisor;
use views::Watch;
use witness::Witness;

/// How long open attempts may take to finish when the platform stops.
const ATTEMPTS_FINISH_WITHIN: Duration = Duration::from_secs(30);
/// How long every other part may take.
const PARTS_FINISH_WITHIN: Duration = Duration::from_secs(15);
/// What was answered is in the stream by then, or the next start brings it there.
const RELAYED_WITHIN: Duration = Duration::from_secs(3);
const NATS_DRAINS_WITHIN: Duration = Duration::from_secs(5);
/// How long a start waits for the word of whoever may have seen a later history.
const LOOK_WITHIN: Duration = Duration::from_secs(5);

/// Which roles run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roles {
    /// All of them.
    All,
    /// Commands and reads, but nothing is delivered.
    WithoutDelivery,
}

/// What a platform runs on: time, ids, and the folder that names it.
#[derive(Clone)]
pub struct Ground {
    /// Tells the time.
    pub clock: Clock,
    /// Makes ids.
    pub ids: Ids,
    /// The data folder.
    pub home: Home,
}

/// A running platform. It stops with [`Platform::stop`]; dropping it leaves its tasks to the runtime.
pub struct Platform {
    address: SocketAddr,
    public_url: PublicUrl,
    core: Core,
    nats: async_nats::Client,
    stream: StreamName,
    health: Health,
    http: ServerHandle,
    serving: Supervisor,
    delivery: Supervisor,
    others: Supervisor,
}

impl Platform {
    /// Starts the roles over the servers of `backing` and serves them on `listener`. When it returns, requests
    /// are answered; `/readyz` tells when everything has caught up.
    ///
    /// # Errors
    /// What is wrong with the configuration, the data folder, the database or the listener.
    pub async fn start(
        config: Config,
        ground: Ground,
        backing: &Backing,
        listener: TcpListener,
        roles: Roles,
    ) -> Result<Self, StartError> {
        let address = listener.local_addr().map_err(StartError::Listener)?;
        let public_url = config.public_url_or(address)?;
        let core = Core::open(&config, &ground, backing).await?;
        let nats = nats::connect(backing.nats_url(), "tidings").await?;
        let stream = StreamName::new(&config.nats_subject_prefix, core.incarnation);
        let feed = Feed::open(core.store.log().clone()).await?;
        let metrics = Metrics::new()?;
        let health = Health::new();
        let [serving, delivery, others] = [(); 3].map(|()| Supervisor::new());
        let watch = Watch::new(core.store.clone(), ground.clock.clone());
        let witness = Witness::open(&config, &ground, &core).await?;
        let mut rooms = Rooms::build(&Site {
            config: &config,
            ground: &ground,
            core: &core,
            feed: &feed,
            public_url: &public_url,
            metrics: &metrics,
            witness: witness.standings(),
        })?;
        let common = http::Common {
            edge: Edge {
                clock: ground.clock.clone(),
                ids: ground.ids.clone(),
                metrics: metrics.clone(),
                limits: config.http,
            },
            metrics: metrics.clone(),
            health: health.clone(),
            limits: web::Data::new(Limits::new(&config.limits, ground.clock.clone())),
            authenticator: rooms
                .let_keys_in(Authenticator::new(&config.auth, ground.clock.clone())?),
        };
        let (routes, stops) = (rooms.routes(), rooms.stops());
        rooms.prepare().await?;

        let mut relay = Relay::new(core.store.log().clone(), nats.clone(), stream.clone());
        // Whoever has seen a later history of this log speaks before anything is recorded or sent on the strength of
        // this one.
        join(relay.look_back(LOOK_WITHIN), witness.compare(LOOK_WITHIN)).await;
        spawn_log_tasks(&others, &core, relay, &feed, (&nats, &stream));
        rooms.spawn(&delivery, &others, roles);
        witness.register(&health, &metrics)?;
        others.spawn("witness", witness.run(others.stopping()));
        figures::register(&metrics, &core.store, watch.clone())?;
        let counting = figures::refresh(metrics, core.pool.clone(), others.stopping());
        others.spawn("figures", counting);
        others.spawn("view watch", watch.clone().run(others.stopping()));
        let http = http::serve(common, routes, listener, &serving)?;
        let groups = [&serving, &delivery, &others];
        let database = (&core.pool, &core.store);
        health::register(&health, database, &nats, (&watch, &stops), &groups);
        Ok(Self {
            address,
            public_url,
            core,
            nats,
            stream,
            health,
            http,
            serving,
            delivery,
            others,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Base of the links in mails.
    #[must_use]
    pub fn public_url(&self) -> &PublicUrl {
        &self.public_url
    }

    /// The database, the log and the vault it runs on.
    #[must_use]
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// Its NATS connection, and the stream that carries the log.
    #[must_use]
    pub fn stream(&self) -> (&async_nats::Client, &StreamName) {
        (&self.nats, &self.stream)
    }

    /// What `/readyz` answers.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Stops in order: no new attempts and no new requests; what is open of both finishes side by side (attempts 30 s at
    /// most); then the rest.
    pub async fn stop(self) {
        // First: whoever holds a request open must not keep mails going out.
        self.delivery.stopping().cancel();
        // So that the server's end is not taken for an accident.
        self.serving.stopping().cancel();
        let requests = async {
            if timeout(PARTS_FINISH_WITHIN, self.http.stop(true))
                .await
                .is_err()
            {
                tracing::warn!("requests under way were not answered in time");
            }
            self.serving.stop(PARTS_FINISH_WITHIN).await;
        };
        join(requests, self.delivery.stop(ATTEMPTS_FINISH_WITHIN)).await;
        // Whoever loses the database now finds in the stream all that was answered.
        let log = self.core.store.log();
        let relayed = timeout(RELAYED_WITHIN, self.stream.catches_up(log, &self.nats)).await;
        if relayed.is_err() {
            tracing::warn!("the stream is not as far as the log yet");
        }
        self.others.stop(PARTS_FINISH_WITHIN).await;
        self.core.close();
        // A client that is connecting anew may not come to it.
        let drained = timeout(NATS_DRAINS_WITHIN, self.nats.drain()).await;
        if !matches!(drained, Ok(Ok(()))) {
            tracing::debug!(?drained, "NATS had gone before");
        }
    }
}

/// The tasks that bring the log to everybody.
fn spawn_log_tasks(
    tasks: &Supervisor,
    core: &Core,
    relay: Relay,
    feed: &Feed,
    (nats, stream): (&async_nats::Client, &StreamName),
) {
    tasks.spawn(
        "relay",
        relay.run(Arc::clone(&core.connect), tasks.stopping()),
    );
    // What another process shreds is destroyed in this one's memory too.
    let watching = core
        .store
        .vault()
        .clone()
        .watch(Arc::clone(&core.connect), tasks.stopping());
    tasks.spawn("vault", async move {
        watching.await;
        Ok::<(), std::convert::Infallible>(())
    });
    let following = feed
        .clone()
        .run(nats.clone(), stream.clone(), tasks.stopping());
    tasks.spawn("feed", following);
}

/// Waits for `period`; false: told to stop meanwhile.
async fn until(stop: &CancellationToken, period: Duration) -> bool {
    let slept = stop.run_until_cancelled(tokio::time::sleep(period)).await;
    slept.is_some()
}
