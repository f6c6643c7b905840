//! A channel that takes nothing: its deliveries wait, the others' do not, and one attempt finds out when it is back.

use std::time::Duration;

use serde_json::json;
use tidings_dispatcher::notices;
use tidings_domain::channel::{self, Channel, Circuit};
use tidings_domain::value::{ChannelName, Settings};
use tidings_sinks::discord;
use tidings_sinks::slack::Rule;
use tidings_sinks::smtp;
use tidings_tests::house::{Accounting, House};
use uuid::Uuid;

use super::bounced::get;

const MARKDOWN: &str = "It runs again.\n";
/// Failures in a row that open a circuit.
const FAILURES: u64 = 3;

/// Types of the channel's events, without its noun.
async fn of_channel(house: &House, channel_id: Uuid) -> Vec<String> {
    let log = house.platform.store.log();
    let events = log.stream(channel_id).await.unwrap();
    let short = |name: &str| name.trim_start_matches("channel.").to_owned();
    events.iter().map(|it| short(&it.event_type)).collect()
}

async fn circuit(house: &House, channel_id: Uuid) -> Circuit {
    let store = &house.platform.store;
    store
        .load::<Channel>(channel_id)
        .await
        .unwrap()
        .state
        .circuit()
}

/// Lets time pass in steps, so that whatever is due in between happens.
async fn pass(house: &House, seconds: u64) {
    for _ in 0..seconds.div_ceil(10) {
        house.platform.clock.advance(Duration::from_secs(10));
        house.platform.settle().await;
    }
}

