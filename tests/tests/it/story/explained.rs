//! Every delivery that is not settled says what it waits for.

use std::time::Duration;

use serde_json::json;
use tidings_domain::preferences::Given;
use tidings_domain::publication::Command;
use tidings_domain::value::Code;
use tidings_sinks::slack;
use tidings_sinks::smtp::{Phase, Rule};
use tidings_tests::house::House;
use uuid::Uuid;

use super::bounced::{delivery, get};
use super::held::{release, restored};

const MARKDOWN: &str = "It runs again.\n";

/// What is said of the delivery to a reader.
async fn said(house: &House, publication_id: Uuid, reader: Uuid) -> String {
    house.platform.settle().await;
    let listed = delivery(house, publication_id, reader).await;
    let id = listed["id"].as_str().unwrap();
    let alone = get(house, &format!("/api/v1/deliveries/{id}")).await;
    assert_eq!(alone["explanation"], listed["explanation"]);
    listed["explanation"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_says_for_what_the_strongest_first() {
    let house = House::start().await;
    let channel = house.email_channel().await;
    let ada = house.subscriber("ada@example.org").await;
    house.platform.settle().await;
    house.disable(channel).await;
    let id = house.publish("The ferry", MARKDOWN, &[channel]).await;
    assert_eq!(
        said(&house, id, ada).await,
        "Waits: the channel “email” is switched off (“operator”), until somebody enables it."
    );
    let reason = || Code::from_static("legal_check");
    house
        .publication(id, || Command::Pause { reason: reason() })
        .await;
    assert_eq!(
        said(&house, id, ada).await,
        "Waits: its publication is paused until somebody resumes it; why: “legal check”."
    );
    let publication = get(&house, &format!("/api/v1/publications/{id}")).await;
    assert_eq!(
        publication["explanation"],
        "Nothing of it goes out until somebody resumes it: it was paused, for the reason “legal check”."
    );
    restored(&house).await;
    assert_eq!(
        said(&house, id, ada).await,
        "Waits: nothing is sent since the log was restored, until somebody releases it (`tidings dispatch release`)."
    );
    let held = "Nothing is sent since the log was restored, until somebody releases it (`tidings dispatch release`).";
    let publication = get(&house, &format!("/api/v1/publications/{id}")).await;
    assert_eq!(publication["explanation"], held);
    let other = house.slack_channel("news").await;
    house.platform.settle().await;
    let (_, health) = super::desk::get(&house, &format!("/api/v1/channels/{other}/health")).await;
    assert_eq!(
        (&health["state"], &health["explanation"]),
        (&json!("held"), &json!(held))
    );
    release(&house).await;
    house.enable(channel).await;
    house.publication(id, || Command::Resume).await;
    // A channel that was off is looked at again after a few seconds.
    assert_eq!(
        said(&house, id, ada).await,
        "Waits: it is due, and goes out when its turn comes, as fast as the receiving side takes messages."
    );
    house.platform.clock.advance(Duration::from_secs(10));
    assert_eq!(said(&house, id, ada).await, "The receiving side took it.");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_its_own_time_says_when_and_why() {
    let house = House::start().await;
    let channel = house.email_channel().await;
    // 09:00 UTC is 04:00 in New York.
    let ada = house.subscriber("ada@example.org").await;
    let given = Given {
        quiet_from: Some("22:00".to_owned()),
        quiet_to: Some("07:00".to_owned()),
        zone: Some("America/New_York".to_owned()),
        ..Given::default()
    };
    house.prefer(ada, given).await;
    let bob = house.subscriber("bob@example.org").await;
    let full = Rule::reply(Phase::RcptTo, 452, "4.2.2 mailbox full");
    let full = house.smtp.add_rule(full.to("bob@example.org"));
    let eve = house.subscriber("eve@example.org").await;
    let gone = Rule::reply(Phase::RcptTo, 550, "5.1.1 nobody there");
    house.smtp.add_rule(gone.to("eve@example.org"));
    let id = house.publish("The ferry", MARKDOWN, &[channel]).await;
    assert_eq!(
        said(&house, id, ada).await,
        "Waits: its reader wants it at 2026-03-02 12:00:00 UTC at the earliest."
    );
    let told = said(&house, id, bob).await;
    assert!(
        told.starts_with("Waits: it is tried again at 2026-03-02 "),
        "{told}"
    );
    let end = "UTC. The last attempt did not succeed: the mailbox is full (the answer was 452).";
    assert!(told.ends_with(end), "{told}");
    assert_eq!(
        said(&house, id, eve).await,
        "It was given up: there is no such address, or it can not be written to (the answer was 550)."
    );
    house.smtp.remove_rule(full);
    house.platform.clock.advance(Duration::from_secs(3 * 3_600));
    for reader in [ada, bob] {
        assert_eq!(
            said(&house, id, reader).await,
            "The receiving side took it."
        );
    }
}

/// Whose settings can not be used, by another version's word or after a change of the machine's own rules.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_channel_that_can_not_be_used_says_so() {
    let house = House::start().await;
    let ada = house.subscriber("ada@example.org").await;
    let channel = house.channel("email", json!({}), None).await;
    let id = house.publish("The ferry", MARKDOWN, &[channel]).await;
    let told = "the channel “email” can not be used as it is set up (/host: is required; /from: is required), until that is mended";
    assert_eq!(said(&house, id, ada).await, format!("Waits: {told}."));
    let accounting = get(&house, &format!("/api/v1/publications/{id}/accounting")).await;
    assert_eq!(accounting["channels"][0]["waits_for"], told);
}

/// The receiving side has asked for fewer messages: whatever comes next waits for that, and says until when.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_channel_that_is_slowed_down_says_so_and_until_when() {
    let house = House::start().await;
    let channel = house.slack_channel("news").await;
    let slow = slack::Rule::reply(429, "slow").header("retry-after", "300");
    let slow = house.slack.add_rule(slow);
    let first = house.publish("The ferry", MARKDOWN, &[channel]).await;
    house.platform.settle().await;
    house.slack.remove_rule(slow);
    let second = house.publish("Storm", MARKDOWN, &[channel]).await;
    house.platform.settle().await;
    let waits_for = async |id: Uuid| {
        let accounting = get(&house, &format!("/api/v1/publications/{id}/accounting")).await;
        accounting["channels"][0]["waits_for"].clone()
    };
    let told = waits_for(second).await;
    let begins = "the channel “slack” is slowed down (the receiving side asks for fewer messages at the moment), until \
                  2026-03-02 09:05:";
    assert!(
        told.as_str().unwrap_or_default().starts_with(begins),
        "{told}"
    );
    assert_eq!(waits_for(first).await, told);
    let listed = get(&house, &format!("/api/v1/publications/{second}/deliveries")).await;
    let told = listed["items"][0]["explanation"].as_str().unwrap();
    assert!(
        told.starts_with(&format!("Waits: it is due, and {begins}")),
        "{told}"
    );
    let (_, health) = super::desk::get(&house, &format!("/api/v1/channels/{channel}/health")).await;
    assert_eq!(health["state"], "slowed", "{health}");
    let told = health["explanation"].as_str().unwrap();
    let begins = "It is slowed down (the receiving side asks for fewer messages at the moment); what is due waits for that, \
                  until 2026-03-02 09:05:";
    assert!(told.starts_with(begins), "{told}");
    let next = health["next_attempt_at"].as_str().unwrap();
    assert!(next.starts_with("2026-03-02T09:05:"), "{next}");
    for _ in 0..40 {
        house.platform.clock.advance(Duration::from_secs(10));
        house.platform.settle().await;
    }
    for id in [first, second] {
        assert_eq!(house.accounting(id).await.sent, 1);
        assert_eq!(waits_for(id).await, json!(null));
    }
    let (_, health) = super::desk::get(&house, &format!("/api/v1/channels/{channel}/health")).await;
    assert_eq!(health["state"], "ok", "{health}");
}

/// That it asks for fewer messages shows that it works again: its circuit is closed, and it rests all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_back_and_asks_for_fewer_messages_is_told_to_be_slowed_down() {
    let house = House::start().await;
    let channel = house.slack_channel("news").await;
    let down = house
        .slack
        .add_rule(slack::Rule::reply(500, "rollup_error"));
    let first = house.publish("The ferry", MARKDOWN, &[channel]).await;
    house.platform.settle().await;
    let health = async || {
        let path = format!("/api/v1/channels/{channel}/health");
        super::desk::get(&house, &path).await.1
    };
    let pass = async || {
        house.platform.clock.advance(Duration::from_secs(10));
        house.platform.settle().await;
    };
    while health().await["state"] != "waiting" {
        pass().await;
    }
    house.slack.remove_rule(down);
    let slow = slack::Rule::reply(429, "slow").header("retry-after", "1800");
    let slow = house.slack.add_rule(slow);
    while health().await["state"] == "waiting" {
        pass().await;
    }
    house.slack.remove_rule(slow);
    assert_eq!(health().await["state"], "slowed");
    let second = house.publish("Storm", MARKDOWN, &[channel]).await;
    house.platform.settle().await;
    let accounting = get(&house, &format!("/api/v1/publications/{second}/accounting")).await;
    let told = accounting["channels"][0]["waits_for"]
        .as_str()
        .unwrap_or_default();
    assert!(
        told.starts_with("the channel “slack” is slowed down"),
        "{told}"
    );
    // Somebody knows better.
    house.enable(channel).await;
    house.platform.settle().await;
    assert_eq!(health().await["state"], "ok");
    for _ in 0..3 {
        pass().await;
    }
    for id in [first, second] {
        assert_eq!(house.accounting(id).await.sent, 1);
    }
}
