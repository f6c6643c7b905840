//! Everything one run has: servers, the program over them, receivers for every kind of channel, and what callers were
//! told. One seed decides all of its chances.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use deadpool_postgres::Pool;
use serde_json::{Value, json};
use tidings_event_store::session::connect_plain;
use tidings_event_store::stream::StreamName;
use tidings_event_store::{Log, ReadError, Store};
use tidings_servers::template::EphemeralServers;
use tidings_service::config::Secret;
use tidings_service::postgres::Settings;
use tidings_sinks::{discord, ses, slack, smtp, webhook};
use tidings_tests::checker::Told;
use tidings_tests::checker::deliveries::Received;
use tidings_tests::checker::readers::Handed;
use tidings_tests::cluster::Cluster;
use tidings_tests::dice::Dice;
use tidings_tests::link::Link;
use tidings_tests::program::{ASK_AGAIN, Program};
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use crate::master_keys::MasterKeys;
use crate::program;

/// Addresses whose mail server says "later" for ever, and "never".
pub(crate) const LATER: &str = "@later.example";
pub(crate) const NEVER: &str = "@never.example";
/// Folder of the file channel, and the name by which the others that take one message each are called.
pub(crate) const FOLDER: &str = "editions";
const WEBHOOK: &str = "news";
/// The channel that a Slack bot posts to.
pub(crate) const BOTS_CHANNEL: &str = "C0NEWS";
/// Names the key of Amazon SES.
pub(crate) const KEY_ID: &str = "AKIDEXAMPLE";
/// What signs for the webhook channel, and for Amazon SES.
pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What this process calls itself to the servers.
pub(crate) const CHECKER: &str = "tidings checker";
/// Looks at a database that is there after all.
pub(crate) const LOOKS_MAX: usize = 1_200;

/// One run.
pub(crate) struct World {
    pub(crate) seed: u64,
    // Before the servers: it ends while they still run.
    pub(crate) program: Program,
    pub(crate) smtp: smtp::Handle,
    pub(crate) slack: slack::Handle,
    pub(crate) discord: discord::Handle,
    pub(crate) webhook: webhook::Handle,
    pub(crate) ses: ses::Handle,
    /// Between the program and its database, its nats-server and the receivers.
    pub(crate) links: Links,
    /// Log and vault, past every wire.
    pub(crate) store: Store,
    pub(crate) nats: async_nats::Client,
    /// What holds the stream, if it is not the nats-server of `servers`.
    pub(crate) cluster: Option<Cluster>,
    pub(crate) servers: EphemeralServers,
    pub(crate) master_keys: MasterKeys,
    /// Programs that have ended: what their file channels have written is in their folders.
    pub(crate) ended: Vec<Another>,
    /// What all programs are told.
    settings: Vec<(&'static str, String)>,
    known: Mutex<Known>,
}

pub(crate) struct Links {
    pub(crate) database: Link,
    pub(crate) nats: Link,
    /// All programs send through these.
    pub(crate) smtp: Link,
    pub(crate) slack: Link,
    pub(crate) discord: Link,
    pub(crate) webhook: Link,
    pub(crate) ses: Link,
}

/// A second program, with wires of its own to the same servers.
pub(crate) struct Another {
    pub(crate) program: Program,
    pub(crate) database: Link,
    _nats: Link,
}

/// What the run has led to so far, as its callers know it.
#[derive(Default)]
pub(crate) struct Known {
    /// Rounds that were begun.
    pub(crate) rounds: usize,
    /// Months of long ago in which a mail was opened.
    pub(crate) months: u32,
    /// Changes of the master key.
    pub(crate) rotations: usize,
    pub(crate) told: Vec<Told>,
    /// Publications by title.
    pub(crate) titles: BTreeMap<String, Uuid>,
    /// What every other round is about.
    pub(crate) topic: Option<Uuid>,
    /// Segments by slug.
    pub(crate) segments: BTreeMap<&'static str, Uuid>,
    /// Channels by kind.
    pub(crate) channels: BTreeMap<&'static str, Uuid>,
    pub(crate) shredded: Vec<Uuid>,
    /// Readers whose key was shredded or whose erasure was asked for, and the addresses they had.
    pub(crate) erased: BTreeMap<Uuid, String>,
    /// Files of readers, as they were handed in.
    pub(crate) files: Vec<Handed>,
    /// Deliveries to readers who left while nothing could be sent.
    pub(crate) left_in_time: Vec<Uuid>,
    /// Copies whose deliveries the log has lost since.
    pub(crate) of_what_is_lost: Vec<Received>,
    /// Where the stream ended when its store was copied.
    pub(crate) stream_copied_at: i64,
    /// Where the file channels of all programs write.
    pub(crate) folders: Vec<PathBuf>,
}

impl World {
    /// A new one; the program does not run yet.
    pub(crate) async fn new(seed: u64) -> Self {
        Self::with(seed, Vec::new()).await
    }

