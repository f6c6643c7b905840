//! No more than somebody wants: what is over their cap waits, what matters more to them first, and is not sent in the end.

use std::time::Duration;

use tidings_domain::preferences::Given;
use tidings_domain::publication::{Priority, RetriedClass};
use tidings_domain::topic::{ByDefault, Sender};
use tidings_proto::Event;
use tidings_sinks::smtp;
use tidings_tests::house::House;
use uuid::Uuid;

use super::editor::retry;

const HOUR: u64 = 3_600;
const ADA: &str = "ada@example.org";

fn at_most(messages: i64, per: &str) -> Given {
    Given {
        cap_messages: Some(messages),
        cap_per: Some(per.to_owned()),
        ..Given::default()
    }
}

async fn pass(house: &House, seconds: u64) {
    house.platform.clock.advance(Duration::from_secs(seconds));
    house.platform.settle().await;
}

fn titles(house: &House) -> Vec<String> {
    let mails = house.smtp.by_recipient(ADA);
    mails.iter().filter_map(|it| it.header("Subject")).collect()
}

async fn publish(house: &House, title: &str, topic: Option<Uuid>, channel: Uuid) -> Uuid {
    let topics = Vec::from_iter(topic);
    let all = &[channel];
    house
        .publish_about(title, &topics, Priority::Ordinary, all)
        .await
}

async fn suppressed(house: &House) -> Vec<String> {
    let log = house.platform.store.log();
    let events = log.page_after(0, 1_000).await.unwrap();
    let reasons = events.iter().filter_map(|event| match event.decode() {
        Ok(Event::DeliverySuppressed(it)) => Some(it.reason),
        _ => None,
    });
    reasons.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_at_once_goes_out_up_to_the_cap_and_the_rest_when_there_is_room() {
    let house = House::start().await;
    let channel = house.email_channel().await;
    let ada = house.subscriber(ADA).await;
    house.subscriber("bob@example.org").await;
    house.prefer(ada, at_most(2, "day")).await;
    house.disable(channel).await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(publish(&house, &format!("Edition {number}"), None, channel).await);
    }
    house.platform.settle().await;
    house.enable(channel).await;
    // All five are picked at once. Whoever finds another one in hand looks again a moment later.
    for _ in 0..5 {
        pass(&house, 10).await;
    }
    assert_eq!(titles(&house).len(), 2);
    assert_eq!(house.smtp.by_recipient("bob@example.org").len(), 5);
    pass(&house, 23 * HOUR).await;
    assert_eq!(titles(&house).len(), 2);
    pass(&house, HOUR).await;
    for _ in 0..5 {
        pass(&house, 10).await;
    }
    assert_eq!(titles(&house).len(), 4, "a day after the first two");
    // The fifth has waited for a day, and there is no room.
    pass(&house, HOUR).await;
    assert_eq!(suppressed(&house).await, ["frequency_cap"]);
    for id in ids {
        assert_eq!(house.state(id).await, "completed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_matters_more_to_them_takes_the_room_first() {
    let house = House::start().await;
    let council = house
        .topic("council", ByDefault::In, Sender::default())
        .await;
    let ferry = house.topic("ferry", ByDefault::In, Sender::default()).await;
    let channel = house.email_channel().await;
    let ada = house.subscriber(ADA).await;
    let weights = vec![(council.to_string(), 1), (ferry.to_string(), 9)];
    let given = Given {
        weights,
        ..at_most(1, "week")
    };
    house.prefer(ada, given).await;
    publish(&house, "First", None, channel).await;
    house.platform.settle().await;
    pass(&house, HOUR).await;
    for (title, topic) in [
        ("Council", Some(council)),
        ("Any", None),
        ("Ferry", Some(ferry)),
    ] {
        publish(&house, title, topic, channel).await;
        house.platform.settle().await;
    }
    pass(&house, 7 * 24 * HOUR - HOUR - 1).await;
    assert_eq!(titles(&house), ["First"]);
    for _ in 0..12 {
        pass(&house, 1).await;
    }
    assert_eq!(titles(&house), ["First", "Ferry"]);
    assert_eq!(suppressed(&house).await, [] as [&str; 0]);
    pass(&house, 2 * HOUR).await;
    // Whoever finds another one in hand looks again a moment later.
    pass(&house, 10).await;
    assert_eq!(titles(&house), ["First", "Ferry"]);
    assert_eq!(suppressed(&house).await, ["frequency_cap"; 2]);
}

/// A channel that was off for days kept everything back, and none of it waited for room so far.
#[tokio::test(flavor = "multi_thread")]
async fn what_could_not_be_sent_for_long_waits_for_room_all_the_same() {
    let house = House::start().await;
    let channel = house.email_channel().await;
    let ada = house.subscriber(ADA).await;
    house.prefer(ada, at_most(1, "day")).await;
    house.disable(channel).await;
    for title in ["One", "Two"] {
        publish(&house, title, None, channel).await;
    }
    house.platform.settle().await;
    pass(&house, 3 * 24 * HOUR).await;
    house.enable(channel).await;
    for _ in 0..3 {
        pass(&house, 10).await;
    }
    assert_eq!(titles(&house).len(), 1);
    assert_eq!(suppressed(&house).await, [] as [&str; 0]);
    pass(&house, 24 * HOUR).await;
    assert_eq!(titles(&house).len(), 2);
}

/// What is sent once more because of a doubt is the same message.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_in_doubt_takes_no_room_from_itself() {
    let house = House::start().await;
    let channel = house.email_channel().await;
    let ada = house.subscriber(ADA).await;
    house.prefer(ada, at_most(1, "week")).await;
    let hang_up = smtp::Rule::new(smtp::Phase::FinalDot, smtp::Action::Reset);
    house.smtp.add_rule(hang_up.times(1));
    let id = publish(&house, "News", None, channel).await;
    house.platform.settle().await;
    assert_eq!(house.accounting(id).await.in_doubt, 1);
    retry(&house, id, RetriedClass::InDoubt).await;
    house.platform.settle().await;
    assert_eq!(titles(&house), ["News"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn urgent_news_waits_for_no_room_and_takes_it() {
    let house = House::start().await;
    let channel = house.email_channel().await;
    let ada = house.subscriber(ADA).await;
    house.prefer(ada, at_most(1, "day")).await;
    for title in ["Flood", "Storm"] {
        house
            .publish_about(title, &[], Priority::Urgent, &[channel])
            .await;
        house.platform.settle().await;
    }
    publish(&house, "News", None, channel).await;
    house.platform.settle().await;
    assert_eq!(titles(&house), ["Flood", "Storm"]);
    pass(&house, 24 * HOUR).await;
    pass(&house, HOUR).await;
    assert_eq!(titles(&house), ["Flood", "Storm", "News"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_did_not_reach_them_does_not_count() {
    let house = House::start().await;
    let channel = house.email_channel().await;
    let ada = house.subscriber(ADA).await;
    house.prefer(ada, at_most(1, "day")).await;
    let full = smtp::Rule::reply(smtp::Phase::RcptTo, 452, "4.2.2 mailbox full");
    house.smtp.add_rule(full.to(ADA).times(1));
    publish(&house, "Put off", None, channel).await;
    house.platform.settle().await;
    assert_eq!(titles(&house), [] as [&str; 0]);
    publish(&house, "News", None, channel).await;
    house.platform.settle().await;
    assert_eq!(titles(&house), ["News"]);
}
