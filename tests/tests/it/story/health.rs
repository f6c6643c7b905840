//! The figures of a channel's health: how many fail, and when it is tried next.

use std::time::Duration;

use serde_json::{Value, json};
use tidings_domain::channel::{Channel, Circuit};
use tidings_sinks::slack::Rule;
use tidings_sinks::smtp;
use tidings_tests::house::House;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::{bounced, desk};

async fn health(house: &House, channel: Uuid) -> Value {
    let path = format!("/api/v1/channels/{channel}/health");
    let (status, health) = desk::get(house, &path).await;
    assert_eq!(status, 200, "{health}");
    health
}

async fn pass(house: &House, time: Duration) {
    house.platform.clock.advance(time);
    house.platform.settle().await;
}

/// A moment as an answer has it.
fn moment(value: &Value) -> OffsetDateTime {
    OffsetDateTime::parse(value.as_str().unwrap(), &Rfc3339).unwrap()
}

#[actix_web::test]
async fn a_channels_failure_rate_is_the_part_that_failed_of_what_was_settled_within_a_day() {
    let house = House::start().await;
    for n in 0..5 {
        house.subscriber(&format!("reader{n}@example.org")).await;
    }
    let channel = house.email_channel().await;
    let says = |code, text: &str, reader: &str| {
        let rule = smtp::Rule::reply(smtp::Phase::RcptTo, code, text);
        house.smtp.add_rule(rule.to(reader));
    };
    says(554, "5.7.1 not today", "reader0@example.org");
    // Neither of these counts.
    let cut = smtp::Rule::new(smtp::Phase::FinalDot, smtp::Action::Reset);
    house.smtp.add_rule(cut.to("reader1@example.org"));
    says(452, "4.2.2 mailbox full", "reader2@example.org");
    house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    let figures = async || {
        let health = health(&house, channel).await;
        ["sent", "failed", "in_doubt", "failure_rate"].map(|name| health[name].clone())
    };
    let third = json!(1.0 / 3.0);
    assert_eq!(figures().await, [json!(2), json!(1), json!(1), third]);
    // Another one, which a reader alone has failed.
    pass(&house, Duration::from_secs(12 * 3_600)).await;
    house.smtp.clear_rules();
    says(554, "5.7.1 not today", "reader0@example.org");
    house.publish("Storm", "It does not.", &[channel]).await;
    pass(&house, Duration::from_secs(3_600)).await;
    let later = figures().await;
    let settled = |n: usize| later[n].as_f64().unwrap();
    assert_eq!((settled(1), &later[2]), (2.0, &json!(1)));
    assert_eq!(later[3], json!(2.0 / (settled(0) + 2.0)));
    // A day after the first one only the second one counts, and after another nothing.
    pass(&house, Duration::from_secs(13 * 3_600)).await;
    assert_eq!(figures().await[1..3], [json!(1), json!(0)]);
    pass(&house, Duration::from_secs(24 * 3_600)).await;
    let nothing = [json!(0), json!(0), json!(0), Value::Null];
    assert_eq!(figures().await, nothing);
}

/// When the circuit's next probe may be made, once it was opened so often.
async fn probed_at(house: &House, channel: Uuid, times: u32) -> OffsetDateTime {
    loop {
        let store = &house.platform.store;
        let loaded = store.load::<Channel>(channel).await.unwrap();
        match loaded.state.circuit() {
            Circuit::Open {
                probe_at, openings, ..
            } if openings >= times => return probe_at,
            _ => pass(house, Duration::from_secs(10)).await,
        }
    }
}

/// When the one delivery of a publication is due.
async fn due_at(house: &House, publication: Uuid) -> OffsetDateTime {
    let path = format!("/api/v1/publications/{publication}/deliveries");
    moment(&bounced::get(house, &path).await["items"][0]["due_at"])
}

/// Nothing comes before a moment, and then at once: whoever sends looks again every few seconds.
async fn goes_out_at(house: &House, at: OffsetDateTime) {
    while house.platform.clock.clock().now() < at {
        assert_eq!(house.slack.count(), 0, "before {at}");
        pass(house, Duration::from_secs(5)).await;
    }
    pass(house, Duration::from_secs(5)).await;
    assert_eq!(house.slack.count(), 1, "at {at}");
}

#[actix_web::test]
async fn a_channels_next_attempt_is_that_of_what_waits_or_the_probe_of_its_circuit() {
    let house = House::start().await;
    let channel = house.slack_channel("news").await;
    let down = house.slack.add_rule(Rule::reply(500, "rollup_error"));
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    let now = || house.platform.clock.clock().now();
    // It has failed once, and is tried again at its own time.
    let failing = health(&house, channel).await;
    assert_eq!(failing["state"], "failing", "{failing}");
    let due = due_at(&house, id).await;
    assert!(due > now());
    assert_eq!(moment(&failing["next_attempt_at"]), due);
    // The second time it is longer until it is probed.
    let mut told = Vec::new();
    for times in 1..=2 {
        let probe = probed_at(&house, channel, times).await;
        let waiting = health(&house, channel).await;
        assert_eq!(waiting["state"], "waiting", "{waiting}");
        assert!(probe > now());
        assert_eq!(moment(&waiting["next_attempt_at"]), probe);
        told.push(probe - now());
    }
    assert!(told[0] < told[1], "{told:?}");
    house.slack.remove_rule(down);
    goes_out_at(&house, probed_at(&house, channel, 2).await).await;
    let works = health(&house, channel).await;
    let found = (&works["state"], &works["next_attempt_at"]);
    assert_eq!(found, (&json!("ok"), &Value::Null));
}

/// So long nobody finds out whether the channel works, unless something else is published by it.
#[actix_web::test]
async fn the_next_attempt_behind_an_open_circuit_is_no_earlier_than_anything_is_due() {
    let house = House::start().await;
    let channel = house.slack_channel("news").await;
    // Such an answer may be this message's own fault, so it keeps its own time: five minutes after the third attempt.
    let refuses = house.slack.add_rule(Rule::reply(501, "not_implemented"));
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    let probe = probed_at(&house, channel, 1).await;
    let due = due_at(&house, id).await;
    assert!(due > probe);
    let told = moment(&health(&house, channel).await["next_attempt_at"]);
    house.slack.remove_rule(refuses);
    goes_out_at(&house, due).await;
    assert_eq!(told, due);
}
