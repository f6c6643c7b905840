//! The real program, six kinds of channels at once, one of them down: all of it seen through the API.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidings_sinks::{discord, slack, smtp, webhook};
use tidings_tests::program::Api;
use tidings_tests::program::newsroom::id;

use crate::program;
use crate::world::{KEY_ID, SECRET, amazon};

const READERS: usize = 20;
/// Urgent news does not wait for what is tried again, which is 30 s later at the earliest.
const URGENT_WITHIN: Duration = Duration::from_secs(20);
/// Two mails each, by SMTP and through Amazon SES, and one message to each of the other four.
const DELIVERIES: i64 = 2 * READERS as i64 + 4;

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
    accounting
}

/// Waits until so many are sent.
async fn sent(api: &Api, publication: &str, count: i64) -> Value {
    loop {
        let accounting = accounting(api, publication).await;
        if accounting["sent"].as_i64() >= Some(count) {
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

/// One channel of each kind: an SMTP server's port, and the URLs of the others.
async fn configured(api: &Api, [smtp, slack, discord, webhook, ses]: [String; 5]) -> Vec<String> {
    let port: u16 = smtp.parse().unwrap();
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

#[tokio::test(flavor = "multi_thread")]
async fn five_are_delivered_and_the_sixth_waits_until_it_is_back() {
    let smtp = smtp::start(smtp::Options::default()).await.unwrap();
    let slack = slack::start(slack::Options::default()).await.unwrap();
    let discord = discord::start(discord::Options::default()).await.unwrap();
    let ses = amazon().await;
    let knows = webhook::Receiver {
        secrets: vec![SECRET.to_owned()],
    };
    let webhook = webhook::start(webhook::Options::default(), &knows)
        .await
        .unwrap();
    let down = webhook.add_rule(webhook::Rule::reply(503, "down for maintenance"));
    let loopback = ("TIDINGS_OUTBOUND__ALLOW_LOOPBACK", "true".to_owned());
    let mut program = program(vec![loopback]);
    assert!(program.up(None).await, "it ended at its start");
    let api = program.api();

    let channels = configured(
        &api,
        [
            smtp.addr().port().to_string(),
            slack.url("news"),
            discord.url("news"),
            webhook.url("in"),
            ses.base_url(),
        ],
    )
    .await;
    import(&api).await;

    let news = publish(&api, "The ferry", "ordinary", &channels).await;
    let waiting = sent(&api, &news, DELIVERIES - 1).await;
    assert_eq!(waiting["pending"], json!(1), "{waiting}");
    // Made while that one is down, and nowhere else held up by it.
    let begun = Instant::now();
    let urgent = publish(&api, "Storm", "urgent", &channels).await;
    sent(&api, &urgent, DELIVERIES - 1).await;
    let took = begun.elapsed();
    assert!(took < URGENT_WITHIN, "urgent news took {took:?}");

    let path = format!("/api/v1/channels/{}/health", channels[3]);
    let health = api
        .until(&path, |health| {
            health["state"] == json!("waiting") && health["waiting"] == json!(2)
        })
        .await;
    assert_eq!(
        (&health["circuit_reason"], &health["waiting"]),
        (&json!("server_error"), &json!(2)),
        "{health}"
    );
    let path = format!("/api/v1/channels/{}", channels[3]);
    let channel = api
        .until(&path, |it| it["circuit"] != json!("closed"))
        .await;
    assert!(channel["probe_at"].is_string(), "{channel}");

    webhook.remove_rule(down);
    for publication in [&news, &urgent] {
        let all = sent(&api, publication, DELIVERIES).await;
        assert_eq!(all["pending"], json!(0), "{all}");
    }
    assert_eq!(webhook.count(), 2);
    assert_eq!(
        (smtp.count(), ses.count(), slack.count(), discord.count()),
        (2 * READERS, 2 * READERS, 2, 2)
    );
    let health = api
        .until(&path, |it| it["circuit"] == json!("closed"))
        .await;
    assert_eq!(health["circuit_reason"], Value::Null);
    program.verify_views();
    program.verify_log();
    program.stop().await;
}
