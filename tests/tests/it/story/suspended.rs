//! A machine that was suspended while an attempt was under way: its clock that only moves forwards has not seen it, the wall clock has.

use std::time::Duration;

use tidings_sinks::smtp::{Action, Phase, Rule};
use tidings_tests::house::House;

use super::bounced::events;

/// Longer than an attempt on record may wait for its first byte, and shorter than what is made of that takes.
const SUSPENDED: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_before_a_machine_slept_is_not_sent_when_it_wakes() {
    let house = House::start().await;
    house.subscriber("ada@example.org").await;
    let channel = house.email_channel().await;
    house.platform.settle().await;
    let stall = Rule::new(Phase::Ehlo, Action::Stall).recorded();
    let stall = house.smtp.add_rule(stall);
    house.publish("The ferry", "It runs.", &[channel]).await;
    let sleeping = async {
        house.smtp.wait_for_hits(stall, 1).await;
        let clock = &house.platform.clock;
        clock.set(clock.clock().now() + SUSPENDED);
        house.smtp.remove_rule(stall);
        house.smtp.release();
    };
    tokio::join!(house.platform.settle(), sleeping);
    let count = |events: &[String], wanted: &str| events.iter().filter(|it| *it == wanted).count();
    let said = events(&house).await;
    assert_eq!(count(&said, "delivery.Abandoned"), 1, "{said:?}");
    // It goes out once it is on record anew.
    house.platform.clock.advance(SUSPENDED);
    house.platform.settle().await;
    let said = events(&house).await;
    assert_eq!(count(&said, "delivery.Attempted"), 2, "{said:?}");
    assert_eq!(count(&said, "delivery.Sent"), 1, "{said:?}");
    assert_eq!(house.smtp.by_recipient("ada@example.org").len(), 1);
}
