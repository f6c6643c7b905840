//! What a channel sends with: nobody reads it again who has entered it, and whoever enters another has what waits go on.

use std::time::Duration;

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use tidings_sinks::ses::{self, Account, Refusal};
use tidings_sinks::smtp::{self, Credentials, Phase};
use tidings_sinks::{discord, slack, webhook};
use tidings_tests::house::{Accounting, House};
use tidings_tests::needles::Needles;
use uuid::Uuid;

use super::bounced::{ask, house_commands, page};
use super::desk;

/// None of them stands anywhere else.
const PASSWORD: &str = "zaunkoenig-8d1b-of-mail";
const BOT_TOKEN: &str = "xoxb-zaunkoenig-8d1b-of-bot";
const SLACK_HOOK: &str = "zaunkoenig8d1bOfSlack";
const DISCORD_HOOK: &str = "zaunkoenig8d1bOfDiscord";
const WEBHOOK_KEY: &str = "WmF1bmtvZW5pZy04ZDFiLW9mLXdlYmhvb2s=";
const SES_KEY_ID: &str = "AKIDZAUNKOENIG8D1B";
const SES_KEY: &str = "zaunkoenig/8d1b+of+ses";
const SECRETS: [&str; 7] = [
    PASSWORD,
    BOT_TOKEN,
    SLACK_HOOK,
    DISCORD_HOOK,
    WEBHOOK_KEY,
    SES_KEY_ID,
    SES_KEY,
];
const FROM: &str = "Town Crier <crier@news.example.org>";
/// Less than any channel is left alone that was refused.
const SOON: Duration = Duration::from_secs(60);

/// A receiving side of each kind, which lets in who has the secrets.
struct Receivers {
    smtp: smtp::Handle,
    discord: discord::Handle,
    webhook: webhook::Handle,
    ses: ses::Handle,
}

impl Receivers {
    async fn start(house: &House) -> Self {
        let knows = webhook::Receiver {
            secrets: vec![format!("whsec_{WEBHOOK_KEY}")],
        };
        let account = Account {
            access_key_id: SES_KEY_ID.to_owned(),
            secret_access_key: SES_KEY.to_owned(),
            session_token: None,
            region: "eu-west-1".to_owned(),
            identities: vec!["example.org".to_owned()],
            configuration_sets: vec![],
        };
        Self {
            smtp: mail_server(PASSWORD).await,
            discord: discord::start(house.sink_options()).await.unwrap(),
            webhook: webhook::start(house.sink_options(), &knows).await.unwrap(),
            ses: ses::start(house.sink_options(), account).await.unwrap(),
        }
    }

    /// A channel to each, as somebody enters it.
    fn channels(&self, house: &House) -> [Value; 6] {
        let secret = format!("whsec_{WEBHOOK_KEY}");
        let slack_url = house.slack.url(SLACK_HOOK);
        [
            json!({ "kind": "email", "name": "Mail", "settings": mail_settings(&self.smtp),
                "credentials": { "username": "post", "password": PASSWORD } }),
            json!({ "kind": "ses", "name": "SES",
                "settings": { "region": "eu-west-1", "endpoint": self.ses.base_url(),
                    "from": "News <news@example.org>" },
                "credentials": { "access_key_id": SES_KEY_ID, "secret_access_key": SES_KEY } }),
            json!({ "kind": "slack", "name": "Slack", "settings": {},
                "credentials": { "webhook_url": slack_url } }),
            json!({ "kind": "slack", "name": "Bot", "settings": bot_settings(house),
                "credentials": { "bot_token": BOT_TOKEN } }),
            json!({ "kind": "discord", "name": "Discord", "settings": {},
                "credentials": { "webhook_url": self.discord.url(DISCORD_HOOK) } }),
            json!({ "kind": "webhook", "name": "Webhook", "settings": { "url": self.webhook.url("in") },
                "credentials": { "secret": secret } }),
        ]
    }

    /// From now on nobody is let in.
    fn refuse(&self, house: &House) {
        let wrong = smtp::Rule::reply(Phase::MailFrom, 535, "5.7.8 who are you?");
        self.smtp.add_rule(wrong);
        self.ses.add_rule(Refusal::ACCOUNT_SUSPENDED.rule());
        for sink in [&house.slack, &self.discord, &self.webhook] {
            sink.add_rule(slack::Rule::reply(401, "who are you?"));
        }
    }
}

/// A mail server that lets in who has this password.
async fn mail_server(password: &str) -> smtp::Handle {
    let auth = Credentials {
        user: "post".to_owned(),
        password: password.to_owned(),
    };
    let options = smtp::Options {
        auth: Some(auth),
        ..smtp::Options::default()
    };
    smtp::start(options).await.unwrap()
}

