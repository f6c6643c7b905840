//! Publications to the channels that take one message each, and how long they wait for it.

use std::time::Duration;

use actix_web::http::header;
use actix_web::test::TestRequest;
use serde_json::json;
use tidings_domain::channel::Channel;
use tidings_domain::publication::Command;
use tidings_domain::value::Code;
use tidings_proto::Event;
use tidings_sinks::{discord, slack, webhook};
use tidings_tests::house::{Accounting, House};
use uuid::Uuid;

use super::bounced::{ask, house_commands};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn unlimited(house: &House) -> webhook::Options {
    let clock = house.platform.clock.clock();
    webhook::Options {
        rate_limit: webhook::Limit::None,
        clock: tidings_sinks::Clock::from_fn(move || clock.now()),
        ..webhook::Options::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn goes_to_discord_a_bot_and_a_webhook_and_their_ids_are_on_record() {
    let house = House::start().await;
    let discord = discord::start(unlimited(&house)).await.unwrap();
    let knows = webhook::Receiver {
        secrets: vec![SECRET.to_owned()],
    };
    let webhook = webhook::start(unlimited(&house), &knows).await.unwrap();
    let settings = json!({"channel": "C0NEWS", "api_url": house.slack.api_url()});
    let credentials = |name: &str, value: &str| Some(json!({ name: value }));
    let channels = [
        house
            .channel(
                "discord",
                json!({}),
                credentials("webhook_url", &discord.url("news")),
            )
            .await,
        house
            .channel("slack", settings, credentials("bot_token", "xoxb-1"))
            .await,
        house
            .channel(
                "webhook",
                json!({"url": webhook.url("in")}),
                credentials("secret", SECRET),
            )
            .await,
    ];
    let id = house.publish("The ferry", "It **runs**.", &channels).await;
    house.platform.settle().await;
    let all_sent = Accounting {
        planned: 3,
        sent: 3,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, all_sent);

    let log = house.platform.store.log();
    let events = log.page_after(0, 1_000).await.unwrap();
    let mut ids: Vec<String> = events
        .iter()
        .filter_map(|event| match event.decode().unwrap() {
            Event::DeliverySent(sent) => Some(sent.provider_message_id),
            _ => None,
        })
        .collect();
    ids.sort_unstable();
    let by_bot = format!("C0NEWS/{}", house.slack.messages()[0].id);
    let mut expected = [String::new(), discord.messages()[0].id.clone(), by_bot];
    expected.sort_unstable();
    assert_eq!(ids, expected);
    assert_eq!(
        webhook.messages()[0].payload["data"]["publication_id"],
        id.to_string()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channels_pace_opens_no_attempt_early_and_holds_up_neither_others_nor_a_cancellation() {
    let house = House::start().await;
    let slow = house.slack_channel("slow").await;
    let other = house.slack_channel("other").await;
    let first = house.publish("First", "text", &[slow]).await;
    house.platform.settle().await;
    assert_eq!(house.accounting(first).await.sent, 1);

    let both = house.publish("Second", "text", &[slow, other]).await;
    house.platform.settle().await;
    let waiting = Accounting {
        planned: 2,
        sent: 1,
        pending: 1,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(both).await, waiting);
    let log = house.platform.store.log();
    let events = log.page_after(0, 1_000).await.unwrap();
    let attempts = events
        .iter()
        .filter(|event| event.event_type == "delivery.Attempted");
    assert_eq!(attempts.count(), 2);

    let unwanted = house.publish("Third", "text", &[slow]).await;
    house.platform.settle().await;
    house
        .publication(unwanted, || Command::Cancel {
            reason: Code::from_static("wrong_text"),
        })
        .await;
    house.platform.settle().await;
    assert_eq!(house.accounting(unwanted).await.cancelled, 1);
    assert_eq!(house.accounting(both).await, waiting);

    house.platform.clock.advance(Duration::from_secs(1));
    house.platform.settle().await;
    assert_eq!(house.accounting(both).await.sent, 2);
    assert_eq!(house.slack.by_webhook("slow").len(), 2);
}

/// A webhook that answers as the rule says to three publications, and what days of hourly looks make of it.
async fn after_days(answer: webhook::Rule, days: u64) -> (House, Uuid) {
    let (house, _sink, channel) = with_webhook(answer).await;
    for title in ["First", "Second", "Third"] {
        house.publish(title, "text", &[channel]).await;
    }
    hours(&house, 24 * days).await;
    (house, channel)
}

/// Lets hours pass, one by one.
async fn hours(house: &House, hours: u64) {
    house.platform.settle().await;
    for _ in 0..hours {
        house.platform.clock.advance(Duration::from_secs(3_600));
        house.platform.settle().await;
    }
}

/// A webhook that answers as the rule says.
async fn with_webhook(answer: webhook::Rule) -> (House, webhook::Handle, Uuid) {
    let house = House::start().await;
    let knows = webhook::Receiver {
        secrets: vec![SECRET.to_owned()],
    };
    let sink = webhook::start(unlimited(&house), &knows).await.unwrap();
    sink.add_rule(answer);
    let settings = json!({"url": sink.url("in")});
    let secret = Some(json!({ "secret": SECRET }));
    let channel = house.channel("webhook", settings, secret).await;
    (house, sink, channel)
}

async fn state(house: &House, channel: Uuid) -> Channel {
    let store = &house.platform.store;
    store.load::<Channel>(channel).await.unwrap().state
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_says_it_is_gone_is_left_alone() {
    let (house, channel) = after_days(webhook::Rule::reply(410, "gone"), 0).await;
    let state = state(&house, channel).await;
    assert!(matches!(state, Channel::Disabled { reason, .. } if reason.as_str() == "gone"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_takes_nothing_for_days_is_left_alone_and_nothing_is_lost() {
    let (house, channel) = after_days(webhook::Rule::reply(500, "oops"), 4).await;
    assert!(state(&house, channel).await.is_enabled());
    hours(&house, 26).await;
    let state = state(&house, channel).await;
    assert!(matches!(state, Channel::Disabled { reason, .. } if reason.as_str() == "failing"));
    let client = house.platform.pool.get().await.unwrap();
    let sql = "select count(*) from publishing_dispatch_queue";
    let waiting: i64 = client.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(waiting, 3);
}

/// The days between two deliveries are none of failing.
#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_had_nothing_to_take_for_days_is_not_left_alone() {
    let (house, _sink, channel) = with_webhook(webhook::Rule::reply(500, "oops")).await;
    let alone = house.publish("First", "text", &[channel]).await;
    hours(&house, 7 * 24).await;
    assert_eq!(house.accounting(alone).await.failed, 1);
    let next = house.publish("Second", "text", &[channel]).await;
    hours(&house, 12).await;
    assert_eq!(house.accounting(next).await.pending, 1);
    assert!(state(&house, channel).await.is_enabled());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_channel_waits_until_it_is_mended() {
    let house = House::start().await;
    let channel = house.slack_channel("news").await;
    let revoked = slack::Rule::reply(404, "channel_not_found").times(1);
    house.slack.add_rule(revoked);
    let id = house.publish("The ferry", "text", &[channel]).await;
    house.platform.settle().await;
    let waiting = Accounting {
        planned: 1,
        pending: 1,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, waiting);
    // Nobody tries again with a webhook that is gone, before it is mended.
    house.platform.clock.advance(Duration::from_secs(60));
    house.platform.settle().await;
    assert_eq!(house.accounting(id).await, waiting);
    house.enable(channel).await;
    house.platform.clock.advance(Duration::from_secs(10));
    house.platform.settle().await;
    assert_eq!(house.accounting(id).await.sent, 1);
}

/// The receiver learns the new secret a day later, and misses nothing until then.
#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_whose_secret_is_replaced_is_known_by_the_old_one_for_a_day() {
    const NEW: &str = "whsec_bmV3ZXIgdGhhbiB0aGUgb2xkIG9uZSBpcyE=";
    let house = House::start().await;
    let knows = webhook::Receiver {
        secrets: vec![SECRET.to_owned()],
    };
    let webhook = webhook::start(unlimited(&house), &knows).await.unwrap();
    let settings = json!({"url": webhook.url("in")});
    let credentials = Some(json!({ "secret": SECRET }));
    let channel = house
        .channel("webhook", settings.clone(), credentials)
        .await;
    house.platform.clock.advance(Duration::from_secs(3_600));
    // What is said of a channel with new credentials; then something else is changed, which takes nothing back.
    let path = format!("/api/v1/channels/{channel}");
    for body in [
        json!({"name": "in", "settings": settings, "credentials": {"secret": NEW}}),
        json!({"name": "inwards", "settings": settings}),
    ] {
        let put = TestRequest::put().uri(&path).set_json(body);
        let (status, told) = ask(&house, house_commands(&house), put).await;
        assert_eq!(status, 200, "{told}");
    }
    let first = house.publish("First", "text", &[channel]).await;
    house.platform.settle().await;
    assert_eq!(house.accounting(first).await.sent, 1);
    house
        .platform
        .clock
        .advance(Duration::from_secs(24 * 3_600));
    let second = house.publish("Second", "text", &[channel]).await;
    house.platform.settle().await;
    assert_eq!(house.accounting(second).await.pending, 1);
    assert_eq!(webhook.count(), 1);
}

/// What was drafted as a file that says where it is on the web links there, in every layout.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_the_web_is_linked_to() {
    let house = House::start().await;
    house.subscriber("ada@example.org").await;
    let discord = discord::start(unlimited(&house)).await.unwrap();
    let webhook = Some(json!({"webhook_url": discord.url("news")}));
    let channels = [
        house.email_channel().await,
        house.slack_channel("news").await,
        house.channel("discord", json!({}), webhook).await,
    ];
    let draft = |url: &str| {
        let ids: Vec<_> = channels.iter().map(Uuid::to_string).collect();
        let ids = ids.join(", ");
        let long = format!("{}\n\n---\n\n", "word ".repeat(100)).repeat(60);
        let file = format!("---\ntitle: The ferry\nurl: {url}\nchannels: [{ids}]\n---\n{long}");
        TestRequest::post()
            .uri("/api/v1/publications")
            .insert_header((header::CONTENT_TYPE, "text/markdown"))
            .set_payload(file)
    };
    let (status, wrong) = ask(&house, house_commands(&house), draft("/ferry")).await;
    assert_eq!(
        (status, &wrong["errors"][0]["pointer"]),
        (422, &json!("#/url")),
        "{wrong}"
    );
    let url = "https://example.org/ferry";
    let (status, drafted) = ask(&house, house_commands(&house), draft(url)).await;
    assert_eq!(status, 201, "{drafted}");
    let id = drafted["id"].as_str().unwrap().parse().unwrap();
    house.publication(id, || Command::Publish).await;
    house.platform.settle().await;
    let all_sent = Accounting {
        planned: 3,
        sent: 3,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, all_sent);
    let mail = &house.smtp.by_recipient("ada@example.org")[0];
    let said = format!("Read it on the web: {url}");
    assert!(String::from_utf8_lossy(mail.raw().unwrap()).contains(&said));
    let message = &house.slack.messages()[0].payload;
    let last = &message["blocks"].as_array().unwrap().last().unwrap()["elements"][0]["text"];
    let link = format!("<{url}|Read the whole text>");
    assert!(last.as_str().unwrap().ends_with(&link), "{last}");
    let embed = &discord.messages()[0].payload["embeds"][0];
    assert_eq!(embed["url"], url);
    let link = format!("[Read the whole text]({url})");
    assert!(embed["description"].as_str().unwrap().ends_with(&link));
}
