//! What a run is checked for: right after a death, and when all has settled.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;

use serde_json::{Value, json};
use tidings_domain::subscriber::Subscriber;
use tidings_event_store::stream::StreamName;
use tidings_event_store::vault::Vault;
use tidings_event_store::{Recorded, Store};
use tidings_sinks::{ses, slack, webhook};
use tidings_tests::checker::deliveries::Received;
use tidings_tests::checker::readers::Handed;
use tidings_tests::checker::{Evidence, Told, safe, settled};
use tidings_tests::program::ASK_AGAIN;
use uuid::Uuid;

use crate::world::{BOTS_CHANNEL, CHECKER, FOLDER, Known, LOOKS_MAX, World};

/// All there is to see of a run, in the hands of whoever checks it.
struct Seen {
    vault: Vault,
    stream: StreamName,
    copies: Vec<Received>,
    files: Vec<Handed>,
    told: Vec<Told>,
    shredded: Vec<Uuid>,
}

impl World {
    /// What must hold at every moment, while the program is dead.
    pub(crate) async fn check_safe(&self) {
        let Some(stream) = self.stream().await else {
            return; // It died before there was a log.
        };
        self.sessions_end().await;
        let seen = self.seen(stream).await;
        safe(&self.evidence(&seen)).await;
    }

    /// What must hold once all has settled.
    pub(crate) async fn check_settled(&self) {
        self.log_and_journals_are_settled().await;
        self.who_left_in_time_got_nothing().await;
        self.program.verify_views();
        self.program.is_witnessed().await;
        self.program.verify_whole_log().await;
    }

    /// Gives the log.
    pub(crate) async fn log_and_journals_are_settled(&self) -> Vec<Recorded> {
        let stream = self.stream().await.expect("a log");
        let seen = self.seen(stream).await;
        settled(&self.evidence(&seen)).await
    }

