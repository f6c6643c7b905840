//! Everything one run has: servers, the program over them, receivers of mail, Slack messages and files,
//! and what callers were told. One seed decides all of its chances.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use base64::Engine as _;
use deadpool_postgres::Pool;
use serde_json::Value;
use tidings_event_store::session::connect_plain;
use tidings_event_store::stream::StreamName;
use tidings_event_store::vault::{MasterKey, Vault};
use tidings_event_store::{Log, ReadError, Store};
use tidings_servers::template::EphemeralServers;
use tidings_service::config::Secret;
use tidings_service::postgres::Settings;
use tidings_sinks::{slack, smtp};
use tidings_tests::MASTER_KEY;
use tidings_tests::checker::deliveries::Received;
use tidings_tests::checker::{Evidence, Told, safe, settled};
use tidings_tests::dice::Dice;
use tidings_tests::link::Link;
use tidings_tests::program::{ASK_AGAIN, Program};
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use crate::program;

/// Addresses whose mail server says "later" for ever, and "never".
pub(crate) const LATER: &str = "@later.example";
pub(crate) const NEVER: &str = "@never.example";
/// Folder of the file channel, and webhook of the Slack channel.
pub(crate) const FOLDER: &str = "editions";
pub(crate) const WEBHOOK: &str = "news";

/// What this process calls itself to the servers.
const CHECKER: &str = "tidings checker";
/// Looks at a database that is there after all.
const LOOKS_MAX: usize = 200;

/// One run.
pub(crate) struct World {
    pub(crate) seed: u64,
    // Before the servers: it ends while they still run.
    pub(crate) program: Program,
    pub(crate) smtp: smtp::Handle,
    pub(crate) slack: slack::Handle,
    /// Between the program and its database, nats-server and mail server.
    pub(crate) links: Links,
    /// Log and vault, past every wire.
    pub(crate) store: Store,
    pub(crate) nats: async_nats::Client,
    pub(crate) servers: EphemeralServers,
    settings: Vec<(&'static str, String)>,
    known: Mutex<Known>,
}

pub(crate) struct Links {
    pub(crate) database: Link,
    pub(crate) nats: Link,
    pub(crate) smtp: Link,
}

/// What the run has led to so far, as its callers know it.
#[derive(Default)]
pub(crate) struct Known {
    /// Rounds that were begun.
    pub(crate) rounds: usize,
    pub(crate) told: Vec<Told>,
    /// Publications by title.
    pub(crate) titles: BTreeMap<String, Uuid>,
    /// Channels by kind.
    pub(crate) channels: BTreeMap<&'static str, Uuid>,
    pub(crate) shredded: Vec<Uuid>,
    /// Where the file channels of all programs write.
    files: Vec<PathBuf>,
}

impl World {
    /// A new one; the program does not run yet.
    pub(crate) async fn new(seed: u64) -> Self {
        Self::with(seed, Vec::new()).await
    }

