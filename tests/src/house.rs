//! The whole house on one platform: every worker of every room, an SMTP sink and a Slack sink, and
//! the few commands most stories begin with.

mod choices;

use std::sync::Arc;
use std::time::Duration;

use tidings_command_api::ImportWorker;
use tidings_dispatcher::channel::Environment;
use tidings_dispatcher::channels::{Accounts, Paces};
use tidings_dispatcher::erasure::Eraser;
use tidings_dispatcher::retention::Retention;
use tidings_dispatcher::{Dispatcher, Limits, Options, TrackingKeys};
use tidings_domain::address::{self, Address};
use tidings_domain::channel::{self, Channel};
use tidings_domain::id::IdKey;
use tidings_domain::publication::{self, Content, Publication};
use tidings_domain::stream_id;
use tidings_domain::subscriber::{self, Source, Subscriber, UnsubscribeMethod, What};
use tidings_domain::token::LinkKeys;
use tidings_domain::value::{
    ChannelIds, ChannelKind, ChannelName, Credentials, EmailAddress, Markdown, Settings, Title,
};
use tidings_event_store::feed::Feed;
use tidings_event_store::{Context, Loaded, Store};
use tidings_projector::Projector;
use tidings_service::Outbound;
use tidings_service::config::{Config, PublicUrl};
use tidings_service::metrics::Metrics;
use tidings_service::outbound::Policy;
use tidings_sinks::{slack, smtp};
use uuid::Uuid;

use crate::platform::Platform;

/// Where the links in test mails lead.
pub const PUBLIC_URL: &str = "https://news.example.org";

/// A platform with everything in it.
pub struct House {
    /// Log, feed, relay; `settle` steps every worker.
    pub platform: Platform,
    /// Takes the mail.
    pub smtp: smtp::Handle,
    /// Takes the Slack messages.
    pub slack: slack::Handle,
    /// Derives ids nobody can guess.
    pub id_key: IdKey,
    /// Signs links.
    pub link_keys: Arc<LinkKeys>,
    /// Sign what mails tell about themselves.
    pub tracking_keys: LinkKeys,
    /// What was counted.
    pub metrics: Metrics,
    files: tempfile::TempDir,
}

impl House {
    /// On the shared servers.
    pub async fn start() -> Self {
        Self::on(Platform::start().await).await
    }

    /// On the shared servers, with nobody who delivers: the test runs dispatchers itself.
    pub async fn start_without_delivery() -> Self {
        let house = Self::build(Platform::start().await).await;
        house.add_workers().await;
        house
    }

    /// On this platform.
    pub async fn on(platform: Platform) -> Self {
        let house = Self::build(platform).await;
        house.add_workers().await;
        house.add_dispatcher(house.dispatcher()).await;
        house
    }

    /// Lets `settle` step this dispatcher.
    pub async fn add_dispatcher(&self, dispatcher: Dispatcher) {
        self.platform
            .add_worker("dispatcher", dispatcher, |it| {
                Box::pin(async { Ok(it.step().await?) })
            })
            .await;
    }

    /// For a receiving side beside its own: it takes as much as comes, and goes by the same clock.
    pub fn sink_options(&self) -> slack::Options {
        sink_options(&self.platform)
    }

    async fn build(platform: Platform) -> Self {
        let smtp = smtp::start(smtp::Options::default()).await.unwrap();
        let slack = slack::start(sink_options(&platform)).await.unwrap();
        let now = platform.clock.clock().now();
        let vault = platform.store.vault();
        Self {
            id_key: vault.id_key(now).await.unwrap(),
            link_keys: Arc::new(vault.link_keys(now).await.unwrap()),
            tracking_keys: vault.tracking_keys(now).await.unwrap(),
            metrics: Metrics::new().unwrap(),
            files: tempfile::tempdir().unwrap(),
            platform,
            smtp,
            slack,
        }
    }

    async fn add_workers(&self) {
        let platform = &self.platform;
        let imports = ImportWorker::new(
            platform.store.clone(),
            platform.clock.clock(),
            self.id_key.clone(),
        );
        platform
            .add_worker("imports", imports, |it| {
                Box::pin(async { Ok(it.step().await?) })
            })
            .await;
        let projector = Projector::new(&platform.store, &platform.feed);
        platform
            .add_worker("projector", projector, |it| {
                Box::pin(async { Ok(it.step().await?) })
            })
            .await;
        let eraser = Eraser::new(platform.store.clone(), platform.clock.clock());
        platform
            .add_worker("erasures", eraser, |it| {
                Box::pin(async { Ok(it.step().await?) })
            })
            .await;
        platform
            .add_worker("months of engagement", self.retention(), |it| {
                Box::pin(async { Ok(it.step().await?) })
            })
            .await;
    }

