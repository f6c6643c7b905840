//! What waits for later, and whose reader has left meanwhile, is settled when they leave, and not when its time would come.

use std::time::Duration;

use tidings_domain::preferences::Given;
use tidings_domain::publication::{Command, Priority};
use tidings_domain::stream_id;
use tidings_domain::subscriber::{self, ErasureBasis, Subscriber, What};
use tidings_domain::suppression::{Reason, Scope};
use tidings_domain::topic::{ByDefault, Sender};
use tidings_domain::value::{Code, EmailAddress};
use tidings_proto::Event;
use tidings_tests::house::House;
use uuid::Uuid;

use super::bounced::delivery;
use super::mended::queue_is_folded_anew;

fn daily() -> Given {
    // The clock of the tests begins at 09:00 UTC.
    Given {
        frequency: Some("daily".to_owned()),
        hour: Some(20),
        zone: Some("UTC".to_owned()),
        ..Given::default()
    }
}

fn once_a_day() -> Given {
    Given {
        cap_messages: Some(1),
        cap_per: Some("day".to_owned()),
        ..Given::default()
    }
}

fn address(name: &str) -> String {
    format!("{name}@{name}.example.org")
}

/// Why deliveries were suppressed, in the order of the log.
async fn suppressed(house: &House) -> Vec<String> {
    let log = house.platform.store.log();
    let events = log.page_after(0, 10_000).await.unwrap();
    let reasons = events.iter().filter_map(|event| match event.decode() {
        Ok(Event::DeliverySuppressed(it)) => Some(it.reason),
        _ => None,
    });
    reasons.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_room_below_a_cap_is_settled_when_its_reader_leaves() {
    let house = House::start().await;
    let channel = house.email_channel().await;
    let ada = house.subscriber(&address("ada")).await;
    house.prefer(ada, once_a_day()).await;
    let mut ids = Vec::new();
    for title in ["One", "Two"] {
        ids.push(house.publish(title, "It runs.", &[channel]).await);
        house.platform.settle().await;
    }
    let told = delivery(&house, ids[1], ada).await["explanation"].clone();
    assert!(
        told.as_str().unwrap().contains("the reader wants it later"),
        "{told}"
    );
    house.leave(ada, What::Everything).await;
    // No time passes.
    house.platform.settle().await;
    assert_eq!(suppressed(&house).await, ["unsubscribed"]);
    assert_eq!(
        delivery(&house, ids[1], ada).await["explanation"],
        "It was not sent: they had left."
    );
    assert_eq!(house.state(ids[1]).await, "completed");
}

/// However somebody leaves or is kept from getting mail, and nobody else is settled for it.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_its_readers_hour_is_settled_for_the_true_reason() {
    let house = House::start().await;
    let topic = house.topic("ferry", ByDefault::In, Sender::default()).await;
    let channel = house.email_channel().await;
    let mut readers = Vec::new();
    for name in [
        "all", "topic", "channel", "address", "domain", "erased", "stays",
    ] {
        let id = house.subscriber(&address(name)).await;
        house.prefer(id, daily()).await;
        readers.push(id);
    }
    house.platform.settle().await;
    let id = house
        .publish_about("News", &[topic], Priority::Ordinary, &[channel])
        .await;
    house.platform.settle().await;
    assert_eq!(house.accounting(id).await.pending, 7);
    // It is not sent meanwhile; that says nothing of who wants it.
    let reason = || Code::from_static("legal_check");
    house
        .publication(id, || Command::Pause { reason: reason() })
        .await;
    settle_one_by_one(&house, &readers, topic, channel).await;
    house.publication(id, || Command::Resume).await;
    house.platform.settle().await;
    assert_eq!(house.accounting(id).await.pending, 1);
    assert_eq!(house.smtp.count(), 0);
    house
        .platform
        .clock
        .advance(Duration::from_secs(11 * 3_600));
    house.platform.settle().await;
    assert_eq!(house.accounting(id).await.sent, 1);
    let events = house
        .platform
        .store
        .log()
        .page_after(0, 10_000)
        .await
        .unwrap();
    let attempts = events
        .iter()
        .filter(|it| it.event_type == "delivery.Attempted");
    assert_eq!(attempts.count(), 1, "nobody was attempted early");
}

