//! Dead letters: what was given up is listed with its cause, and tried again one by one, by channel or by cause; whatever was
//! not asked for stays as it is.

mod given_up;

use std::collections::HashMap;
use std::time::Duration;

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use tidings_proto::reason::words;
use tidings_sinks::smtp::{Action, Phase, Rule};
use tidings_tests::house::House;
use uuid::Uuid;

use super::bounced::{ask, get, house_commands};

const CHANNELS: [&str; 2] = ["news", "markets"];
const REFUSED: [&str; 2] = ["ada", "bob"];
const FULL: &str = "grace";
const DOUBTED: &str = "joan";
/// More than any of these waits that is tried again.
const LATER: Duration = Duration::from_secs(7_200);

/// A publication by two channels: each has failed with three readers for two causes, and does not know about the fourth.
struct Letters {
    house: House,
    publication_id: Uuid,
    /// Of the channels, and of the readers.
    names: HashMap<Uuid, &'static str>,
}

impl Letters {
    async fn start() -> Self {
        let house = House::start().await;
        let mut names = HashMap::new();
        let address = |name: &str| format!("{name}@example.org");
        for name in REFUSED.into_iter().chain([FULL, DOUBTED]) {
            names.insert(house.subscriber(&address(name)).await, name);
        }
        let mut channels = Vec::new();
        for name in CHANNELS {
            let channel = house.email_channel().await;
            names.insert(channel, name);
            channels.push(channel);
        }
        let refuses = |name: &str, code, text| {
            house
                .smtp
                .add_rule(Rule::reply(Phase::RcptTo, code, text).to(&address(name)))
        };
        let mut rules = Vec::from(REFUSED.map(|name| refuses(name, 554, "5.7.1 not today")));
        rules.push(refuses(FULL, 552, "5.2.2 mailbox full"));
        let cut = Rule::new(Phase::FinalDot, Action::Reset).to(&address(DOUBTED));
        rules.push(house.smtp.add_rule(cut));
        let publication_id = house.publish("The ferry", "It runs.", &channels).await;
        house.platform.settle().await;
        // Everybody would get theirs now.
        rules
            .into_iter()
            .for_each(|rule| house.smtp.remove_rule(rule));
        Self {
            house,
            publication_id,
            names,
        }
    }

    /// Its deliveries that the API lists in such a class; none: all.
    async fn deliveries(&self, class: Option<&str>) -> Vec<Value> {
        let path = format!("/api/v1/publications/{}/deliveries", self.publication_id);
        let only = class.map(|class| format!("?class={class}"));
        let page = get(&self.house, &format!("{path}{}", only.unwrap_or_default())).await;
        assert_eq!(page["next"], Value::Null, "{page}");
        page["items"].as_array().unwrap().clone()
    }

    /// Whose it is, and by which channel.
    fn whose(&self, delivery: &Value) -> String {
        let name = |field: &str| {
            let id = delivery[field].as_str().unwrap().parse().unwrap();
            self.names[&id]
        };
        format!("{} by {}", name("subscriber_id"), name("channel_id"))
    }

    /// Whose are in a class.
    async fn of_class(&self, class: &str) -> Vec<String> {
        let deliveries = self.deliveries(Some(class)).await;
        sorted(deliveries.iter().map(|it| self.whose(it)))
    }

    /// The same, each with its cause.
    async fn causes(&self, class: &str) -> Vec<String> {
        let deliveries = self.deliveries(Some(class)).await;
        sorted(deliveries.iter().map(|it| {
            let reason = it["reason"].as_str().unwrap();
            let told = it["explanation"].as_str().unwrap();
            assert!(told.contains(&words(reason)), "{it}");
            assert_eq!((&it["class"], &it["attempts"]), (&json!(class), &json!(1)));
            format!("{}: {reason} {}", self.whose(it), it["code"])
        }))
    }

    /// Whose mails the server has taken, as often as it has.
    async fn taken(&self) -> Vec<String> {
        let deliveries = self.deliveries(None).await;
        let mails = self.house.smtp.messages();
        sorted(mails.iter().map(|mail| {
            let id = mail.message_id.as_deref().unwrap();
            let is_it = |it: &&Value| id.contains(it["id"].as_str().unwrap());
            self.whose(deliveries.iter().find(is_it).expect("it is a delivery"))
        }))
    }

    fn channel(&self, name: &str) -> Uuid {
        let mut names = self.names.iter();
        *names.find(|(_, it)| **it == name).unwrap().0
    }

    async fn delivery(&self, whose: &str) -> Value {
        let deliveries = self.deliveries(None).await;
        let found = deliveries.iter().find(|it| self.whose(it) == whose);
        found.unwrap()["id"].clone()
    }

    /// Asks for these to be tried again, and waits longer than anything takes.
    async fn retry(&self, which: Value) {
        let path = format!("/api/v1/publications/{}/retry", self.publication_id);
        let request = TestRequest::post().uri(&path).set_json(&which);
        let (status, answer) = ask(&self.house, house_commands(&self.house), request).await;
        assert_eq!(status, 202, "{which}: {answer}");
        self.house.platform.settle().await;
        self.house.platform.clock.advance(LATER);
        self.house.platform.settle().await;
        assert_eq!(self.house.state(self.publication_id).await, "completed");
    }
}

