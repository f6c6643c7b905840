//! What is urgent goes first, also by a channel that has far more to send than it can.

use std::collections::HashMap;
use std::time::Duration;

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use tidings_domain::channel::{self, Channel};
use tidings_domain::publication::Priority;
use tidings_domain::value::{ChannelName, Settings};
use tidings_tests::checker::deliveries::{Deliveries, Received};
use tidings_tests::house::{Accounting, House};
use uuid::Uuid;

use super::bounced::{GRACE, ask, notifying_commands};

/// More than a worker reads ahead for one channel.
const READERS: usize = 1_000;
/// Mails that a rate limit has saved up at the start.
const SAVED: usize = 2;
const ASKS: &str = "Please confirm: mails from The Town Crier";

/// The subjects of all mails, in the order in which they came.
fn subjects(house: &House) -> Vec<String> {
    let mails = house.smtp.messages();
    mails.iter().filter_map(|it| it.header("Subject")).collect()
}

/// A channel that may send a mail a second, and has to send one to each of a thousand readers.
struct Crowd {
    house: House,
    readers: HashMap<Uuid, String>,
    /// The channel's, but for the limit.
    settings: Value,
    channel: Uuid,
    ordinary: Uuid,
}

impl Crowd {
    async fn gather() -> Self {
        let house = House::start().await;
        let mut readers = HashMap::new();
        for n in 0..READERS {
            let reader = format!("reader{n}@example.org");
            readers.insert(house.subscriber(&reader).await, reader);
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
        Self {
            house,
            readers,
            settings,
            channel,
            ordinary,
        }
    }

    /// Something urgent for everybody.
    async fn storm(&self) -> Uuid {
        let channels = [self.channel];
        let id = self
            .house
            .publish_about("Storm", &[], Priority::Urgent, &channels);
        let id = id.await;
        self.house.platform.settle().await;
        id
    }

    async fn pass(&self, seconds: usize) {
        for _ in 0..seconds {
            self.house.platform.clock.advance(Duration::from_secs(1));
            self.house.platform.settle().await;
        }
    }

    /// Without the limit, what has had to make room comes too, once.
    async fn all_comes(&self, publications: &[Uuid]) {
        let house = &self.house;
        let context = house.context();
        let command = || channel::Command::Reconfigure {
            name: ChannelName::parse("email").unwrap(),
            settings: Settings::parse(self.settings.clone()).unwrap(),
            credentials: None,
        };
        let store = &house.platform.store;
        let changed = store.execute::<Channel>(self.channel, &context, None, command);
        changed.await.unwrap();
        self.pass(1).await;
        let all_sent = Accounting {
            planned: READERS as i64,
            sent: READERS as i64,
            ..Accounting::default()
        };
        for id in publications {
            assert_eq!(house.accounting(*id).await, all_sent);
        }
        let log = house.platform.store.log();
        let head = log.head().await.unwrap().position;
        let deliveries = Deliveries::of(&log.page_after(0, head).await.unwrap());
        deliveries.all_settled();
        deliveries.compare(&Received::mails_at(&house.smtp), &self.readers, true);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn urgent_news_goes_ahead_of_a_thousand_mails_that_wait_for_the_same_channels_rate_limit() {
    let crowd = Crowd::gather().await;
    let urgent = crowd.storm().await;
    crowd.pass(10).await;
    let came = subjects(&crowd.house);
    assert_eq!(came[..SAVED], ["The ferry"; SAVED]);
    assert_eq!(came[SAVED..], ["Storm"; 10]);
    crowd.all_comes(&[crowd.ordinary, urgent]).await;
    assert_eq!(crowd.house.smtp.count(), 2 * READERS);
}

/// Somebody stands before a page that says "look into your mailbox".
#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_confirm_goes_ahead_of_all_that_was_published() {
    let mut crowd = Crowd::gather().await;
    let urgent = crowd.storm().await;
    let house = &crowd.house;
    let body = json!({ "email": GRACE, "confirmation": "required" });
    let request = TestRequest::post().uri("/api/v1/subscribers");
    let request = request.set_json(body);
    let (status, answer) = ask(house, notifying_commands(house), request).await;
    assert_eq!(status, 201, "{answer}");
    let grace: Uuid = answer["id"].as_str().unwrap().parse().unwrap();
    house.platform.settle().await;
    assert_eq!(house.smtp.count(), SAVED);
    crowd.pass(3).await;
    let came = subjects(&crowd.house);
    assert_eq!(came[SAVED..], [ASKS, "Storm", "Storm"]);
    crowd.readers.insert(grace, GRACE.to_owned());
    crowd.all_comes(&[crowd.ordinary, urgent]).await;
    assert_eq!(crowd.house.smtp.count(), 2 * READERS + 1);
    assert_eq!(crowd.house.smtp.by_recipient(GRACE).len(), 1);
}
