//! Addresses that nobody has, as a mail server says when it is asked for them.

use tidings_domain::stream_id;
use tidings_domain::suppression::{Reason, Suppression};
use tidings_domain::value::EmailAddress;
use tidings_sinks::smtp::{Phase, Rule};
use tidings_tests::house::House;

async fn reasons(house: &House, email: &str) -> Vec<Reason> {
    let email = EmailAddress::parse(email).unwrap();
    let id = stream_id::address_suppression(&house.id_key, &email);
    let loaded = house.platform.store.load::<Suppression>(id).await;
    loaded.unwrap().state.reasons().to_vec()
}

async fn publish(house: &House, channel: uuid::Uuid) -> uuid::Uuid {
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_nobody_has_is_asked_for_once() {
    let house = House::start().await;
    house.subscriber("grace@example.org").await;
    let channel = house.email_channel().await;
    publish(&house, channel).await;
    house.subscriber("gone@example.org").await;
    house.subscriber("shy@example.org").await;
    let gone = Rule::reply(Phase::RcptTo, 550, "5.1.1 no such user");
    let gone = house.smtp.add_rule(gone.to("gone@example.org"));
    // It may be anything.
    let shy = Rule::reply(Phase::RcptTo, 550, "go away");
    let shy = house.smtp.add_rule(shy.to("shy@example.org"));

    let accounting = house.accounting(publish(&house, channel).await).await;
    assert_eq!((accounting.sent, accounting.failed), (1, 2));
    assert_eq!(
        reasons(&house, "gone@example.org").await,
        [Reason::HardBounce]
    );
    assert_eq!(reasons(&house, "shy@example.org").await, []);
    let events = house.platform.store.log().page_after(0, 1_000).await;
    let events = events.unwrap();
    let added = events
        .iter()
        .position(|it| it.event_type == "suppression.Added");
    let [failed, added] = [added.unwrap() - 1, added.unwrap()].map(|at| &events[at]);
    assert_eq!(failed.event_type, "delivery.Failed");
    assert_eq!(failed.correlation_id, added.correlation_id);

    let accounting = house.accounting(publish(&house, channel).await).await;
    let classes = (accounting.sent, accounting.failed, accounting.suppressed);
    assert_eq!(classes, (1, 1, 1));
    assert_eq!([gone, shy].map(|it| house.smtp.hits(it)), [1, 2]);
}

/// Whoever set the relay up has forgotten a table: nobody is lost for it but the first few.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_knows_nobody_any_more_is_not_believed() {
    let house = House::start().await;
    let emails: Vec<String> = (0..20).map(|n| format!("reader{n}@example.org")).collect();
    for email in &emails {
        house.subscriber(email).await;
    }
    let channel = house.email_channel().await;
    let suppressed = async || {
        let mut count = 0;
        for email in &emails {
            count += reasons(&house, email).await.len();
        }
        count
    };
    let all = Rule::reply(Phase::RcptTo, 550, "5.1.1 no such user");
    let rule = house.smtp.add_rule(all.clone());
    assert_eq!(
        house
            .accounting(publish(&house, channel).await)
            .await
            .failed,
        20
    );
    assert_eq!(suppressed().await, 0, "it has not taken a single mail");
    house.smtp.remove_rule(rule);
    assert_eq!(
        house.accounting(publish(&house, channel).await).await.sent,
        20
    );
    house.smtp.add_rule(all);
    publish(&house, channel).await;
    assert!(suppressed().await <= 3);
}
