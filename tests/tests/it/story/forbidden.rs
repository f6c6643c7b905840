//! Nobody gets a mail after their address or its domain was suppressed, or their erasure was asked for, however much of the
//! send is under way (invariant 6).

use futures_util::{StreamExt as _, stream};
use tidings_domain::stream_id;
use tidings_domain::subscriber::{self, ErasureBasis, Subscriber};
use tidings_domain::suppression::{self, Reason, Scope, Suppression};
use tidings_domain::value::EmailAddress;
use tidings_tests::checker::deliveries::Deliveries;
use tidings_tests::house::House;
use uuid::Uuid;

const SUBSCRIBERS: usize = 1_000;

/// Each has a domain of their own.
fn address(n: usize) -> EmailAddress {
    EmailAddress::parse(&format!("reader@d{n}.example.org")).unwrap()
}

async fn suppress(house: &House, stream: Uuid, scope: Scope) {
    let command = || suppression::Command::Add {
        scope,
        reason: Reason::Manual,
        delivery_id: None,
        value: None,
    };
    let (store, context) = (&house.platform.store, house.context());
    let done = store.execute::<Suppression>(stream, &context, None, command);
    done.await.unwrap();
}

async fn erase(house: &House, subscriber: Uuid) {
    let command = || subscriber::Command::RequestErasure {
        basis: ErasureBasis::Request,
        asked_at: None,
        restored_event_id: None,
    };
    let (store, context) = (&house.platform.store, house.context());
    let done = store.execute::<Subscriber>(subscriber, &context, None, command);
    done.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_a_running_send_no_attempt_stands_after_a_suppression_or_an_erasure() {
    let house = House::start().await;
    let addresses: Vec<EmailAddress> = (0..SUBSCRIBERS).map(address).collect();
    let subscribers: Vec<Uuid> = stream::iter(&addresses)
        .map(|email| house.subscriber(email.as_str()))
        .buffered(64)
        .collect()
        .await;
    let channel = house.email_channel().await;
    house.platform.settle().await;
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    let forbid = async |n: usize, subscriber: Uuid| {
        let email = address(n);
        match n % 3 {
            0 => {
                let stream = stream_id::address_suppression(&house.id_key, &email);
                suppress(&house, stream, Scope::Address).await;
            }
            1 => {
                let stream = stream_id::domain_suppression(&house.id_key, email.domain());
                suppress(&house, stream, Scope::Domain).await;
            }
            _ => erase(&house, subscriber).await,
        }
    };
    let forbidding = async {
        // Not before the first mail is out, then as fast as the log takes it.
        house.smtp.wait_for(1).await;
        stream::iter(subscribers.iter().enumerate())
            .for_each_concurrent(64, |(n, subscriber)| forbid(n, *subscriber))
            .await;
    };
    tokio::join!(house.platform.settle(), forbidding);
    house.platform.settle().await;

    let accounting = house.accounting(id).await;
    assert_eq!(accounting.planned, SUBSCRIBERS as i64);
    assert_eq!(accounting.sent + accounting.suppressed, SUBSCRIBERS as i64);
    assert!(
        accounting.sent > 0 && accounting.suppressed > 0,
        "{accounting:?}"
    );
    assert_eq!(house.smtp.count() as i64, accounting.sent);
    // It panics at the first attempt that was forbidden where it stands.
    let events = house.platform.store.log().page_after(0, 100_000).await;
    Deliveries::of(&events.unwrap()).all_settled();
}
