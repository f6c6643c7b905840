//! A mail server that has something against us, or against one receiver, and does not say which.

use std::time::Duration;

use tidings_sinks::smtp::{Phase, Rule};
use tidings_tests::house::{Accounting, House};
use uuid::Uuid;

const READERS: i64 = 20;

async fn start() -> (House, Uuid) {
    fill(House::start().await).await
}

async fn fill(house: House) -> (House, Uuid) {
    for n in 0..READERS {
        house.subscriber(&format!("reader{n}@example.org")).await;
    }
    let channel = house.email_channel().await;
    (house, channel)
}

/// How often the channel's circuit was opened.
async fn openings(house: &House, channel_id: Uuid) -> usize {
    count(house, channel_id, "channel.CircuitOpened").await
}

async fn count(house: &House, channel_id: Uuid, event_type: &str) -> usize {
    let log = house.platform.store.log();
    let events = log.stream(channel_id).await.unwrap();
    let such = events.iter().filter(|it| it.event_type == event_type);
    such.count()
}

/// Lets time pass in steps, so that whatever is due in between happens.
async fn pass(house: &House, minutes: u64) {
    for _ in 0..minutes.div_ceil(5) {
        house.platform.clock.advance(Duration::from_secs(300));
        house.platform.settle().await;
    }
}

fn accounting(sent: i64, pending: i64) -> Accounting {
    Accounting {
        planned: sent + pending,
        sent,
        pending,
        ..Accounting::default()
    }
}

/// The relay has us no more in its list, and says so of every receiver: nobody loses a message for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_does_not_know_us_any_more_costs_nobody_the_message() {
    let (house, channel) = start().await;
    let words = "5.7.1 <reader@example.org>: Relay access denied";
    let denies = house.smtp.add_rule(Rule::reply(Phase::RcptTo, 554, words));
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    assert_eq!(house.accounting(id).await, accounting(0, READERS));
    assert_eq!(openings(&house, channel).await, 1);
    // It is asked by one mail from time to time.
    let asked = house.smtp.hits(denies);
    pass(&house, 180).await;
    let probes = house.smtp.hits(denies) - asked;
    assert!((2..=6).contains(&probes), "{probes} since");
    assert_eq!(house.accounting(id).await, accounting(0, READERS));
    house.smtp.remove_rule(denies);
    pass(&house, 120).await;
    assert_eq!(house.accounting(id).await, accounting(READERS, 0));
    assert_eq!(house.smtp.count() as i64, READERS);
}

/// A dispatcher has found it out, and goes: another one, which has seen nobody refused, does not try everybody anew.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_dispatcher_has_found_out_of_a_relay_another_one_need_not() {
    let (house, channel) = fill(House::start_without_delivery().await).await;
    let words = "5.7.1 <reader@example.org>: Relay access denied";
    let denies = house.smtp.add_rule(Rule::reply(Phase::RcptTo, 554, words));
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    let mut first = house.dispatcher();
    while openings(&house, channel).await == 0 {
        house.platform.settle().await;
        first.step().await.unwrap();
    }
    drop(first);
    house.add_dispatcher(house.dispatcher()).await;
    let asked = house.smtp.hits(denies);
    pass(&house, 12 * 60).await;
    assert_eq!(count(&house, channel, "channel.CircuitClosed").await, 0);
    let probes = house.smtp.hits(denies) - asked;
    assert!((8..=20).contains(&probes), "{probes} since");
    house.smtp.remove_rule(denies);
    pass(&house, 120).await;
    assert_eq!(house.accounting(id).await, accounting(READERS, 0));
}

/// One receiver's domain does not like who we say we are: that one is tried again by itself, and everybody else gets their mail.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_receivers_server_has_against_our_sender_holds_up_nobody_else() {
    let (house, channel) = start().await;
    let words = "5.1.8 sender address rejected";
    let picky = Rule::reply(Phase::RcptTo, 553, words).to("reader7@example.org");
    let picky = house.smtp.add_rule(picky);
    let mut editions = Vec::new();
    for n in 0..4 {
        let title = format!("Edition {n}");
        let id = house.publish(&title, "It runs.", &[channel]).await;
        house.platform.settle().await;
        assert_eq!(house.accounting(id).await, accounting(READERS - 1, 1));
        editions.push(id);
        pass(&house, 120).await;
    }
    assert_eq!(openings(&house, channel).await, 0);
    let asked = house.smtp.hits(picky);
    assert!(asked > 4, "{asked}: each is tried again");
    house.smtp.remove_rule(picky);
    pass(&house, 12 * 60).await;
    for id in editions {
        assert_eq!(house.accounting(id).await, accounting(READERS, 0));
    }
}

/// Nor do two of them: whoever is refused while others get through has it by themselves from then on.
#[tokio::test(flavor = "multi_thread")]
async fn what_two_receivers_servers_have_against_our_sender_holds_up_nobody_else() {
    let (house, channel) = start().await;
    for reader in ["reader7@example.org", "reader8@example.org"] {
        let picky = Rule::reply(Phase::RcptTo, 553, "5.1.8 sender address rejected");
        house.smtp.add_rule(picky.to(reader));
    }
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    pass(&house, 120).await;
    assert_eq!(house.accounting(id).await, accounting(READERS - 2, 2));
    // Next to each other, nobody else was known to get through.
    let before = openings(&house, channel).await;
    assert!(before <= 1, "{before}");
    // Only these two are tried for hours: nothing is to be found out by them, and nobody waits for it.
    pass(&house, 8 * 60).await;
    assert_eq!(openings(&house, channel).await, before);
    house.subscriber("late@example.org").await;
    house.publish("The bridge", "It is open.", &[channel]).await;
    house.platform.settle().await;
    assert_eq!(house.smtp.by_recipient("late@example.org").len(), 1);
    pass(&house, 6 * 24 * 60).await;
    let given_up = Accounting {
        failed: 2,
        ..accounting(READERS - 2, 0)
    };
    let given_up = Accounting {
        planned: READERS,
        ..given_up
    };
    assert_eq!(house.accounting(id).await, given_up);
}
