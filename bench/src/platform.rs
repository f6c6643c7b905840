//! A platform in this process: log, relay, feed, every view, and the dispatcher.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use serde_json::Value;
use tidings_dispatcher::channel::Environment;
use tidings_dispatcher::channels::{Accounts, Paces, email};
use tidings_dispatcher::{DispatchError, Dispatcher, Limits, TrackingKeys};
use tidings_domain::aggregate::Aggregate;
use tidings_domain::channel::{self, Channel};
use tidings_domain::id::IdKey;
use tidings_domain::publication::{self, Content, Publication};
use tidings_domain::value::{
    ChannelIds, ChannelKind, ChannelName, Credentials, Markdown, Settings, Title,
};
use tidings_event_store::feed::Feed;
use tidings_event_store::relay::{Relay, RelayError};
use tidings_event_store::stream::StreamName;
use tidings_event_store::vault::{MasterKey, Vault};
use tidings_event_store::{Context, Store};
use tidings_projector::Projector;
use tidings_service::config::{Config, PublicUrl};
use tidings_service::metrics::Metrics;
use tidings_service::outbound::Policy;
use tidings_service::{Clock, Ids, Outbound};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Error;
use crate::sample::ACTOR;
use crate::site::{Database, Site};

/// A running platform.
pub(crate) struct Platform {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) id_key: IdKey,
    pub(crate) database: Database,
    stop: CancellationToken,
    relay: JoinHandle<Result<(), RelayError>>,
    feed: JoinHandle<Result<(), tidings_event_store::ReadError>>,
    projector: JoinHandle<()>,
    shared_feed: Feed,
    dispatchers: Vec<JoinHandle<Result<(), DispatchError>>>,
}

impl Platform {
    /// Starts every part.
    pub(crate) async fn start(site: &Site, name: &str) -> Result<Self, Error> {
        let database = site.database(name).await?;
        let log = database.log();
        let vault = Vault::new(
            database.pool.clone(),
            MasterKey::new(&site.ids.bytes::<32>())?,
        );
        let store = Store::new(log.clone(), vault);
        let id_key = store.vault().id_key(site.clock.now()).await?;
        let name = StreamName::new(name, log.incarnation().await?);
        let stop = CancellationToken::new();
        let nats = site.nats().await?;
        let relay = Relay::new(log.clone(), nats.clone(), name.clone());
        let feed = Feed::open(log).await?;
        let projector = Projector::new(&store, &feed);
        let dispatcher = dispatcher(site, &database, &store, &feed).await?;
        let shared_feed = feed.clone();
        Ok(Self {
            relay: tokio::spawn(relay.run(database.connect.clone(), stop.clone())),
            feed: tokio::spawn(feed.run(nats, name, stop.clone())),
            projector: tokio::spawn(projector.run(stop.clone())),
            dispatchers: vec![tokio::spawn(dispatcher.run(stop.clone()))],
            shared_feed,
            store,
            clock: site.clock.clone(),
            ids: site.ids.clone(),
            id_key,
            database,
            stop,
        })
    }

    /// Has one more dispatcher share the work, over the same feed.
    pub(crate) async fn add_dispatcher(&mut self, site: &Site) -> Result<(), Error> {
        let more = dispatcher(site, &self.database, &self.store, &self.shared_feed).await?;
        self.dispatchers
            .push(tokio::spawn(more.run(self.stop.clone())));
        Ok(())
    }

    /// Stops every part and waits for it.
    pub(crate) async fn stop(self) -> Result<(), Error> {
        self.stop.cancel();
        for dispatcher in self.dispatchers {
            dispatcher.await??;
        }
        self.projector.await?;
        self.feed.await??;
        Ok(self.relay.await??)
    }

    /// The circumstances of a command of this run.
    pub(crate) fn context(&self) -> Context {
        Context {
            actor: ACTOR.to_owned(),
            correlation_id: self.ids.next(),
            causation: None,
            occurred_at: self.clock.now(),
            traceparent: None,
            intent: self.ids.next(),
            request_digest: None,
        }
    }

