//! Nobody gets a mail they have left (invariant 6).

use std::collections::HashMap;

use futures_util::{StreamExt as _, stream};
use tidings_tests::house::{Accounting, House};
use uuid::Uuid;

const SUBSCRIBERS: usize = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn who_left_before_the_attempt_gets_nothing() {
    let house = House::start().await;
    let ada = house.subscriber("ada@example.org").await;
    house.subscriber("grace@example.org").await;
    let channel = house.email_channel().await;
    let id = house
        .publish("The ferry", "It runs again.", &[channel])
        .await;
    // Frozen and planned with both, then one leaves before anything is attempted.
    house.unsubscribe(ada).await;
    house.platform.settle().await;
    let accounting = house.accounting(id).await;
    assert!(accounting.balances());
    assert_eq!(accounting.sent, 1);
    assert_eq!(house.smtp.by_recipient("ada@example.org").len(), 0);
    assert_eq!(house.smtp.by_recipient("grace@example.org").len(), 1);
}

/// A thousand people leave while a publication goes out to them.
#[tokio::test(flavor = "multi_thread")]
async fn racing_a_running_send_no_attempt_stands_after_an_unsubscribe() {
    let house = House::start().await;
    let names: Vec<String> = (0..SUBSCRIBERS)
        .map(|n| format!("reader{n}@example.org"))
        .collect();
    let subscribers: Vec<Uuid> = stream::iter(&names)
        .map(|name| house.subscriber(name))
        .buffered(64)
        .collect()
        .await;
    let channel = house.email_channel().await;
    house.platform.settle().await;
    let id = house
        .publish("The ferry", "It runs again.", &[channel])
        .await;
    let leaving = async {
        // Not before the first mail is out, then as fast as the log takes it.
        house.smtp.wait_for(1).await;
        stream::iter(&subscribers)
            .for_each_concurrent(64, |subscriber| async {
                house.unsubscribe(*subscriber).await;
            })
            .await;
    };
    tokio::join!(house.platform.settle(), leaving);
    house.platform.settle().await;

    let accounting = house.accounting(id).await;
    assert_eq!(accounting.planned, SUBSCRIBERS as i64);
    let settled = Accounting {
        pending: 0,
        ..accounting
    };
    assert_eq!(accounting, settled, "everything is settled");
    assert!(accounting.balances());
    assert_eq!(accounting.sent + accounting.suppressed, SUBSCRIBERS as i64);
    assert!(accounting.sent > 0);
    assert_eq!(house.smtp.count() as i64, accounting.sent);

    let events = house
        .platform
        .store
        .log()
        .page_after(0, 100_000)
        .await
        .unwrap();
    let left: HashMap<Uuid, i64> = events
        .iter()
        .filter(|event| event.event_type == "subscriber.Unsubscribed")
        .map(|event| (event.stream_id, event.position))
        .collect();
    assert_eq!(left.len(), SUBSCRIBERS);
    let receivers: HashMap<Uuid, Uuid> = events
        .iter()
        .filter(|event| event.event_type == "delivery.Planned")
        .filter_map(|event| Some((event.stream_id, event.subject?)))
        .collect();
    for attempted in events
        .iter()
        .filter(|event| event.event_type == "delivery.Attempted")
    {
        let unsubscribed = left[&receivers[&attempted.stream_id]];
        assert!(
            attempted.position < unsubscribed,
            "attempted at {} after leaving at {unsubscribed}",
            attempted.position
        );
    }
}