    /// Nothing was attempted to whoever left while their delivery waited, and the log says why. What was cancelled as
    /// well may say that instead.
    async fn who_left_in_time_got_nothing(&self) {
        let left = self.known().left_in_time.clone();
        let of_type = async |name: &str| -> BTreeSet<Uuid> {
            let sql = format!("select stream_id from publishing_events where type = '{name}'");
            self.of_log(&sql).await.into_iter().collect()
        };
        let attempted = of_type("delivery.Attempted").await;
        let suppressed = of_type("delivery.Suppressed").await;
        let wrong: Vec<_> = left.iter().filter(|it| attempted.contains(it)).collect();
        assert!(wrong.is_empty(), "attempted after they left: {wrong:?}");
        let right = left.iter().any(|it| suppressed.contains(it));
        assert!(left.is_empty() || right, "none of {left:?} is suppressed");
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

    fn evidence<'a>(&'a self, seen: &'a Seen) -> Evidence<'a> {
        Evidence {
            log: self.store.log(),
            vault: &seen.vault,
            nats: &self.nats,
            stream: &seen.stream,
            copies: &seen.copies,
            files: &seen.files,
            told: &seen.told,
            shredded: &seen.shredded,
        }
    }

    /// Every copy any receiver has, what callers were told, and what readers are called.
    async fn seen(&self, stream: StreamName) -> Seen {
        let mut copies = self.copies();
        let known = self.known();
        for lost in &known.of_what_is_lost {
            let known = copies.iter().position(|copy| copy == lost);
            copies.swap_remove(known.expect("what a receiver has it keeps"));
        }
        Seen {
            vault: self.fresh_vault(),
            stream,
            copies,
            files: known.files.clone(),
            told: known.told.clone(),
            shredded: known.shredded.clone(),
        }
    }

    /// Every copy any receiver has.
    pub(crate) fn copies(&self) -> Vec<Received> {
        let known = self.known();
        let mut copies = Received::mails_at(&self.smtp);
        copies.extend(self.slack_messages(&known));
        copies.extend(self.discord_messages(&known));
        copies.extend(self.webhook_messages(&known));
        copies.extend(mails_by_amazon(&self.ses));
        copies.extend(files(&known));
        copies
    }

    /// The address that everybody who ever signed up has now, opened from their own stream while that can be done.
    pub(crate) async fn addresses(&self) -> HashMap<Uuid, String> {
        let sql = "select stream_id from publishing_events where type = 'subscriber.SignedUp'";
        let readers = self.of_log(sql).await;
        let erased = self.known().erased.clone();
        addresses(&self.store, &readers, &erased).await
    }

    fn slack_messages(&self, known: &Known) -> Vec<Received> {
        let messages = self.slack.messages();
        let copy = |message: &slack::Message| {
            let mut titles = known.titles.iter();
            let of_title = titles.find(|(title, _)| message.text().contains(title.as_str()));
            let (_, publication_id) = of_title.expect("it names what was published");
            let kind = match message.webhook == BOTS_CHANNEL {
                true => "slack_bot",
                false => "slack",
            };
            broadcast(known, kind, *publication_id)
        };
        messages.iter().map(|it| copy(it)).collect()
    }

    fn discord_messages(&self, known: &Known) -> Vec<Received> {
        let messages = self.discord.messages();
        let copy = |payload: &Value| {
            let title = payload["embeds"][0]["title"].as_str().unwrap();
            broadcast(known, "discord", known.titles[title])
        };
        messages.iter().map(|it| copy(&it.payload)).collect()
    }

    fn webhook_messages(&self, known: &Known) -> Vec<Received> {
        let messages = self.webhook.messages();
        let copy = |event: &webhook::Message| {
            let data = &event.payload["data"];
            // By which the receiver knows a copy.
            assert_eq!(data["delivery_id"], json!(event.id));
            let id = data["publication_id"].as_str().unwrap();
            broadcast(known, "webhook", id.parse().unwrap())
        };
        messages.iter().map(|it| copy(it)).collect()
    }
}

/// The addresses of readers, opened from their own streams while that can be done.
async fn addresses(
    store: &Store,
    readers: &[Uuid],
    erased: &BTreeMap<Uuid, String>,
) -> HashMap<Uuid, String> {
    let loaded = store.load_many::<Subscriber>(readers).await.unwrap();
    let address = |id: Uuid, reader: &Subscriber| {
        let email = &reader.profile().expect("they signed up").email;
        match email.known() {
            Some(email) => email.normalized(),
            None => erased[&id].clone(),
        }
    };
    let addresses = loaded.iter();
    addresses
        .map(|it| (it.id, address(it.id, &it.state)))
        .collect()
}

/// Every mail that Amazon SES has.
fn mails_by_amazon(server: &ses::Handle) -> Vec<Received> {
    let mails = server.messages();
    let copy = |mail: &ses::Message| {
        let tags = mail.payload["EmailTags"].as_array().unwrap();
        let of_delivery = |tag: &&Value| tag["Name"] == json!("tidings-delivery");
        let tag = tags
            .iter()
            .find(of_delivery)
            .expect("it names its delivery");
        Received::Mail {
            delivery_id: tag["Value"].as_str().unwrap().parse().unwrap(),
            mailbox: mail.webhook.to_ascii_lowercase(),
        }
    };
    mails.iter().map(|mail| copy(mail)).collect()
}

fn files(known: &Known) -> Vec<Received> {
    let mut copies = Vec::new();
    let folders = known.folders.iter();
    let files = folders.filter_map(|folder| fs::read_dir(folder.join(FOLDER)).ok());
    for file in files.flatten() {
        let name = file.unwrap().file_name().into_string().unwrap();
        // A draft that a kill left behind is not there as far as a reader is concerned.
        if let Some(id) = name.strip_suffix(".eml") {
            copies.push(broadcast(known, "file", id.parse().unwrap()));
        }
    }
    copies
}

fn broadcast(known: &Known, kind: &str, publication_id: Uuid) -> Received {
    Received::Broadcast {
        publication_id,
        channel_id: known.channels.get(kind).copied().unwrap_or_default(),
    }
}
