//! The real program, six kinds of channels at once, one of them down: all of it seen through the API.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tidings_sinks::{RuleId, discord, ses, slack, smtp, webhook};
use tidings_tests::program::Api;
use tidings_tests::program::newsroom::id;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::program;
use crate::world::{KEY_ID, SECRET, amazon};

const READERS: usize = 60;
/// What is urgent is with everybody by then, whatever else is under way.
const URGENT_WITHIN: Duration = Duration::from_secs(5);
/// Two mails each, by SMTP and through Amazon SES, and one message to each of the other four.
const DELIVERIES: i64 = 2 * READERS as i64 + 4;

/// Places in the list of channels.
const MAIL: usize = 0;
const WEBHOOK: usize = 3;
const AMAZON: usize = 5;

/// Who takes nothing for a while.
#[derive(Clone, Copy, Debug)]
enum Down {
    Mail,
    Webhook,
}

impl Down {
    /// Its place in the list of channels, its share of the deliveries, and why its circuit opens.
    fn of_channel(self) -> (usize, i64, &'static str) {
        match self {
            Self::Mail => (MAIL, READERS as i64, "service_unavailable"),
            Self::Webhook => (WEBHOOK, 1, "server_error"),
        }
    }
}

/// Those that are spoken to.
struct Receivers {
    smtp: smtp::Handle,
    slack: slack::Handle,
    discord: discord::Handle,
    webhook: webhook::Handle,
    ses: ses::Handle,
}

impl Receivers {
    async fn start() -> Self {
        let knows = webhook::Receiver {
            secrets: vec![SECRET.to_owned()],
        };
        let webhook = webhook::start(webhook::Options::default(), &knows);
        Self {
            smtp: smtp::start(smtp::Options::default()).await.unwrap(),
            slack: slack::start(slack::Options::default()).await.unwrap(),
            discord: discord::start(discord::Options::default()).await.unwrap(),
            webhook: webhook.await.unwrap(),
            ses: amazon().await,
        }
    }

    fn go_down(&self, down: Down) -> RuleId {
        let why = "down for maintenance";
        match down {
            Down::Mail => {
                let greeting = smtp::Phase::Greeting;
                self.smtp.add_rule(smtp::Rule::reply(greeting, 421, why))
            }
            Down::Webhook => self.webhook.add_rule(webhook::Rule::reply(503, why)),
        }
    }

    fn come_back(&self, down: Down, rule: RuleId) {
        match down {
            Down::Mail => self.smtp.remove_rule(rule),
            Down::Webhook => self.webhook.remove_rule(rule),
        }
    }
}

/// The accounting of a publication; it balances whenever one looks.
async fn accounting(api: &Api, publication: &str) -> Value {
    let path = format!("/api/v1/publications/{publication}/accounting");
    // Published a moment ago, it may not be readable yet.
    let accounting = api.until(&path, |_| true).await;
    let classes = [
        "sent",
        "failed",
        "suppressed",
        "cancelled",
        "in_doubt",
        "pending",
    ];
    let sum: i64 = classes
        .iter()
        .map(|class| accounting[class].as_i64().unwrap())
        .sum();
    assert_eq!(accounting["planned"].as_i64(), Some(sum), "{accounting}");
    assert_eq!(accounting["balanced"], json!(true), "{accounting}");
    accounting
}

/// Waits until so many are sent.
async fn sent(api: &Api, publication: &str, count: i64) -> Value {
    counted(api, publication, "sent", count).await
}

/// Waits until so many are of a class, or planned.
async fn counted(api: &Api, publication: &str, what: &str, count: i64) -> Value {
    loop {
        let accounting = accounting(api, publication).await;
        if accounting[what].as_i64() >= Some(count) {
            return accounting;
        }
        tokio::time::sleep(tidings_tests::program::ASK_AGAIN).await;
    }
}

async fn publish(api: &Api, title: &str, priority: &str, channels: &[String]) -> String {
    let draft = json!({
        "title": title, "markdown": "All is **well**.", "channels": channels, "priority": priority,
    });
    let publication = id(&api.post("/api/v1/publications", &draft).await);
    let path = format!("/api/v1/publications/{publication}/publish");
    api.post(&path, &json!({})).await;
    publication
}

/// One channel of each kind.
async fn configured(api: &Api, receivers: &Receivers) -> Vec<String> {
    let port = receivers.smtp.addr().port();
    let (slack, discord) = (receivers.slack.url("news"), receivers.discord.url("news"));
    let (webhook, ses) = (receivers.webhook.url("in"), receivers.ses.base_url());
    let mut channels = Vec::new();
    for channel in [
        json!({ "kind": "email", "name": "Mail", "settings": {
            "host": "127.0.0.1", "port": port, "encryption": "none",
            "from": "News <news@example.org>",
        }}),
        json!({ "kind": "slack", "name": "Slack", "settings": {},
            "credentials": { "webhook_url": slack } }),
        json!({ "kind": "discord", "name": "Discord", "settings": {},
            "credentials": { "webhook_url": discord } }),
        json!({ "kind": "webhook", "name": "Webhook", "settings": { "url": webhook },
            "credentials": { "secret": SECRET } }),
        json!({ "kind": "file", "name": "Files", "settings": { "folder": "editions" } }),
        json!({ "kind": "ses", "name": "Amazon SES", "settings": {
            "region": "eu-west-1", "endpoint": ses, "from": "News <news@example.org>",
        }, "credentials": { "access_key_id": KEY_ID, "secret_access_key": SECRET } }),
    ] {
        channels.push(id(&api.post("/api/v1/channels", &channel).await));
    }
    channels
}

