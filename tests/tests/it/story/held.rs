//! After a restore nothing is sent before an operator says so.

use std::time::Duration;

use tidings_dispatcher::held;
use tidings_domain::delivery::{self, Delivery, Permit, Purpose, Receiver};
use tidings_domain::log::{Command, Log, Restored};
use tidings_domain::publication;
use tidings_domain::stream_id;
use tidings_domain::subscriber::Standing;
use tidings_domain::value::Code;
use tidings_event_store::{Past, restore};
use tidings_proto::Event;
use tidings_tests::house::{Accounting, House};

pub(super) async fn restored(house: &House) -> Past {
    let restored = Restored {
        incarnation: house.platform.ids.next(),
        after_position: 0,
        parted_after: 0,
        lost_through: 0,
        backed_up_at: None,
    };
    let now = house.platform.clock.clock().now();
    restore::record(&house.platform.store, restored, now)
        .await
        .unwrap()
}

pub(super) async fn release(house: &House) {
    let context = house.context();
    let command = || Command::ReleaseDispatch;
    let store = &house.platform.store;
    store
        .execute::<Log>(stream_id::log(), &context, None, command)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_platform_sends_nothing_and_the_right_things_afterwards() {
    let house = House::start().await;
    let ada = house.subscriber("ada@example.org").await;
    for name in ["grace", "edsger"] {
        house.subscriber(&format!("{name}@example.org")).await;
    }
    let channel = house.email_channel().await;
    house.platform.settle().await;
    restored(&house).await;
    let kept = house.publish("Kept", "It runs again.", &[channel]).await;
    let dropped = house.publish("Dropped", "It runs again.", &[channel]).await;
    house.platform.settle().await;
    let waiting = Accounting {
        planned: 3,
        pending: 3,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(kept).await, waiting);
    let seen = held::waiting(&house.platform.pool).await.unwrap();
    let seen: Vec<_> = seen
        .iter()
        .map(|it| (it.title.as_deref(), it.pending))
        .collect();
    assert_eq!(seen, [(Some("Kept"), 3), (Some("Dropped"), 3)]);

    // What an operator decides meanwhile takes effect at once.
    let reason = Code::parse("sent_before").unwrap();
    house
        .publication(dropped, || publication::Command::Cancel {
            reason: reason.clone(),
        })
        .await;
    house.unsubscribe(ada).await;
    house.platform.settle().await;
    let cancelled = Accounting {
        planned: 3,
        cancelled: 3,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(dropped).await, cancelled);
    assert_eq!(house.accounting(kept).await, waiting);
    assert_eq!(house.smtp.count(), 0);

    release(&house).await;
    house.platform.settle().await;
    let settled = Accounting {
        planned: 3,
        sent: 2,
        suppressed: 1,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(kept).await, settled);
    assert_eq!(house.smtp.count(), 2);
    assert_eq!(house.smtp.by_recipient("ada@example.org").len(), 0);
}

/// Whoever has judged a delivery before the log was restored attempts it after that no more.
#[tokio::test(flavor = "multi_thread")]
async fn no_attempt_stands_between_a_restore_and_its_release() {
    let house = House::start().await;
    for n in 0..300 {
        house.subscriber(&format!("reader{n}@example.org")).await;
    }
    let channel = house.email_channel().await;
    house.platform.settle().await;
    house
        .publish("The ferry", "It runs again.", &[channel])
        .await;
    let some = async {
        house.smtp.wait_for(20).await;
        restored(&house).await
    };
    let (held, ()) = tokio::join!(some, house.platform.settle());
    let sent = house.smtp.count();
    assert!((20..300).contains(&sent), "{sent} sent before");
    release(&house).await;
    // Those that were refused in the middle rest for a moment.
    house.platform.clock.advance(Duration::from_secs(6));
    house.platform.settle().await;
    assert_eq!(house.smtp.count(), 300);
    let log = house.platform.store.log();
    let events = log.page_after(held.position, 10_000).await.unwrap();
    let first = |event_type: &str| {
        let found = events.iter().find(|it| it.event_type == event_type);
        found.map(|event| event.position).unwrap()
    };
    assert!(first("log.DispatchReleased") < first("delivery.Attempted"));
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_that_were_open_come_in_doubt_once() {
    let house = House::start().await;
    let ada = house.subscriber("ada@example.org").await;
    let channel = house.email_channel().await;
    house.platform.settle().await;
    // Held, so that this process leaves the delivery to the test.
    restored(&house).await;
    let id = house
        .publish("The ferry", "It runs again.", &[channel])
        .await;
    house.platform.settle().await;
    let store = &house.platform.store;
    let events = store.log().page_after(0, 1_000).await.unwrap();
    let planned = events
        .iter()
        .find(|event| matches!(event.decode(), Ok(Event::DeliveryPlanned(_))));
    let delivery_id = planned.unwrap().stream_id;
    let now = house.platform.clock.clock().now();
    let attempt = || delivery::Command::Attempt {
        instance: uuid::Uuid::from_u128(7),
        now,
        deadline: now + Duration::from_secs(900),
        permit: Permit {
            purpose: Purpose::Mail,
            cause_may_send: true,
            receiver: Receiver::Addressed {
                standing: Standing::Active,
                subscriber_version: 1,
                address_suppressed: false,
                domain_suppressed: false,
                topic_left: false,
                channel_left: false,
                over_cap: false,
            },
            channel_version: 1,
            waits_no_longer: false,
        },
    };
    let loaded = store.load::<Delivery>(delivery_id).await.unwrap();
    let events = tidings_domain::aggregate::Aggregate::decide(&loaded.state, attempt()).unwrap();
    let context = house.context();
    let mut draft = store.draft(&context);
    draft.append_for(loaded, events, ada, None);
    draft.commit().await.unwrap();
    house.platform.relay().await;

    let held = restored(&house).await;
    let head = store.log().head().await.unwrap().position;
    house.platform.relay().await;
    tidings_tests::Platform::reached(&house.platform.feed, head).await;
    let doubt = || held::doubt_open(store, &house.platform.feed, &held, now);
    assert_eq!(doubt().await.unwrap(), 1);
    assert_eq!(doubt().await.unwrap(), 0, "once");
    release(&house).await;
    house.platform.settle().await;
    let doubtful = Accounting {
        planned: 1,
        in_doubt: 1,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, doubtful);
    assert_eq!(house.smtp.count(), 0);
    let log = store.log().stream(delivery_id).await.unwrap();
    let Ok(Event::DeliveryInDoubt(doubt)) = log.last().unwrap().decode() else {
        panic!("it is in doubt");
    };
    assert_eq!(doubt.reason, "restored");
}
