//! Publications through Amazon SES: to everybody, at the account's pace, and when the account is in trouble.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;
use tidings_proto::Event;
use tidings_sinks::ses::{self, Account, Handle, Limit, RateLimit, Refusal};
use tidings_tests::house::{Accounting, House};
use uuid::Uuid;

const KEY: [&str; 2] = ["AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"];
const READERS: i64 = 6;

/// A house with readers, and Amazon SES on the same clock.
pub(super) async fn start(rate_limit: Limit) -> (House, Handle, Uuid) {
    let house = House::start().await;
    let clock = house.platform.clock.clock();
    let options = ses::Options {
        rate_limit,
        clock: tidings_sinks::Clock::from_fn(move || clock.now()),
        ..ses::Options::default()
    };
    let [access_key_id, secret_access_key] = KEY.map(str::to_owned);
    let account = Account {
        access_key_id,
        secret_access_key,
        session_token: None,
        region: "eu-west-1".to_owned(),
        identities: vec!["example.org".to_owned()],
        configuration_sets: vec!["news".to_owned()],
    };
    let sink = ses::start(options, account).await.unwrap();
    for n in 0..READERS {
        house.subscriber(&format!("reader{n}@example.net")).await;
    }
    let settings = json!({"region": "eu-west-1", "endpoint": sink.base_url(),
        "from": "News <news@example.org>", "configuration_set": "news"});
    let credentials = json!({"access_key_id": KEY[0], "secret_access_key": KEY[1]});
    let channel = house.channel("ses", settings, Some(credentials)).await;
    (house, sink, channel)
}

fn sent(sent: i64) -> Accounting {
    Accounting {
        planned: READERS,
        sent,
        pending: READERS - sent,
        ..Accounting::default()
    }
}

/// Whoever got a mail, once each.
fn receivers(sink: &Handle) -> BTreeSet<String> {
    let messages = sink.messages();
    let receivers: BTreeSet<String> = messages.iter().map(|it| it.webhook.clone()).collect();
    assert_eq!(receivers.len(), messages.len(), "nobody got two");
    receivers
}