/// Brings the readers in.
async fn import(api: &Api) {
    let lines: String = (0..READERS)
        .map(|n| format!("reader{n}@example.org\n"))
        .collect();
    let import = api
        .post_csv("/api/v1/imports", format!("email\n{lines}"))
        .await;
    let path = format!("/api/v1/imports/{}", id(&import));
    api.until(&path, |import| import["state"] == json!("completed"))
        .await;
}

fn time(answer: &Value, what: &str) -> OffsetDateTime {
    let text = answer[what]
        .as_str()
        .unwrap_or_else(|| panic!("{what}: {answer}"));
    OffsetDateTime::parse(text, &Rfc3339).unwrap()
}

/// When the last delivery by each channel was sent.
async fn last_sent(api: &Api, publication: &str) -> BTreeMap<String, OffsetDateTime> {
    let path = format!("/api/v1/publications/{publication}/deliveries?class=sent&limit=1000");
    let mut last = BTreeMap::new();
    for delivery in api.all(&path).await {
        let channel = delivery["channel_id"].as_str().unwrap().to_owned();
        let at = time(&delivery, "settled_at");
        let latest = last.entry(channel).or_insert(at);
        *latest = at.max(*latest);
    }
    last
}

/// Publishes something ordinary and, while Amazon SES has most of it still before it, something urgent; both are sent by all
/// who are not down. Gives the two.
async fn publish_both(
    api: &Api,
    receivers: &Receivers,
    channels: &[String],
    down: Down,
) -> [String; 2] {
    let (_, kept_back, _) = down.of_channel();
    let by_amazon = READERS as i64;
    let stall = receivers.ses.add_rule(ses::Rule::new(ses::Action::Stall));
    let news = publish(api, "The ferry", "ordinary", channels).await;
    sent(api, &news, DELIVERIES - kept_back - by_amazon).await;
    let urgent = publish(api, "Storm", "urgent", channels).await;
    counted(api, &urgent, "planned", DELIVERIES).await;
    // Nowhere else held up by it.
    sent(api, &urgent, DELIVERIES - kept_back - by_amazon).await;
    let under_way = accounting(api, &news).await;
    let pending = json!(kept_back + by_amazon);
    assert_eq!(under_way["pending"], pending, "{under_way}");
    receivers.ses.remove_rule(stall);
    receivers.ses.release();
    for publication in [&news, &urgent] {
        let waiting = sent(api, publication, DELIVERIES - kept_back).await;
        assert_eq!(waiting["pending"], json!(kept_back), "{waiting}");
    }
    [news, urgent]
}

/// The urgent one was with everybody in time, and with those first who were to get both.
async fn was_not_held_up(api: &Api, [news, urgent]: &[String; 2], by_amazon: &str) {
    let publication = api.get(&format!("/api/v1/publications/{urgent}")).await;
    let sent = last_sent(api, urgent).await;
    let last = sent.values().max().expect("it was sent");
    let took = *last - time(&publication, "published_at");
    assert!(took < URGENT_WITHIN, "urgent news took {took}: {sent:?}");
    let ordinary = last_sent(api, news).await;
    let (first, second) = (sent[by_amazon], ordinary[by_amazon]);
    assert!(
        first < second,
        "urgent until {first}, ordinary until {second}"
    );
}

/// All others are served, and one waits behind its open circuit until it is back.
async fn five_are_delivered_and_the_sixth_waits(down: Down) {
    let receivers = Receivers::start().await;
    let rule = receivers.go_down(down);
    let loopback = ("TIDINGS_OUTBOUND__ALLOW_LOOPBACK", "true".to_owned());
    let mut program = program(vec![loopback]);
    assert!(program.up(None).await, "it ended at its start");
    let api = program.api();
    let channels = configured(&api, &receivers).await;
    import(&api).await;

    let both = publish_both(&api, &receivers, &channels, down).await;
    was_not_held_up(&api, &both, &channels[AMAZON]).await;

    let (place, kept_back, reason) = down.of_channel();
    let waiting = json!(2 * kept_back);
    let path = format!("/api/v1/channels/{}", channels[place]);
    let waits = |it: &Value| it["state"] == json!("waiting") && it["waiting"] == waiting;
    let health = api.until(&format!("{path}/health"), waits).await;
    assert_eq!(health["circuit_reason"], json!(reason), "{health}");
    let channel = api
        .until(&path, |it| it["circuit"] != json!("closed"))
        .await;
    assert!(channel["probe_at"].is_string(), "{channel}");

    receivers.come_back(down, rule);
    for publication in &both {
        let all = sent(&api, publication, DELIVERIES).await;
        assert_eq!(all["pending"], json!(0), "{all}");
    }
    let mails = [receivers.smtp.count(), receivers.ses.count()];
    assert_eq!(mails, [2 * READERS; 2]);
    let messages = [&receivers.slack, &receivers.discord, &receivers.webhook];
    assert_eq!(messages.map(slack::Handle::count), [2; 3]);
    let health = api
        .until(&path, |it| it["circuit"] == json!("closed"))
        .await;
    assert_eq!(health["circuit_reason"], Value::Null);
    program.verify_views();
    program.verify_log();
    program.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_are_delivered_and_the_sixth_waits_until_it_is_back() {
    five_are_delivered_and_the_sixth_waits(Down::Webhook).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_wait_until_their_server_is_back_and_all_others_are_delivered() {
    five_are_delivered_and_the_sixth_waits(Down::Mail).await;
}