    /// One whose stream is kept three times, by a cluster of nats-servers.
    pub(crate) async fn on_a_cluster(seed: u64) -> Self {
        let cluster = Cluster::start().await;
        let mut world = Self::with(seed, vec![("TIDINGS_NATS_URL", cluster.url())]).await;
        world.nats = cluster.client().await;
        world.cluster = Some(cluster);
        world.ensure_up().await;
        world.keep_the_stream_three_times().await;
        world
    }

    /// As an operator does, who is about to lose one of the servers.
    pub(crate) async fn keep_the_stream_three_times(&self) {
        let cluster = self.cluster.as_ref().expect("a cluster");
        let name = self.stream().await.expect("a log");
        cluster.stream(&self.nats, &name).await;
    }

    /// The same with other settings of the program.
    pub(crate) async fn with(seed: u64, settings: Vec<(&'static str, String)>) -> Self {
        let servers = EphemeralServers::start().await.unwrap();
        let (database, nats, wired) = wires(&servers).await;
        let smtp_sink = smtp::start(smtp::Options {
            keep: smtp::Keep::Headers,
            rules: vec![
                // Of the mailbox: it says nothing of its domain.
                smtp::Rule::reply(smtp::Phase::RcptTo, 450, "4.2.1 come back later")
                    .to_ending(LATER),
                smtp::Rule::reply(smtp::Phase::RcptTo, 550, "5.1.1 nobody here").to_ending(NEVER),
            ],
            ..smtp::Options::default()
        });
        let smtp_sink = smtp_sink.await.unwrap();
        let unlimited = || slack::Options {
            rate_limit: slack::Limit::None,
            ..slack::Options::default()
        };
        let slack = slack::start(unlimited()).await.unwrap();
        let discord = discord::start(unlimited()).await.unwrap();
        let knows = webhook::Receiver {
            secrets: vec![SECRET.to_owned()],
        };
        let webhook = webhook::start(unlimited(), &knows).await.unwrap();
        let ses = amazon().await;
        let links = Links {
            database,
            nats,
            smtp: Link::before(smtp_sink.addr()).await,
            slack: Link::before(slack.addr()).await,
            discord: Link::before(discord.addr()).await,
            webhook: Link::before(webhook.addr()).await,
            ses: Link::before(ses.addr()).await,
        };
        let master_keys = MasterKeys::new(servers.location().join("master.keys"));
        let mut all = vec![
            (
                "TIDINGS_MASTER_KEY_FILE",
                master_keys.file().to_str().unwrap().to_owned(),
            ),
            ("TIDINGS_OUTBOUND__ALLOW_LOOPBACK", "true".to_owned()),
            ("TIDINGS_DATABASE__POOL_SIZE_MAX", "8".to_owned()),
        ];
        all.extend(settings);
        let store = store(servers.database_url(), &master_keys);
        let program = program([wired, all.clone()].concat());
        let known = Known {
            folders: vec![program.files()],
            ..Known::default()
        };
        Self {
            seed,
            program,
            settings: all,
            master_keys,
            ended: Vec::new(),
            smtp: smtp_sink,
            slack,
            discord,
            webhook,
            ses,
            links,
            store,
            nats: connect_nats(servers.nats_url()).await,
            cluster: None,
            servers,
            known: Mutex::new(known),
        }
    }

    /// A second program beside the first. It does not run yet.
    pub(crate) async fn another_program(&self) -> Another {
        let (database, nats, wired) = wires(&self.servers).await;
        let program = program([wired, self.settings.clone()].concat());
        self.known().folders.push(program.files());
        Another {
            program,
            database,
            _nats: nats,
        }
    }

    /// Settings and credentials of a channel of a kind, which leads to the receiver through its wire; of `slack_bot`, one of the
    /// kind `slack`.
    pub(crate) fn channel_of(&self, kind: &str) -> (Value, Value) {
        let (links, none) = (&self.links, Value::Null);
        match kind {
            "email" => {
                let settings = json!({
                    "host": "127.0.0.1",
                    "port": links.smtp.address().port(),
                    "encryption": "none",
                    "from": "News <news@example.org>",
                });
                (settings, none)
            }
            "slack_bot" => {
                let (own, url) = (self.slack.addr(), self.slack.api_url());
                let url = through(&links.slack, own, &url);
                let settings = json!({ "channel": BOTS_CHANNEL, "api_url": url });
                (settings, json!({ "bot_token": "xoxb-1" }))
            }
            "slack" => {
                let url = through(&links.slack, self.slack.addr(), &self.slack.url(WEBHOOK));
                (json!({}), json!({ "webhook_url": url }))
            }
            "discord" => {
                let (own, url) = (self.discord.addr(), self.discord.url(WEBHOOK));
                let url = through(&links.discord, own, &url);
                (json!({}), json!({ "webhook_url": url }))
            }
            "webhook" => {
                let (own, url) = (self.webhook.addr(), self.webhook.url(WEBHOOK));
                let url = through(&links.webhook, own, &url);
                (json!({ "url": url }), json!({ "secret": SECRET }))
            }
            "ses" => {
                let url = through(&links.ses, self.ses.addr(), &self.ses.base_url());
                let settings = json!({
                    "region": "eu-west-1",
                    "endpoint": url,
                    "from": "News <news@example.org>",
                });
                let key = json!({ "access_key_id": KEY_ID, "secret_access_key": SECRET });
                (settings, key)
            }
            "file" => (json!({ "folder": FOLDER }), none),
            other => panic!("nobody receives what is sent by {other}"),
        }
    }

    /// Looks at this database from now on, as a process does that is started now: it has seen nothing of it before.
    pub(crate) fn look_at(&mut self, database_url: &str) {
        self.store = store(database_url, &self.master_keys);
    }

    /// Chances of one part of the run.
    pub(crate) fn dice(&self, part: &str) -> Dice {
        Dice::new(self.seed, part)
    }

    pub(crate) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap()
    }