    /// What ends months of engagement, after as long as a platform keeps them that says nothing else.
    pub fn retention(&self) -> Retention {
        let kept = Config::defaults().unwrap().engagement.keep_months;
        let platform = &self.platform;
        Retention::new(platform.store.clone(), platform.clock.clock(), kept)
    }

    /// One more dispatcher of this process.
    pub fn dispatcher(&self) -> Dispatcher {
        Dispatcher::new(self.options())
    }

    /// The dispatcher of another process.
    pub fn dispatcher_on(&self, store: Store, feed: Feed) -> Dispatcher {
        self.dispatcher_within(store, feed, |limits| limits)
    }

    /// The same, with other limits than usual.
    pub fn dispatcher_within(
        &self,
        store: Store,
        feed: Feed,
        limits: impl Fn(Limits) -> Limits,
    ) -> Dispatcher {
        let options = self.options();
        Dispatcher::new(Options {
            store,
            feed,
            limits: limits(options.limits),
            ..options
        })
    }

    /// What a dispatcher of this process is made with.
    pub fn options(&self) -> Options {
        let platform = &self.platform;
        Options {
            store: platform.store.clone(),
            feed: platform.feed.clone(),
            connect: platform.connect.clone(),
            clock: platform.clock.clock(),
            ids: platform.ids.clone(),
            environment: self.environment(),
            public_url: PublicUrl::parse(PUBLIC_URL).unwrap(),
            organisation: "The Town Crier".to_owned(),
            own_data_contact: Some("privacy@example.org".to_owned()),
            link_keys: self.link_keys.clone(),
            tracking: Arc::new(TrackingKeys {
                keys: self.tracking_keys.clone(),
                id_key: self.id_key.clone(),
            }),
            metrics: self.metrics.clone(),
            limits: Limits::from(&Config::defaults().unwrap().dispatcher),
        }
    }

    /// What channels are built with: webhooks may go to this machine.
    pub fn environment(&self) -> Environment {
        let policy = Policy {
            allow_loopback: true,
            allow_private: false,
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(2),
        };
        Environment {
            outbound: Outbound::new(policy).unwrap(),
            clock: self.platform.clock.clock(),
            tls: tidings_dispatcher::channels::email::system_trust().unwrap(),
            file_root: self.files.path().to_owned(),
            allow_loopback: true,
            hello_name: "tests.example.org".to_owned(),
            smtp_phase_max: None,
            paces: Paces::default(),
            accounts: Accounts::default(),
        }
    }

    /// Circumstances of a person's command.
    pub fn context(&self) -> Context {
        Context {
            actor: "cli".to_owned(),
            correlation_id: self.platform.ids.next(),
            causation: None,
            occurred_at: self.platform.clock.clock().now(),
            traceparent: None,
            intent: self.platform.ids.next(),
            request_digest: None,
        }
    }

    /// An e-mail channel into the SMTP sink.
    pub async fn email_channel(&self) -> Uuid {
        let settings = serde_json::json!({
            "host": "127.0.0.1",
            "port": self.smtp.addr().port(),
            "encryption": "none",
            "from": "Town Crier <crier@news.example.org>",
        });
        self.channel("email", settings, None).await
    }

    /// A Slack channel into the Slack sink.
    pub async fn slack_channel(&self, webhook: &str) -> Uuid {
        let credentials = serde_json::json!({ "webhook_url": self.slack.url(webhook) });
        self.channel("slack", serde_json::json!({}), Some(credentials))
            .await
    }

    /// A channel of any kind.
    pub async fn channel(
        &self,
        kind: &str,
        settings: serde_json::Value,
        credentials: Option<serde_json::Value>,
    ) -> Uuid {
        let id = self.platform.ids.next();
        let command = || channel::Command::Configure {
            kind: ChannelKind::parse(kind).unwrap(),
            name: ChannelName::parse(kind).unwrap(),
            settings: Settings::parse(settings.clone()).unwrap(),
            credentials: credentials
                .clone()
                .map(|it| Credentials::parse(it).unwrap()),
        };
        let context = self.context();
        self.platform
            .store
            .execute::<Channel>(id, &context, None, command)
            .await
            .unwrap();
        id
    }

    /// A channel lets nothing through.
    pub async fn disable(&self, channel_id: Uuid) {
        let context = self.context();
        let command = || channel::Command::Disable {
            reason: tidings_domain::value::Code::from_static("operator"),
        };
        let store = &self.platform.store;
        store
            .execute::<Channel>(channel_id, &context, None, command)
            .await
            .unwrap();
    }

    /// A channel sends again, whatever kept it from that.
    pub async fn enable(&self, channel_id: Uuid) {
        let context = self.context();
        let store = &self.platform.store;
        let command = || channel::Command::Enable;
        store
            .execute::<Channel>(channel_id, &context, None, command)
            .await
            .unwrap();
    }