fn sorted(all: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = all.collect();
    all.sort_unstable();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_listed_with_its_cause_and_what_is_in_doubt_apart() {
    let letters = Letters::start().await;
    assert_eq!(
        letters.causes("failed").await,
        [
            "ada by markets: rejected 554",
            "ada by news: rejected 554",
            "bob by markets: rejected 554",
            "bob by news: rejected 554",
            "grace by markets: mailbox_full 552",
            "grace by news: mailbox_full 552",
        ]
    );
    assert_eq!(
        letters.causes("in_doubt").await,
        [
            "joan by markets: connection_lost null",
            "joan by news: connection_lost null",
        ]
    );
    assert_eq!(
        letters.deliveries(Some("sent")).await,
        <[Value; 0]>::default()
    );
    assert_eq!(letters.deliveries(None).await.len(), 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_dead_letter_is_tried_again_and_no_other() {
    let letters = Letters::start().await;
    let one = letters.delivery("ada by news").await;
    letters.retry(json!({ "delivery_id": one })).await;
    assert_eq!(letters.taken().await, ["ada by news"]);
    assert_eq!(letters.of_class("sent").await, ["ada by news"]);
    assert_eq!(
        letters.of_class("failed").await,
        [
            "ada by markets",
            "bob by markets",
            "bob by news",
            "grace by markets",
            "grace by news"
        ]
    );
    // It is no dead letter any more, and what is in doubt was none.
    letters.retry(json!({ "delivery_id": one })).await;
    let doubted = letters.delivery("joan by markets").await;
    letters.retry(json!({ "delivery_id": doubted })).await;
    assert_eq!(letters.taken().await, ["ada by news"]);
    let doubted = json!({ "class": "in_doubt", "delivery_id": doubted });
    letters.retry(doubted).await;
    assert_eq!(letters.taken().await, ["ada by news", "joan by markets"]);
    assert_eq!(letters.of_class("in_doubt").await, ["joan by news"]);
    assert_eq!(letters.of_class("failed").await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_or_channel_that_is_not_the_publications_is_refused_and_nothing_is_opened_again()
{
    let letters = Letters::start().await;
    let other = letters.house.email_channel().await;
    letters.house.publish("Another", "Text.", &[other]).await;
    letters.house.platform.settle().await;
    let path = format!("/api/v1/publications/{}/retry", letters.publication_id);
    let another = letters.deliveries(None).await[0]["subscriber_id"].clone();
    for (wrong, pointer) in [
        (
            json!({ "delivery_id": Uuid::from_u128(1) }),
            "#/delivery_id",
        ),
        (json!({ "delivery_id": another }), "#/delivery_id"),
        (json!({ "channel_id": other }), "#/channel_id"),
    ] {
        let request = TestRequest::post().uri(&path).set_json(&wrong);
        let (status, answer) = ask(&letters.house, house_commands(&letters.house), request).await;
        assert_eq!(status, 422, "{wrong}: {answer}");
        assert_eq!(answer["errors"][0]["pointer"], pointer, "{answer}");
    }
    assert_eq!(letters.of_class("failed").await.len(), 6);
    // A publication that there is none of is looked for first.
    let path = format!("/api/v1/publications/{}/retry", Uuid::from_u128(1));
    let request = TestRequest::post().uri(&path);
    let request = request.set_json(json!({ "channel_id": other }));
    let (status, _) = ask(&letters.house, house_commands(&letters.house), request).await;
    assert_eq!(status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dead_letters_of_one_channel_are_tried_again_and_those_of_the_other_are_not() {
    let letters = Letters::start().await;
    let markets = letters.channel("markets");
    letters.retry(json!({ "channel_id": markets })).await;
    let by_markets = ["ada by markets", "bob by markets", "grace by markets"];
    assert_eq!(letters.taken().await, by_markets);
    assert_eq!(letters.of_class("sent").await, by_markets);
    assert_eq!(
        letters.of_class("failed").await,
        ["ada by news", "bob by news", "grace by news"]
    );
    assert_eq!(letters.of_class("in_doubt").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dead_letters_of_one_cause_are_tried_again_and_those_of_another_are_not() {
    let letters = Letters::start().await;
    let full = json!(["mailbox_full", "message_too_large"]);
    letters.retry(json!({ "failed_reasons": full })).await;
    let of_grace = ["grace by markets", "grace by news"];
    assert_eq!(letters.taken().await, of_grace);
    assert_eq!(letters.of_class("sent").await, of_grace);
    let refused = [
        "ada by markets",
        "ada by news",
        "bob by markets",
        "bob by news",
    ];
    assert_eq!(letters.of_class("failed").await, refused);

    // Of all that is said, every word counts.
    let one = letters.delivery("ada by markets").await;
    let news = letters.channel("news");
    for nothing in [
        json!({ "delivery_id": one, "channel_id": news }),
        json!({ "delivery_id": one, "failed_reasons": full }),
        json!({ "channel_id": news, "failed_reasons": full }),
    ] {
        letters.retry(nothing).await;
    }
    assert_eq!(letters.taken().await, of_grace);
    let rejected = json!({ "channel_id": news, "failed_reasons": ["rejected"] });
    letters.retry(rejected).await;
    assert_eq!(
        letters.of_class("failed").await,
        ["ada by markets", "bob by markets"]
    );
    assert_eq!(letters.taken().await.len(), 4);
}