/// Each reader but the last one leaves in another way, and what waits for them is settled for that reason.
async fn settle_one_by_one(house: &House, readers: &[Uuid], topic: Uuid, channel: Uuid) {
    let email = |name| EmailAddress::parse(&address(name)).unwrap();
    let domain = email("domain");
    let gone = email("address");
    let by_address = stream_id::address_suppression(&house.id_key, &gone);
    let by_domain = stream_id::domain_suppression(&house.id_key, domain.domain());
    let mut expected = Vec::new();
    for (n, reason) in [
        "unsubscribed",
        "topic_left",
        "channel_left",
        "address_suppressed",
        "domain_suppressed",
        "erased",
    ]
    .iter()
    .enumerate()
    {
        match n {
            0 => drop(house.leave(readers[0], What::Everything).await),
            1 => drop(house.leave(readers[1], What::Topic(topic)).await),
            2 => drop(house.leave(readers[2], What::Channel(channel)).await),
            3 => {
                let scope = Scope::Address;
                house.suppress(by_address, scope, Reason::Manual).await;
            }
            4 => {
                let scope = Scope::Domain;
                house.suppress(by_domain, scope, Reason::Manual).await;
            }
            _ => erase(house, readers[5]).await,
        }
        house.platform.settle().await;
        expected.push(*reason);
        assert_eq!(suppressed(house).await, expected);
    }
}

async fn erase(house: &House, subscriber_id: Uuid) {
    let request = || subscriber::Command::RequestErasure {
        basis: ErasureBasis::Request,
        asked_at: None,
        restored_event_id: None,
    };
    let context = house.context();
    let store = &house.platform.store;
    store
        .execute::<Subscriber>(subscriber_id, &context, None, request)
        .await
        .unwrap();
}

/// Nothing of it is in memory alone: whoever starts later, and whoever gets the lanes, finds the same.
#[tokio::test(flavor = "multi_thread")]
async fn dispatchers_that_were_started_since_settle_it_too_and_the_rest_waits() {
    let house = House::start_without_delivery().await;
    let channel = house.email_channel().await;
    let mut readers = Vec::new();
    for n in 0..40 {
        let id = house.subscriber(&address(&format!("reader{n}"))).await;
        house.prefer(id, daily()).await;
        readers.push(id);
    }
    let mut dispatcher = house.dispatcher();
    let id = house.publish("News", "It runs.", &[channel]).await;
    house.platform.settle().await;
    while house.accounting(id).await.planned < 40 {
        dispatcher.step().await.unwrap();
        house.platform.settle().await;
    }
    house.platform.settle().await;
    dispatcher.step().await.unwrap();
    drop(dispatcher);
    for reader in &readers[..10] {
        house.leave(*reader, What::Everything).await;
    }
    house.platform.settle().await;
    queue_is_folded_anew(&house).await;
    for _ in 0..2 {
        house.add_dispatcher(house.dispatcher()).await;
    }
    // So that both get their share of the lanes.
    for _ in 0..4 {
        house.platform.clock.advance(Duration::from_secs(2));
        house.platform.settle().await;
    }
    assert_eq!(suppressed(&house).await, ["unsubscribed"; 10]);
    assert_eq!(house.accounting(id).await.pending, 30);
    // And what is said from then on.
    for reader in &readers[10..20] {
        house.leave(*reader, What::Everything).await;
    }
    house.platform.settle().await;
    assert_eq!(suppressed(&house).await, ["unsubscribed"; 20]);
    assert_eq!(house.smtp.count(), 0);
}