fn of_slack(house: &House) -> u64 {
    house.slack.count() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_wait_behind_an_open_circuit_and_go_out_when_the_channel_is_back() {
    let house = House::start().await;
    house.subscriber("ada@example.org").await;
    let channels = [
        house.email_channel().await,
        house.slack_channel("news").await,
    ];
    let down = house.slack.add_rule(Rule::reply(500, "rollup_error"));
    let id = house.publish("The ferry", MARKDOWN, &channels).await;
    house.platform.settle().await;
    // 0, 5 and 30 seconds, give or take a fifth.
    pass(&house, 60).await;
    assert_eq!(
        of_channel(&house, channels[1]).await[..2],
        ["Configured", "CircuitOpened"]
    );
    let waiting = Accounting {
        planned: 2,
        pending: 1,
        sent: 1,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, waiting);

    // Others made meanwhile are not even attempted there, and arrive elsewhere.
    let attempts = house.slack.hits(down);
    let urgent = house.publish("Storm", MARKDOWN, &channels).await;
    house.platform.settle().await;
    assert_eq!(house.accounting(urgent).await, waiting);
    assert_eq!(house.slack.hits(down), attempts);
    // What was never attempted says what it waits for, and so does the sum.
    let waits = "the channel “slack” takes nothing at the moment (the receiving side has trouble of its own); the next try \
                 is made at 20";
    let path = format!("/api/v1/publications/{urgent}/deliveries?class=pending");
    let told = get(&house, &path).await["items"][0]["explanation"].clone();
    let told = told.as_str().unwrap();
    assert!(told.starts_with(&format!("Waits: {waits}")), "{told}");
    let accounting = get(&house, &format!("/api/v1/publications/{urgent}/accounting")).await;
    let of = |id: Uuid| {
        let channels = accounting["channels"].as_array().unwrap();
        let found = channels.iter().find(|it| it["channel_id"] == json!(id));
        found.unwrap()["waits_for"].clone()
    };
    assert_eq!(of(channels[0]), json!(null));
    assert!(of(channels[1]).as_str().unwrap().starts_with(waits));

    house.slack.remove_rule(down);
    // Opened 40 or 50 seconds after the first attempt, it is probed half a minute later.
    pass(&house, 30).await;
    // One of them finds out, and the other one follows.
    assert_eq!(of_slack(&house), 2);
    for id in [id, urgent] {
        let all_sent = Accounting {
            planned: 2,
            sent: 2,
            ..Accounting::default()
        };
        assert_eq!(house.accounting(id).await, all_sent);
        assert_eq!(house.state(id).await, "completed");
    }
    let events = of_channel(&house, channels[1]).await;
    let ends = &events[events.len() - 2..];
    assert_eq!(ends, ["CircuitProbed", "CircuitClosed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_that_fails_makes_the_next_one_wait_longer() {
    let house = House::start().await;
    let channel = house.slack_channel("news").await;
    let down = house.slack.add_rule(Rule::reply(500, "rollup_error"));
    for title in ["The ferry", "Storm"] {
        house.publish(title, MARKDOWN, &[channel]).await;
    }
    house.platform.settle().await;
    pass(&house, 1_800).await;
    let events = of_channel(&house, channel).await;
    let probes = events.iter().filter(|it| *it == "CircuitProbed").count() as u64;
    // 30 s, 1, 2, 5, 10 and 15 min: half an hour has room for five or six.
    assert!((4..=6).contains(&probes), "{probes} probes");
    let attempts = u64::from(house.slack.hits(down));
    assert_eq!(attempts, FAILURES + probes, "one attempt each");
    assert!(circuit(&house, channel).await.openings() >= 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_is_refused_alone_is_given_up_and_one_that_nobody_has_seen_is_not() {
    let house = House::start().await;
    let channel = house.slack_channel("news").await;
    let refused = Rule::reply(501, "not_implemented").to("news");
    let down = house.slack.add_rule(refused);
    // So Slack answers everybody while it is in trouble.
    let in_trouble = house.slack_channel("other").await;
    let trouble = Rule::reply(500, "rollup_error").to("other");
    let trouble = house.slack.add_rule(trouble);
    // Nobody listens there.
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/services/T/B/x", nowhere.local_addr().unwrap());
    drop(nowhere);
    let credentials = json!({ "webhook_url": url });
    let unreached = house.channel("slack", json!({}), Some(credentials)).await;
    let id = house
        .publish("The ferry", MARKDOWN, &[channel, unreached, in_trouble])
        .await;
    house.platform.settle().await;
    for _ in 0..26 * 6 {
        house.platform.clock.advance(Duration::from_secs(600));
        house.platform.settle().await;
    }
    let accounting = house.accounting(id).await;
    assert_eq!((accounting.failed, accounting.pending), (1, 2));
    house.slack.remove_rule(trouble);
    pass(&house, 1_000).await;
    assert_eq!(house.accounting(id).await.sent, 1);
    // The next one finds out that the channel works.
    assert!(!circuit(&house, channel).await.is_closed());
    house.slack.remove_rule(down);
    let next = house.publish("Storm", MARKDOWN, &[channel]).await;
    pass(&house, 10).await;
    assert_eq!(house.accounting(next).await.sent, 1);
    assert!(circuit(&house, channel).await.is_closed());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_dispatchers_send_one_probe() {
    let house = House::start_without_delivery().await;
    for name in ["one", "two"] {
        let dispatcher = house.dispatcher();
        house
            .platform
            .add_worker(name, dispatcher, |it| {
                Box::pin(async { Ok(it.step().await?) })
            })
            .await;
    }
    for n in 0..20 {
        house.subscriber(&format!("reader{n}@example.org")).await;
    }
    // Nobody listens there.
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = nowhere.local_addr().unwrap().port();
    drop(nowhere);
    let settings = json!({
        "host": "127.0.0.1", "port": port, "encryption": "none",
        "from": "Town Crier <crier@news.example.org>",
    });
    let channel = house.channel("email", settings, None).await;
    house.publish("The ferry", MARKDOWN, &[channel]).await;
    house.platform.settle().await;
    let is_opened = |events: &[String]| events.iter().filter(|it| *it == "CircuitOpened").count();
    assert_eq!(is_opened(&of_channel(&house, channel).await), 1);
    pass(&house, 40).await;
    let events = of_channel(&house, channel).await;
    assert_eq!(
        events,
        [
            "Configured",
            "CircuitOpened",
            "CircuitProbed",
            "CircuitOpened"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_mends_the_channel_has_it_tried_at_once() {
    let house = House::start().await;
    let channel = house.slack_channel("news").await;
    // A webhook that is gone is looked at again in five minutes only.
    house
        .slack
        .add_rule(Rule::reply(404, "channel_not_found").times(1));
    let id = house.publish("The ferry", MARKDOWN, &[channel]).await;
    house.platform.settle().await;
    pass(&house, 60).await;
    assert!(!circuit(&house, channel).await.is_closed());
    let context = house.context();
    let command = || channel::Command::Reconfigure {
        name: ChannelName::parse("slack").unwrap(),
        settings: Settings::parse(json!({"channel_label": "#news"})).unwrap(),
        credentials: None,
    };
    let store = &house.platform.store;
    store
        .execute::<Channel>(channel, &context, None, command)
        .await
        .unwrap();
    assert!(circuit(&house, channel).await.is_closed());
    pass(&house, 10).await;
    assert_eq!(house.accounting(id).await.sent, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_probe_of_a_channel_that_was_mended() {
    let house = House::start().await;
    let channel = house.slack_channel("news").await;
    // A webhook that is gone is looked at again in five minutes only.
    house
        .slack
        .add_rule(Rule::reply(404, "channel_not_found").times(1));
    let id = house.publish("The ferry", MARKDOWN, &[channel]).await;
    house.platform.settle().await;
    pass(&house, 60).await;
    assert_eq!(house.accounting(id).await.pending, 1);
    house.enable(channel).await;
    pass(&house, 10).await;
    assert_eq!(house.accounting(id).await.sent, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_enabled_again_sends_what_has_waited() {
    let house = House::start().await;
    let channel = house.slack_channel("news").await;
    house.disable(channel).await;
    let id = house.publish("The ferry", MARKDOWN, &[channel]).await;
    house.platform.settle().await;
    assert_eq!(house.accounting(id).await.pending, 1);
    house.enable(channel).await;
    pass(&house, 10).await;
    assert_eq!(house.accounting(id).await.sent, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_discord_webhook_that_refuses_us_is_asked_three_times_and_then_left_alone() {
    let house = House::start().await;
    let sink = discord::start(discord::Options {
        rate_limit: discord::Limit::None,
        ..discord::Options::default()
    })
    .await
    .unwrap();
    let credentials = json!({ "webhook_url": sink.url("news") });
    let channel = house.channel("discord", json!({}), Some(credentials)).await;
    let refused = sink.add_rule(Rule::reply(401, r#"{"code": 50027}"#));
    let mut publications = Vec::new();
    for n in 0..20 {
        publications.push(
            house
                .publish(&format!("No. {n}"), MARKDOWN, &[channel])
                .await,
        );
    }
    house.platform.settle().await;
    assert_eq!(sink.hits(refused), 1);
    // 5 and 15 minutes later it is asked again, and never after that.
    pass(&house, 4 * 3_600).await;
    assert_eq!(sink.hits(refused), 3);
    let events = of_channel(&house, channel).await;
    assert_eq!(events.last().unwrap(), "Disabled");
    for id in &publications {
        assert_eq!(house.accounting(*id).await.pending, 1);
    }

    // Mended and enabled, all that has waited goes out.
    sink.remove_rule(refused);
    house.enable(channel).await;
    pass(&house, 60).await;
    assert_eq!(sink.count(), 20);
    for id in &publications {
        assert_eq!(house.accounting(*id).await.sent, 1);
    }
}

/// Whoever signs up need not wait for a channel that takes nothing while another would.
#[tokio::test(flavor = "multi_thread")]
async fn subscribers_are_written_to_by_a_channel_that_works() {
    let house = House::start().await;
    house.subscriber("ada@example.org").await;
    for _ in 0..2 {
        house.email_channel().await;
    }
    house.platform.settle().await;
    let log = house.platform.store.log();
    let chosen = async || notices::channel(log, None, &[]).await.unwrap().unwrap();
    let broken = chosen().await;
    let refuses = smtp::Rule::reply(smtp::Phase::MailFrom, 421, "4.3.2 closing");
    let refuses = house.smtp.add_rule(refuses);
    let id = house.publish("The ferry", MARKDOWN, &[broken]).await;
    house.platform.settle().await;
    // What was tried has not got through: nobody waits for its circuit to say so.
    assert!(circuit(&house, broken).await.is_closed());
    let works = chosen().await;
    assert_ne!(works, broken);
    while circuit(&house, broken).await.is_closed() {
        house.publish("Storm", MARKDOWN, &[broken]).await;
        pass(&house, 10).await;
    }
    house.smtp.remove_rule(refuses);
    assert_eq!(chosen().await, works);
    // Named, it is the one all the same.
    let named = notices::channel(log, Some(broken), &[]).await.unwrap();
    assert_eq!(named, Some(broken));
    pass(&house, 3_600).await;
    assert_eq!(house.accounting(id).await.sent, 1);
    assert_eq!(chosen().await, broken, "it works again");
}
