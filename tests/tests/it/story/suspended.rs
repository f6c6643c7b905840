//! A machine that was suspended while an attempt was under way: its clock that only moves forwards has not seen it, the wall clock has.

use std::time::Duration;

use tidings_sinks::smtp::{Action, Phase, Rule};
use tidings_tests::house::House;
use tokio_util::sync::CancellationToken;

use super::bounced::events;

/// Longer than an attempt on record may wait for its first byte, and shorter than what is made of that takes.
const SUSPENDED: Duration = Duration::from_secs(60);

/// A machine sleeps while a server does not answer at this phase: gives what the log says in the end.
async fn sleeps_at(phase: Phase) -> (House, Vec<String>) {
    let house = House::start().await;
    house.subscriber("ada@example.org").await;
    let channel = house.email_channel().await;
    house.platform.settle().await;
    let stall = Rule::new(phase, Action::Stall).recorded();
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
    let said = events(&house).await;
    (house, said)
}

fn count(events: &[String], wanted: &str) -> usize {
    events.iter().filter(|it| *it == wanted).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_recorded_before_a_machine_slept_is_not_sent_when_it_wakes() {
    // By the time it wakes others may have taken it for dead, and have sent the mail instead, whatever the server said first.
    for phase in [Phase::Ehlo, Phase::MailFrom, Phase::RcptTo, Phase::Data] {
        let (house, said) = sleeps_at(phase).await;
        assert_eq!(count(&said, "delivery.Abandoned"), 1, "{phase:?}: {said:?}");
        assert_eq!(house.smtp.count(), 0, "{phase:?}");
        // It goes out once it is on record anew.
        house.platform.clock.advance(SUSPENDED);
        house.platform.settle().await;
        let said = events(&house).await;
        assert_eq!(count(&said, "delivery.Attempted"), 2, "{phase:?}: {said:?}");
        assert_eq!(count(&said, "delivery.Sent"), 1, "{phase:?}: {said:?}");
        assert_eq!(house.smtp.by_recipient("ada@example.org").len(), 1);
    }
}

/// A process that stood still for so long may have been taken for dead, although it is heard of again by the time its server answers.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_under_way_is_not_sent_by_a_process_that_was_not_heard_of_meanwhile() {
    let house = House::start_without_delivery().await;
    house.subscriber("ada@example.org").await;
    let channel = house.email_channel().await;
    house.platform.settle().await;
    let stall = Rule::new(Phase::Data, Action::Stall).recorded();
    let stall = house.smtp.add_rule(stall.times(1));
    house.publish("The ferry", "It runs.", &[channel]).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(house.dispatcher().run(stop.clone()));
    while house.smtp.hits(stall) == 0 {
        house.platform.settle().await;
    }
    house.platform.clock.advance(SUSPENDED);
    // It is heard of again: it sends what is new.
    house.publish("Storm", "It does not.", &[channel]).await;
    while house.smtp.count() == 0 {
        house.platform.settle().await;
    }
    house.smtp.release();
    let abandoned = async || count(&events(&house).await, "delivery.Abandoned");
    while abandoned().await == 0 {
        assert_eq!(house.smtp.count(), 1, "both are out");
        tokio::task::yield_now().await;
    }
    house.platform.clock.advance(SUSPENDED);
    while house.smtp.count() < 2 {
        house.platform.settle().await;
    }
    stop.cancel();
    running.await.unwrap().unwrap();
    let said = events(&house).await;
    assert_eq!(count(&said, "delivery.Attempted"), 3, "{said:?}");
    assert_eq!(count(&said, "delivery.Sent"), 2, "{said:?}");
}
