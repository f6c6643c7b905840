//! Receivers that ask for a rest: they are left alone for as long as they say, within bounds, and nobody else is.

use std::time::Duration;

use serde_json::{Value, json};
use tidings_sinks::slack::Rule;
use uuid::Uuid;

use super::IN_AN_AGE;
use super::town::Town;

const HOUR: u64 = 3_600;

impl Town {
    /// Lets so many seconds pass, and then whatever is due happen.
    async fn pass(&self, seconds: u64) {
        let time = Duration::from_secs(seconds);
        self.house.platform.clock.advance(time);
        self.house.platform.settle().await;
    }

    /// Publishes by one channel, and lets whatever is due happen.
    async fn say(&mut self, title: &str, place: &str, channel: Uuid) -> Uuid {
        let id = self.publish(title, &[], &[(place, channel)]).await;
        self.house.platform.settle().await;
        id
    }
}

/// What `Retry-After` says, if anything, and for how many seconds nothing is sent then.
const RESTS: [(Option<&str>, u64); 5] = [
    (Some("30"), 30),
    (None, 1),
    (Some("soon"), 1),
    (Some("1000000000"), HOUR),
    (Some(IN_AN_AGE), HOUR),
];

async fn rests(town: &mut Town, kind: &str, number: usize) {
    let (said, seconds) = RESTS[number];
    let row = format!("{kind} {said:?}");
    let (place, beside) = (format!("place{number}"), format!("beside{number}"));
    let channel = town.channel(kind, &place).await;
    let other = town.channel(kind, &beside).await;
    let slow = Rule::reply(429, r#"{"message": "slow"}"#);
    let slow = match said {
        Some(said) => slow.header("retry-after", said),
        None => slow,
    };
    let slow = town.receiver(kind).add_rule(slow.times(1).to(&place));
    let first = town.say("The ferry", &place, channel).await;
    assert_eq!(town.receiver(kind).hits(slow), 1, "{row}");
    assert_eq!(town.reason(channel).await, "rate_limited", "{row}");
    let next = town.say("Storm", &place, channel).await;
    town.pass(seconds - 1).await;
    let came = town.receiver(kind).by_webhook(&place).len();
    assert_eq!(came, 0, "{row}: it is left alone");
    for id in [first, next] {
        assert_eq!(town.class(id, channel).await, "pending", "{row}");
    }
    let elsewhere = town.say("Elsewhere", &beside, other).await;
    assert_eq!(town.class(elsewhere, other).await, "sent", "{row}");
    town.pass(1).await;
    assert_eq!(town.class(next, channel).await, "sent", "{row}");
    // The first one comes later still: not all who were sent away come back together.
    town.pass(HOUR / 2).await;
    assert_eq!(town.class(first, channel).await, "sent", "{row}");
    let came = town.receiver(kind).by_webhook(&place).len();
    assert_eq!(came, 2, "{row}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_a_rest_has_it_within_bounds_and_whoever_stands_beside_it_has_none() {
    for kind in ["slack", "discord", "webhook"] {
        let mut town = Town::start().await;
        for number in 0..RESTS.len() {
            rests(&mut town, kind, number).await;
        }
        town.is_settled().await;
    }
}

/// A yes of Discord's, and what it says of the bucket that the message was taken from.
fn bucket(name: &str, remaining: u32, reset_after: &str) -> Rule {
    Rule::reply(200, json!({ "id": "1" }).to_string())
        .header("x-ratelimit-bucket", name)
        .header("x-ratelimit-remaining", &remaining.to_string())
        .header("x-ratelimit-reset-after", reset_after)
        .recorded()
        .times(1)
        .to("news")
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_bucket_discord_names_the_latest_answer_counts() {
    let mut town = Town::start().await;
    let news = town.channel("discord", "news").await;
    let beside = town.channel("discord", "beside").await;
    for answer in [
        bucket("one", 0, "40"),
        bucket("two", 4, "40"),
        bucket("three", 0, "20.5"),
    ] {
        town.discord.add_rule(answer);
    }
    let mut said: Vec<Uuid> = Vec::new();
    for title in ["The ferry", "Storm", "The bridge", "The tower"] {
        said.push(town.say(title, "news", news).await);
    }
    let came = |town: &Town| town.discord.by_webhook("news").len();
    // The first has emptied its bucket; nobody beside it waits for that.
    assert_eq!(came(&town), 1);
    let elsewhere = town.say("Elsewhere", "beside", beside).await;
    assert_eq!(town.class(elsewhere, beside).await, "sent");
    town.pass(39).await;
    assert_eq!(came(&town), 1);
    // The second comes from another bucket, which has more, and the third empties yet another one.
    town.pass(1).await;
    assert_eq!(came(&town), 3);
    town.pass(20).await;
    assert_eq!(came(&town), 3);
    town.pass(1).await;
    assert_eq!(came(&town), 4);
    for id in said {
        assert_eq!(town.class(id, news).await, "sent");
    }
    town.is_settled().await;
}

/// The limit is one of our address, whichever webhook meets it.
#[tokio::test(flavor = "multi_thread")]
async fn discords_limit_on_all_of_us_is_kept_by_every_webhook_and_by_nobody_else() {
    let mut town = Town::start().await;
    let news = town.channel("discord", "news").await;
    let beside = town.channel("discord", "beside").await;
    let other = town.channel("slack", "other").await;
    let said: Value = json!({ "message": "slow", "retry_after": 10.0, "global": true });
    let global = Rule::reply(429, said.to_string()).header("x-ratelimit-global", "true");
    town.discord.add_rule(global.times(1).to("news"));
    let first = town.say("The ferry", "news", news).await;
    assert_eq!(town.reason(news).await, "rate_limited");
    let places = [("beside", beside), ("other", other)];
    let next = town.publish("Storm", &[], &places).await;
    town.pass(9).await;
    assert_eq!(town.discord.count(), 0);
    assert_eq!(town.class(next, beside).await, "pending");
    assert_eq!(town.class(next, other).await, "sent");
    town.pass(1).await;
    assert_eq!(town.class(next, beside).await, "sent");
    town.pass(60).await;
    assert_eq!(town.class(first, news).await, "sent");
    assert_eq!(town.discord.count(), 2);
    town.is_settled().await;
}
