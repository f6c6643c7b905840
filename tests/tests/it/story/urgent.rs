//! What is urgent goes first, also by a channel that has far more to send than it can.

use std::time::Duration;

use serde_json::json;
use tidings_domain::channel::{self, Channel};
use tidings_domain::publication::Priority;
use tidings_domain::value::{ChannelName, Settings};
use tidings_tests::house::{Accounting, House};

/// More than a worker reads ahead for one channel.
const READERS: usize = 1_000;
/// Mails that a rate limit has saved up at the start.
const SAVED: usize = 2;

/// The subjects of all mails, in the order in which they came.
fn subjects(house: &House) -> Vec<String> {
    let mails = house.smtp.messages();
    mails.iter().filter_map(|it| it.header("Subject")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn urgent_news_goes_ahead_of_a_thousand_mails_that_wait_for_the_same_channels_rate_limit() {
    let house = House::start().await;
    for n in 0..READERS {
        house.subscriber(&format!("reader{n}@example.org")).await;
    }
    let settings = json!({
        "host": "127.0.0.1", "port": house.smtp.addr().port(), "encryption": "none",
        "from": "Town Crier <crier@news.example.org>",
    });
    let mut capped = settings.clone();
    capped["mails_per_minute"] = json!(60);
    let channel = house.channel("email", capped, None).await;
    let ordinary = house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    assert_eq!(house.smtp.count(), SAVED);

    let urgent = house
        .publish_about("Storm", &[], Priority::Urgent, &[channel])
        .await;
    house.platform.settle().await;
    for _ in 0..10 {
        house.platform.clock.advance(Duration::from_secs(1));
        house.platform.settle().await;
    }
    let came = subjects(&house);
    assert_eq!(came[..SAVED], ["The ferry"; SAVED]);
    assert_eq!(came[SAVED..], ["Storm"; 10]);

    // What has had to make room for it comes after it, once.
    let context = house.context();
    let command = || channel::Command::Reconfigure {
        name: ChannelName::parse("email").unwrap(),
        settings: Settings::parse(settings.clone()).unwrap(),
        credentials: None,
    };
    let store = &house.platform.store;
    let changed = store.execute::<Channel>(channel, &context, None, command);
    changed.await.unwrap();
    house.platform.clock.advance(Duration::from_secs(1));
    house.platform.settle().await;
    let all_sent = Accounting {
        planned: READERS as i64,
        sent: READERS as i64,
        ..Accounting::default()
    };
    for id in [ordinary, urgent] {
        assert_eq!(house.accounting(id).await, all_sent);
    }
    assert_eq!(house.smtp.count(), 2 * READERS);
}
