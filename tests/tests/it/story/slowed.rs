//! A receiving domain that puts off one mail after the other is mailed less often, and nobody elsewhere waits for that.

use std::time::Duration;

use tidings_sinks::smtp::{Phase, Rule};
use tidings_tests::house::{Accounting, House};
use uuid::Uuid;

const SLOW: i64 = 100;
const QUICK: i64 = 5;

async fn start() -> (House, Uuid) {
    let house = House::start().await;
    for n in 0..SLOW {
        house.subscriber(&format!("reader{n}@slow.example")).await;
    }
    for n in 0..QUICK {
        house.subscriber(&format!("reader{n}@quick.example")).await;
    }
    let channel = house.email_channel().await;
    (house, channel)
}

/// Deliveries that wait, by the reason that is told.
async fn waiting(house: &House, reason: &str) -> i64 {
    let client = house.platform.pool.get().await.unwrap();
    let sql = "select count(*) from publishing_delivery_log \
               where class = 'pending' and reason = $1 and due_at > planned_at";
    client.query_one(sql, &[&reason]).await.unwrap().get(0)
}

/// How often a mail has waited for its domain, by the log.
async fn abandoned(house: &House) -> i64 {
    let client = house.platform.pool.get().await.unwrap();
    let sql = "select count(*) from publishing_events where type = 'delivery.Abandoned'";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_puts_mail_off_is_asked_less_often_and_gets_every_mail_in_the_end() {
    let (house, channel) = start().await;
    let rule = Rule::reply(Phase::RcptTo, 451, "4.7.1 too many from you");
    let busy = house.smtp.add_rule(rule.to_ending("@slow.example"));
    let id = house
        .publish("The ferry", "It runs again.\n", &[channel])
        .await;
    house.platform.settle().await;
    let accounting = |pending, sent| Accounting {
        planned: SLOW + QUICK,
        pending,
        sent,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, accounting(SLOW, QUICK));
    // What was open when the third was put off has been tried too, after the two before it; nothing else was.
    let tried = i64::from(house.smtp.hits(busy));
    assert!((3..=32 + 2).contains(&tried), "{tried} were tried");
    assert_eq!(waiting(&house, "try_later").await, tried);
    assert_eq!(waiting(&house, "domain_slowed").await, SLOW - tried);

    // A day of that: each waits three times at most, then goes by its own schedule, and none is given up.
    for _ in 0..24 * 4 {
        house.platform.clock.advance(Duration::from_secs(900));
        house.platform.settle().await;
    }
    let in_all = i64::from(house.smtp.hits(busy));
    assert!((SLOW..=SLOW * 10).contains(&in_all), "{in_all}");
    let waits = abandoned(&house).await;
    assert!((SLOW - tried..=SLOW * 3).contains(&waits), "{waits}");
    assert_eq!(house.accounting(id).await, accounting(SLOW, QUICK));

    // It takes mail again: the next one finds out, and nobody has to be told.
    house.smtp.remove_rule(busy);
    for _ in 0..24 {
        house.platform.clock.advance(Duration::from_secs(3_600));
        house.platform.settle().await;
    }
    assert_eq!(house.accounting(id).await, accounting(0, SLOW + QUICK));
    assert_eq!(house.smtp.messages().len() as i64, SLOW + QUICK);
    assert_eq!(house.state(id).await, "completed");
}