fn mail_settings(server: &smtp::Handle) -> Value {
    json!({ "host": "127.0.0.1", "port": server.addr().port(), "encryption": "none", "from": FROM })
}

fn bot_settings(house: &House) -> Value {
    json!({ "channel": "C0NEWS", "api_url": house.slack.api_url() })
}

async fn configured(house: &House, channel: &Value) -> Uuid {
    let request = TestRequest::post().uri("/api/v1/channels");
    let request = request.insert_header(("idempotency-key", channel["name"].as_str().unwrap()));
    let (status, answer) = ask(house, house_commands(house), request.set_json(channel)).await;
    assert_eq!(status, 201, "{answer}");
    answer["id"].as_str().unwrap().parse().unwrap()
}

/// Everything that the API says of these channels and publications.
async fn all_that_is_said(house: &House, channels: &[Uuid], publications: &[Uuid]) -> Vec<String> {
    let mut paths = vec!["/api/v1/channels".to_owned()];
    paths.extend(channels.iter().map(|id| format!("/api/v1/channels/{id}")));
    for id in publications {
        for about in ["", "/accounting", "/deliveries"] {
            paths.push(format!("/api/v1/publications/{id}{about}"));
        }
    }
    let mut said = Vec::new();
    for path in &paths {
        let (status, text) = page(house, house_commands(house), TestRequest::get().uri(path)).await;
        assert_eq!(status, 200, "{path}: {text}");
        said.push(text);
    }
    for id in channels {
        let path = format!("/api/v1/channels/{id}/health");
        said.push(desk::get(house, &path).await.1.to_string());
        let preview = format!(
            "/api/v1/publications/{}/preview?channel_id={id}",
            publications[0]
        );
        said.push(desk::get(house, &preview).await.1.to_string());
    }
    said
}

/// What a message to try each channel comes to.
async fn tried(house: &House, channels: &[Uuid]) -> Vec<Value> {
    let mut answers = Vec::new();
    for (n, id) in channels.iter().enumerate() {
        // The first two write to somebody.
        let to = if n < 2 {
            json!({ "to": "me@example.net" })
        } else {
            json!({})
        };
        let path = format!("/api/v1/channels/{id}/test");
        answers.push(desk::post(house, &path, to).await.1);
    }
    answers
}