/// Lets a second pass, and what is due in it happen.
async fn a_second(house: &House) {
    house.platform.clock.advance(Duration::from_secs(1));
    house.platform.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn goes_to_every_reader_with_tags_that_name_delivery_and_attempt() {
    let (house, sink, channel) = start(Limit::None).await;
    let id = house.publish("The ferry", "It **runs**.", &[channel]).await;
    house.platform.settle().await;
    assert_eq!(house.accounting(id).await, sent(READERS));
    assert_eq!(house.state(id).await, "completed");
    assert_eq!(receivers(&sink).len() as i64, READERS);

    let log = house.platform.store.log();
    let events = log.page_after(0, 1_000).await.unwrap();
    let on_record: BTreeSet<(String, String)> = events
        .iter()
        .filter_map(|event| match event.decode().unwrap() {
            Event::DeliverySent(it) => Some((event.stream_id.to_string(), it.provider_message_id)),
            _ => None,
        })
        .collect();
    let tagged: BTreeSet<(String, String)> = sink
        .messages()
        .iter()
        .map(|message| {
            let tags = &message.payload["EmailTags"];
            assert_eq!(tags[1], json!({"Name": "tidings-attempt", "Value": "1"}));
            let delivery = tags[0]["Value"].as_str().unwrap().to_owned();
            (delivery, message.id.clone())
        })
        .collect();
    assert_eq!(tagged, on_record);
    // What a reader leaves by is in the mail, and under the signature that SES puts to it.
    let mail = String::from_utf8(ses::mail_of(&sink.messages()[0])).unwrap();
    assert!(mail.contains("\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_asked_too_much_of_gets_every_mail_once_before_long() {
    let (house, sink, channel) = start(Limit::Of(RateLimit {
        per_s: 1.0,
        burst: 2,
    }))
    .await;
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    assert_eq!(house.accounting(id).await, sent(2));
    // Each mail that was refused waits half a minute at most, however often, and not the half hour of a mail that its
    // own receiver has put off.
    for _ in 0..180 {
        a_second(&house).await;
    }
    assert_eq!(house.accounting(id).await, sent(READERS));
    assert_eq!(receivers(&sink).len() as i64, READERS);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_attempt_has_the_next_tag_and_is_the_same_mail() {
    let (house, sink, channel) = start(Limit::None).await;
    let away = Refusal::UNAVAILABLE.rule().to("reader0@example.net");
    sink.add_rule(away.times(1));
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    assert_eq!(house.accounting(id).await, sent(READERS - 1));
    house.platform.clock.advance(Duration::from_secs(3_600));
    house.platform.settle().await;
    assert_eq!(house.accounting(id).await, sent(READERS));
    let message = &sink.by_webhook("reader0@example.net")[0];
    assert_eq!(message.payload["EmailTags"][1]["Value"], json!("2"));
    let mail = String::from_utf8(ses::mail_of(message)).unwrap();
    assert!(mail.contains("\r\nDate: "));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mail_is_lost_while_the_account_is_suspended() {
    let (house, sink, channel) = start(Limit::None).await;
    let suspended = sink.add_rule(Refusal::ACCOUNT_SUSPENDED.rule());
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    assert_eq!(house.accounting(id).await, sent(0));
    let attempts = sink.hits(suspended);
    // The circuit is open: nobody asks again.
    a_second(&house).await;
    assert_eq!(sink.hits(suspended), attempts);
    sink.remove_rule(suspended);
    house.enable(channel).await;
    for _ in 0..40 {
        a_second(&house).await;
    }
    assert_eq!(house.accounting(id).await, sent(READERS));
    assert_eq!(receivers(&sink).len() as i64, READERS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_whose_answer_was_lost_is_held_in_doubt_and_not_sent_again() {
    let (house, sink, channel) = start(Limit::None).await;
    let cut = ses::Rule::new(ses::Action::Cut).recorded();
    sink.add_rule(cut.to("reader0@example.net").times(1));
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    let held = Accounting {
        in_doubt: 1,
        pending: 0,
        ..sent(READERS - 1)
    };
    assert_eq!(house.accounting(id).await, held);
    house.platform.clock.advance(Duration::from_secs(7_200));
    house.platform.settle().await;
    assert_eq!(house.accounting(id).await, held);
    assert_eq!(receivers(&sink).len() as i64, READERS);
}

/// It takes nobody's mail, whoever it is for, until it has room again: whoever looks is told so, and whoever has made room need not
/// wait for the hour to pass.
#[actix_web::test]
async fn a_days_quota_that_is_used_up_is_told_and_who_has_more_goes_on_at_once() {
    let (house, sink, channel) = start(Limit::None).await;
    let used_up = sink.add_rule(Refusal::QUOTA_EXCEEDED.rule());
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    assert_eq!(house.accounting(id).await, sent(0));
    let path = format!("/api/v1/channels/{channel}/health");
    let (_, health) = super::desk::get(&house, &path).await;
    assert_eq!(
        (&health["state"], &health["next_attempt_at"]),
        (&json!("slowed"), &json!("2026-03-02T10:00:00Z")),
        "{health}"
    );
    assert!(
        health["explanation"]
            .as_str()
            .unwrap_or_default()
            .contains("quota"),
        "{health}"
    );
    let accounting = format!("/api/v1/publications/{id}/accounting");
    let told = super::bounced::get(&house, &accounting).await["channels"][0]["waits_for"].clone();
    let told = told.as_str().unwrap_or_default();
    assert!(
        told.contains("is slowed down (the day's quota at the mail service is used up), until 2026-03-02 10:00:00"),
        "{told}"
    );
    // It rests, and what comes meanwhile does too.
    sink.remove_rule(used_up);
    for _ in 0..60 {
        a_second(&house).await;
    }
    assert_eq!(house.accounting(id).await, sent(0));
    house.enable(channel).await;
    for _ in 0..5 {
        a_second(&house).await;
    }
    assert_eq!(house.accounting(id).await, sent(READERS));
    assert_eq!(receivers(&sink).len() as i64, READERS);
}