    /// The same with other settings of the program.
    pub(crate) async fn with(seed: u64, settings: Vec<(&'static str, String)>) -> Self {
        let servers = EphemeralServers::start().await.unwrap();
        let (database, database_url) = Link::before_database(servers.database_url()).await;
        let (nats, nats_url) = Link::before_nats(servers.nats_url()).await;
        let smtp_sink = smtp::start(smtp::Options {
            keep: smtp::Keep::Headers,
            rules: vec![
                smtp::Rule::reply(smtp::Phase::RcptTo, 450, "4.7.1 come back later")
                    .to_ending(LATER),
                smtp::Rule::reply(smtp::Phase::RcptTo, 550, "5.1.1 nobody here").to_ending(NEVER),
            ],
            ..smtp::Options::default()
        });
        let smtp_sink = smtp_sink.await.unwrap();
        let slack = slack::start(slack::Options {
            rate_limit: None,
            ..slack::Options::default()
        });
        let links = Links {
            database,
            nats,
            smtp: Link::before(smtp_sink.addr()).await,
        };
        let mut all = vec![
            ("TIDINGS_DATABASE_URL", database_url),
            ("TIDINGS_NATS_URL", nats_url),
            (
                "TIDINGS_MASTER_KEY",
                base64::engine::general_purpose::STANDARD.encode(MASTER_KEY),
            ),
            ("TIDINGS_OUTBOUND__ALLOW_LOOPBACK", "true".to_owned()),
            ("TIDINGS_DATABASE__POOL_SIZE_MAX", "8".to_owned()),
        ];
        all.extend(settings);
        let pool = pool(servers.database_url());
        let connect = connect_plain(servers.database_url().parse().unwrap());
        let log = Log::open(connect, pool.clone());
        let vault = Vault::new(pool, MasterKey::new(&MASTER_KEY).unwrap());
        let program = program(all.clone());
        let known = Known {
            files: vec![program.files()],
            ..Known::default()
        };
        Self {
            seed,
            program,
            settings: all,
            smtp: smtp_sink,
            slack: slack.await.unwrap(),
            links,
            store: Store::new(log, vault),
            nats: connect_nats(servers.nats_url()).await,
            servers,
            known: Mutex::new(known),
        }
    }

    /// A second program beside the first. It does not run yet.
    pub(crate) fn another_program(&self) -> Program {
        let program = program(self.settings.clone());
        self.known().files.push(program.files());
        program
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

    /// What must hold at every moment, while the program is dead.
    pub(crate) async fn check_safe(&self) {
        let Some(stream) = self.stream().await else {
            return; // It died before there was a log.
        };
        self.sessions_end().await;
        let (copies, told, shredded) = self.journals();
        let evidence = self.evidence(&stream, &copies, &told, &shredded);
        safe(&evidence).await;
    }

    /// What must hold once all has settled.
    pub(crate) async fn check_settled(&self) {
        let stream = self.stream().await.expect("a log");
        let (copies, told, shredded) = self.journals();
        let evidence = self.evidence(&stream, &copies, &told, &shredded);
        settled(&evidence).await;
        self.program.verify_views();
        self.program.verify_log();
    }

    /// Waits until the database has noticed: a commit that was on its way is carried out all the same.
    async fn sessions_end(&self) {
        let sql = "select count(*) from pg_stat_activity \
             where application_name like 'tidings%' and application_name <> $1";
        for _ in 0..LOOKS_MAX {
            let client = self.store.log().pool().get().await.unwrap();
            let row = client.query_one(sql, &[&CHECKER]).await.unwrap();
            if row.get::<_, i64>(0) == 0 {
                return;
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
        panic!("sessions of a dead program live on");
    }

    fn evidence<'a>(
        &'a self,
        stream: &'a StreamName,
        copies: &'a [Received],
        told: &'a [Told],
        shredded: &'a [Uuid],
    ) -> Evidence<'a> {
        Evidence {
            log: self.store.log(),
            nats: &self.nats,
            stream,
            copies,
            told,
            shredded,
        }
    }

    /// Every copy any receiver has, and what callers were told.
    fn journals(&self) -> (Vec<Received>, Vec<Told>, Vec<Uuid>) {
        let known = self.known();
        let channel = |kind: &str| known.channels.get(kind).copied().unwrap_or_default();
        let mails = self.smtp.messages();
        let mut copies: Vec<Received> = mails
            .iter()
            .map(|mail| {
                let id = mail.message_id.as_deref().unwrap().trim_start_matches('<');
                Received::Delivery(id.split('@').next().unwrap().parse().unwrap())
            })
            .collect();
        for message in self.slack.messages() {
            let titles = known.titles.iter();
            let mut of_title = titles.filter(|(title, _)| message.text().contains(title.as_str()));
            let (_, publication_id) = of_title.next().expect("it names what was published");
            copies.push(Received::Broadcast {
                publication_id: *publication_id,
                channel_id: channel("slack"),
            });
        }
        let folders = known.files.iter();
        let files = folders.filter_map(|folder| fs::read_dir(folder.join(FOLDER)).ok());
        for file in files.flatten() {
            let name = file.unwrap().file_name().into_string().unwrap();
            // A draft that a kill left behind is not there as far as a reader is concerned.
            if let Some(id) = name.strip_suffix(".eml") {
                copies.push(Received::Broadcast {
                    publication_id: id.parse().unwrap(),
                    channel_id: channel("file"),
                });
            }
        }
        (copies, known.told.clone(), known.shredded.clone())
    }
}

pub(crate) fn pool(url: &str) -> Pool {
    let settings = Settings {
        application_name: CHECKER.to_owned(),
        pool_size_max: 4,
        statement_timeout: None,
    };
    tidings_service::postgres::pool(&Secret::new(url), &settings).unwrap()
}

async fn connect_nats(url: &str) -> async_nats::Client {
    tidings_service::nats::connect(&Secret::new(url), CHECKER)
        .await
        .unwrap()
}