    /// Notes what an answer of 2xx says; gives the id in it.
    pub(crate) fn tell(&self, answer: &Value) -> Uuid {
        let stream_id: Uuid = answer["id"].as_str().unwrap().parse().unwrap();
        let position = answer["position"].as_i64().unwrap();
        let told = Told {
            position,
            stream_id,
        };
        self.known().told.push(told);
        stream_id
    }

    /// Starts the program if it does not run.
    pub(crate) async fn ensure_up(&mut self) {
        if !self.program.runs() {
            let up = self.program.up(None).await;
            assert!(up, "it died at its start:\n{}", self.program.said());
        }
    }

    /// The stream of the log; `None`: the database is not migrated yet.
    pub(crate) async fn stream(&self) -> Option<StreamName> {
        for _ in 0..LOOKS_MAX {
            match self.store.log().incarnation().await {
                Ok(incarnation) => return Some(StreamName::new("tidings", incarnation)),
                Err(ReadError::Database(error))
                    if error.code() == Some(&SqlState::UNDEFINED_TABLE) =>
                {
                    return None;
                }
                // A connection that a crash broke.
                Err(_) => tokio::time::sleep(ASK_AGAIN).await,
            }
        }
        panic!("the database does not answer");
    }

    /// Crashes both servers and starts them again.
    pub(crate) async fn crash_servers(&self) {
        let (postgres, nats) = tokio::join!(
            self.servers.kill_postgres_immediate(),
            self.servers.kill_nats()
        );
        postgres.and(nats).unwrap();
        let (postgres, nats) =
            tokio::join!(self.servers.restart_postgres(), self.servers.restart_nats());
        postgres.and(nats).unwrap();
    }
}

/// Amazon SES, with the account that has [`KEY_ID`] and [`SECRET`].
pub(crate) async fn amazon() -> ses::Handle {
    let account = ses::Account {
        access_key_id: KEY_ID.to_owned(),
        secret_access_key: SECRET.to_owned(),
        session_token: None,
        region: "eu-west-1".to_owned(),
        identities: vec!["example.org".to_owned()],
        configuration_sets: Vec::new(),
    };
    ses::start(ses::Options::default(), account).await.unwrap()
}

/// A URL of a receiver, as programs reach it.
fn through(link: &Link, own: SocketAddr, url: &str) -> String {
    url.replace(&own.to_string(), &link.address().to_string())
}

/// Wires of one program to the servers, and the settings that lead through them.
async fn wires(servers: &EphemeralServers) -> (Link, Link, Vec<(&'static str, String)>) {
    let (database, database_url) = Link::before_database(servers.database_url()).await;
    let (nats, nats_url) = Link::before_nats(servers.nats_url()).await;
    let settings = vec![
        ("TIDINGS_DATABASE_URL", database_url),
        ("TIDINGS_NATS_URL", nats_url),
    ];
    (database, nats, settings)
}

/// Log and vault.
pub(crate) fn store(database_url: &str, master_keys: &MasterKeys) -> Store {
    let pool = pool(database_url);
    let connect = connect_plain(database_url.parse().unwrap());
    let log = Log::open(connect, pool.clone());
    Store::new(log, master_keys.vault(pool))
}

pub(crate) fn pool(url: &str) -> Pool {
    let settings = Settings {
        application_name: CHECKER.to_owned(),
        pool_size_max: 4,
        statement_timeout: None,
    };
    tidings_service::postgres::pool(&Secret::new(url), &settings).unwrap()
}

pub(crate) async fn connect_nats(url: &str) -> async_nats::Client {
    tidings_service::nats::connect(&Secret::new(url), CHECKER)
        .await
        .unwrap()
}