/// Answers to requests that bring a secret and are wrong.
async fn refusals(house: &House, channel: Uuid) -> Vec<String> {
    let path = format!("/api/v1/channels/{channel}");
    let put = || TestRequest::put().uri(&path);
    let post = || TestRequest::post().uri("/api/v1/channels");
    let credentials = json!({ "password": PASSWORD });
    let torn = put().insert_header(("content-type", "application/json"));
    let requests = vec![
        put().set_json(json!({ "name": "", "settings": {}, "credentials": credentials })),
        put().set_json(json!({ "name": "Mail", "settings": {}, "credentials": PASSWORD })),
        post().set_json(json!({ "kind": "email", "name": "Mail", "settings": {},
            "credentials": [PASSWORD] })),
        post().set_json(json!({ "kind": "email", "name": { "password": PASSWORD } })),
        torn.set_payload(format!(r#"{{ "credentials": {{ "password": "{PASSWORD}"#)),
    ];
    let mut said = Vec::new();
    for request in requests {
        let (status, text) = page(house, house_commands(house), request).await;
        assert!((400..500).contains(&status), "{status}: {text}");
        said.push(text);
    }
    said
}

/// The tables with such words, each with one.
async fn tables_with(house: &House, needles: &Needles) -> Vec<String> {
    let client = house.platform.pool.get().await.unwrap();
    let tables = "select format('%I.%I', schemaname, tablename) from pg_tables \
                  where schemaname not in ('pg_catalog', 'information_schema')";
    let mut found = Vec::new();
    for table in client.query(tables, &[]).await.unwrap() {
        let table: String = table.get(0);
        let rows = format!("select t::text from {table} t");
        for row in client.query(&rows, &[]).await.unwrap() {
            let row: String = row.get(0);
            let within = needles.within(row.as_bytes());
            found.extend(
                within
                    .iter()
                    .map(|(word, as_it)| format!("{table}: {word} {as_it}")),
            );
        }
    }
    found
}

#[actix_web::test]
async fn what_a_channel_sends_with_is_told_to_nobody_and_stands_nowhere_in_the_clear() {
    let house = House::start().await;
    let receivers = Receivers::start(&house).await;
    house.subscriber("ada@example.org").await;
    let mut channels = Vec::new();
    for channel in receivers.channels(&house) {
        channels.push(configured(&house, &channel).await);
    }
    let taken = house.publish("The ferry", "It runs.", &channels).await;
    house.platform.settle().await;
    assert_eq!(
        house.accounting(taken).await.sent,
        6,
        "each secret is right"
    );
    receivers.refuse(&house);
    let refused = house.publish("Storm", "It does not.", &channels).await;
    house.platform.settle().await;
    assert_eq!(house.accounting(refused).await.pending, 6);

    let mut said = all_that_is_said(&house, &channels, &[taken, refused]).await;
    said.extend(refusals(&house, channels[0]).await);
    let unwelcome = tried(&house, &channels).await;
    for sink in [&house.slack, &receivers.discord, &receivers.webhook] {
        sink.stop().await;
    }
    house.platform.clock.advance(SOON);
    let unreached = tried(&house, &channels).await;
    for answer in unwelcome.iter().chain(&unreached) {
        assert_eq!(answer["outcome"], "deferred", "{answer}");
        said.push(answer.to_string());
    }
    for answer in &unreached[2..] {
        assert_eq!(answer["reason"], "connect_failed", "{answer}");
    }
    let secrets = Needles::new(&SECRETS);
    for text in said {
        assert_eq!(secrets.within(text.as_bytes()).len(), 0, "{text}");
    }
    let found = tables_with(&house, &secrets).await;
    assert_eq!(found, <[String; 0]>::default());
    // What is no secret is found.
    let open = Needles::new(&["crier@news.example.org"]);
    assert!(!tables_with(&house, &open).await.is_empty());
}

/// Enters other credentials, with the same settings.
async fn enter(house: &House, channel: Uuid, settings: Value, credentials: Value) {
    let path = format!("/api/v1/channels/{channel}");
    let body = json!({ "name": "News", "settings": settings, "credentials": credentials });
    let request = TestRequest::put().uri(&path).set_json(body);
    let (status, answer) = ask(house, house_commands(house), request).await;
    assert_eq!(status, 200, "{answer}");
}

/// What waits, and for what its one attempt was refused: nothing is tried again soon.
async fn waits(house: &House, id: Uuid, reason: &str) {
    for _ in 0..2 {
        house.platform.settle().await;
        let accounting = house.accounting(id).await;
        assert_eq!(accounting.pending, accounting.planned);
        house.platform.clock.advance(SOON);
    }
    let path = format!("/api/v1/publications/{id}/deliveries");
    let (_, page) = ask(house, house_commands(house), TestRequest::get().uri(&path)).await;
    let all = page["items"].as_array().unwrap();
    assert!(all.iter().any(|it| it["reason"] == reason), "{page}");
}

/// All of it goes out, within seconds, and nobody has had to enable the channel.
async fn goes_on(house: &House, channel: Uuid, id: Uuid) {
    for _ in 0..2 {
        house.platform.clock.advance(Duration::from_secs(5));
        house.platform.settle().await;
    }
    let accounting = house.accounting(id).await;
    let sent = Accounting {
        planned: accounting.planned,
        sent: accounting.planned,
        ..Accounting::default()
    };
    assert_eq!(accounting, sent);
    let log = house.platform.store.log();
    let events = log.stream(channel).await.unwrap();
    let enabled = events.iter().any(|it| it.event_type == "channel.Enabled");
    assert!(!enabled);
}

#[actix_web::test]
async fn what_waits_for_a_password_goes_out_as_soon_as_the_right_one_is_entered() {
    let house = House::start().await;
    for n in 0..3 {
        house.subscriber(&format!("reader{n}@example.org")).await;
    }
    let server = mail_server("the new one").await;
    let settings = mail_settings(&server);
    let login = |password: &str| json!({ "username": "post", "password": password });
    let before = Some(login("the old one"));
    let channel = house.channel("email", settings.clone(), before).await;
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    waits(&house, id, "authentication_refused").await;
    enter(&house, channel, settings, login("the new one")).await;
    goes_on(&house, channel, id).await;
    assert_eq!(server.count(), 3);
}

#[actix_web::test]
async fn what_waits_for_a_bots_token_goes_out_as_soon_as_the_right_one_is_entered() {
    let house = House::start().await;
    let token = |token: &str| json!({ "bot_token": token });
    let settings = bot_settings(&house);
    let revoked = Some(token("xoxb-revoked"));
    let channel = house.channel("slack", settings.clone(), revoked).await;
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    waits(&house, id, "token_refused").await;
    enter(&house, channel, settings, token(BOT_TOKEN)).await;
    goes_on(&house, channel, id).await;
    assert_eq!(house.slack.count(), 1);
}