    /// Carries a command out on one stream.
    pub(crate) async fn execute<A: Aggregate>(
        &self,
        id: Uuid,
        command: &A::Command,
    ) -> Result<(), Error>
    where
        A::Command: Clone + Sync,
    {
        self.store
            .execute::<A>(id, &self.context(), None, || command.clone())
            .await?;
        Ok(())
    }

    /// Sets a channel up; gives its id.
    pub(crate) async fn configure(
        &self,
        kind: &str,
        settings: Value,
        credentials: Option<Value>,
    ) -> Result<Uuid, Error> {
        let command = channel::Command::Configure {
            kind: ChannelKind::parse(kind)?,
            name: ChannelName::parse(kind)?,
            settings: Settings::parse(settings)?,
            credentials: credentials.map(Credentials::parse).transpose()?,
        };
        let id = self.ids.next();
        self.execute::<Channel>(id, &command).await?;
        Ok(id)
    }

    /// Publishes an article; gives its id.
    pub(crate) async fn publish(&self, markdown: &str, channels: Vec<Uuid>) -> Result<Uuid, Error> {
        let id = self.ids.next();
        let draft = publication::Command::Draft {
            content: Content::new(
                Title::parse("Harbour bridge reopens")?,
                Markdown::parse(markdown)?,
            ),
            channel_ids: ChannelIds::parse(channels)?,
            aim: publication::Aim::default(),
        };
        self.execute::<Publication>(id, &draft).await?;
        self.execute::<Publication>(id, &publication::Command::Publish)
            .await?;
        Ok(id)
    }

    /// What the log has done so far.
    pub(crate) fn totals(&self) -> Totals {
        let counters = self.store.log().counters();
        Totals {
            batches: counters.batches.load(Relaxed),
            events: counters.events.load(Relaxed),
            refused: counters.refused.load(Relaxed),
            waiting: Duration::from_micros(counters.commit_us.load(Relaxed)),
        }
    }
}

/// Totals of the log.
pub(crate) struct Totals {
    batches: u64,
    events: u64,
    refused: u64,
    waiting: Duration,
}

impl Totals {
    /// What was done since an earlier moment, for people.
    pub(crate) fn since(&self, before: &Self) -> String {
        let batches = (self.batches - before.batches).max(1);
        format!(
            "{} events in {batches} batches of {:.1} ms, {} refused",
            self.events - before.events,
            (self.waiting - before.waiting).as_secs_f64() * 1e3 / batches as f64,
            self.refused - before.refused,
        )
    }
}

async fn dispatcher(
    site: &Site,
    database: &Database,
    store: &Store,
    feed: &Feed,
) -> Result<Dispatcher, Error> {
    let config = Config::defaults()?;
    let vault = store.vault();
    let link_keys = vault.link_keys(site.clock.now()).await?;
    let tracking = TrackingKeys {
        keys: vault.tracking_keys(site.clock.now()).await?,
        id_key: vault.id_key(site.clock.now()).await?,
    };
    Ok(Dispatcher::new(tidings_dispatcher::Options {
        store: store.clone(),
        feed: feed.clone(),
        connect: database.connect.clone(),
        clock: site.clock.clone(),
        ids: site.ids.clone(),
        environment: Environment {
            outbound: Outbound::new(Policy {
                allow_loopback: true,
                ..config.outbound.into()
            })?,
            clock: site.clock.clone(),
            tls: email::system_trust()?,
            file_root: site.folder().join("files"),
            allow_loopback: true,
            hello_name: "bench.example.org".to_owned(),
            smtp_phase_max: None,
            paces: Paces::default(),
            accounts: Accounts::default(),
        },
        organisation: "The Town Crier".to_owned(),
        own_data_contact: None,
        public_url: PublicUrl::parse("https://news.example.org").ok_or("not a URL")?,
        link_keys: Arc::new(link_keys),
        tracking: Arc::new(tracking),
        metrics: Metrics::new()?,
        limits: Limits::from(&config.dispatcher),
    }))
}