    /// A subscriber, with the claim on their address in the same commit.
    pub async fn subscriber(&self, email: &str) -> Uuid {
        let email = EmailAddress::parse(email).unwrap();
        let id = self.platform.ids.next();
        let address_id = stream_id::address(&self.id_key, &email);
        let context = self.context();
        let mut draft = self.platform.store.draft(&context);
        let signed_up = subscriber::Command::SignUp {
            address_id,
            address_suppression_id: stream_id::address_suppression(&self.id_key, &email),
            domain_suppression_id: stream_id::domain_suppression(&self.id_key, email.domain()),
            email,
            name: None,
            attributes: None,
            source: Source::Api,
            import_id: None,
            confirm: false,
            consent: None,
            evidence: None,
        };
        let fresh = Loaded::known(id, Subscriber::default(), 0);
        let events = decide(&fresh.state, signed_up);
        draft.append_for(fresh, events, id, Some(id));
        let free = Loaded::known(address_id, Address::default(), 0);
        let events = decide(&free.state, address::Command::Claim { subscriber_id: id });
        draft.append(free, events);
        draft.commit().await.unwrap();
        id
    }

    /// Somebody leaves everything.
    pub async fn unsubscribe(&self, subscriber_id: Uuid) -> i64 {
        self.say(subscriber_id, || subscriber::Command::Unsubscribe {
            method: UnsubscribeMethod::OneClick,
            delivery_id: None,
            evidence: None,
            what: What::Everything,
        })
        .await
    }

    /// A draft.
    pub async fn draft(&self, title: &str, markdown: &str, channels: &[Uuid]) -> Uuid {
        let id = self.platform.ids.next();
        self.publication(id, || publication::Command::Draft {
            content: Content::new(
                Title::parse(title).unwrap(),
                Markdown::parse(markdown).unwrap(),
            ),
            channel_ids: ChannelIds::parse(channels.to_vec()).unwrap(),
            aim: publication::Aim::default(),
        })
        .await;
        id
    }

    /// A publication, published.
    pub async fn publish(&self, title: &str, markdown: &str, channels: &[Uuid]) -> Uuid {
        let id = self.draft(title, markdown, channels).await;
        self.publication(id, || publication::Command::Publish).await;
        id
    }

    /// A command to a publication.
    pub async fn publication(
        &self,
        id: Uuid,
        command: impl Fn() -> publication::Command + Send + Sync,
    ) {
        let context = self.context();
        self.platform
            .store
            .execute::<Publication>(id, &context, None, command)
            .await
            .unwrap();
    }

    /// The accounting of a publication, as the view serves it, over all channels.
    pub async fn accounting(&self, publication_id: Uuid) -> Accounting {
        let client = self.platform.pool.get().await.unwrap();
        let sql = "select sum(planned)::bigint, sum(pending)::bigint, sum(sent)::bigint, sum(failed)::bigint, \
                   sum(suppressed)::bigint, sum(cancelled)::bigint, sum(in_doubt)::bigint \
                   from publishing_publication_accounting where publication_id = $1";
        let row = client.query_one(sql, &[&publication_id]).await.unwrap();
        let count = |column: usize| row.get::<_, Option<i64>>(column).unwrap_or(0);
        Accounting {
            planned: count(0),
            pending: count(1),
            sent: count(2),
            failed: count(3),
            suppressed: count(4),
            cancelled: count(5),
            in_doubt: count(6),
        }
    }

    /// A publication's state, as the view serves it.
    pub async fn state(&self, publication_id: Uuid) -> String {
        let client = self.platform.pool.get().await.unwrap();
        let sql = "select state from publishing_publication_status where publication_id = $1";
        client
            .query_one(sql, &[&publication_id])
            .await
            .unwrap()
            .get(0)
    }
}

/// Deliveries by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Accounting {
    /// All of them.
    pub planned: i64,
    /// Not settled.
    pub pending: i64,
    /// Taken by the receiving side.
    pub sent: i64,
    /// Given up.
    pub failed: i64,
    /// The receiver must not get it.
    pub suppressed: i64,
    /// Cancelled.
    pub cancelled: i64,
    /// Nobody knows.
    pub in_doubt: i64,
}

impl Accounting {
    /// Whether every delivery is in exactly one class.
    pub fn balances(&self) -> bool {
        self.planned
            == self.pending
                + self.sent
                + self.failed
                + self.suppressed
                + self.cancelled
                + self.in_doubt
    }
}

fn sink_options(platform: &Platform) -> slack::Options {
    let clock = platform.clock.clock();
    slack::Options {
        rate_limit: slack::Limit::None,
        clock: tidings_sinks::Clock::from_fn(move || clock.now()),
        ..slack::Options::default()
    }
}

fn decide<A: tidings_domain::aggregate::Aggregate>(state: &A, command: A::Command) -> Vec<A::Event>
where
    A::Refusal: std::fmt::Debug,
{
    state.decide(command).unwrap()
}
