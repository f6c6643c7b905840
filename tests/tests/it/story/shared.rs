//! What a mail host allows one login is shared: by the channels that use it, and by the dispatchers that live.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;
use tidings_dispatcher::Dispatcher;
use tidings_proto::Event;
use tidings_tests::house::{Accounting, House};
use uuid::Uuid;

const READERS: usize = 250;
const PER_MINUTE: usize = 60;
/// Mails that a rate limit has saved up at the start.
const SAVED: usize = 2;
const SECOND: Duration = Duration::from_secs(1);

async fn house_of_readers() -> House {
    let house = House::start_without_delivery().await;
    for n in 0..READERS {
        house.subscriber(&format!("reader{n}@example.org")).await;
    }
    house
}

/// A channel to the house's mail host, and what it states of it.
async fn channel(house: &House, states: &[(&str, usize)]) -> Uuid {
    let mut settings = json!({
        "host": "127.0.0.1", "port": house.smtp.addr().port(), "encryption": "none",
        "from": "Town Crier <crier@news.example.org>",
    });
    for (name, value) in states {
        settings[name] = json!(value);
    }
    house.channel("email", settings, None).await
}

/// Has these step once a second for a minute; gives how many mails came in it.
async fn a_minute(house: &House, dispatchers: &mut [&mut Dispatcher]) -> usize {
    let before = house.smtp.count();
    for _ in 0..60 {
        house.platform.clock.advance(SECOND);
        for dispatcher in dispatchers.iter_mut() {
            dispatcher.step().await.unwrap();
        }
        house.platform.settle().await;
    }
    house.smtp.count() - before
}

/// How many mails each dispatcher has sent, fewest first.
async fn sent_by_each(house: &House) -> Vec<usize> {
    let (mut by, mut sent): (HashMap<_, _>, HashMap<_, usize>) = Default::default();
    let log = house.platform.store.log();
    for event in log.page_after(0, 100_000).await.unwrap() {
        match event.decode() {
            Ok(Event::DeliveryAttempted(it)) => {
                by.insert(event.stream_id, it.instance.to_vec());
            }
            Ok(Event::DeliverySent(_)) => {
                *sent.entry(by[&event.stream_id].clone()).or_default() += 1;
            }
            _ => {}
        }
    }
    let mut each: Vec<usize> = sent.into_values().collect();
    each.sort_unstable();
    each
}

/// Waits until so many dispatchers live, as the database has it: a session that is dropped ends a moment later.
async fn live(house: &House, wanted: i64) {
    let client = house.platform.pool.get().await.unwrap();
    let sql = "select count(*) from pg_locks where locktype = 'advisory' and objsubid = 2 and classid = 1953064048 \
               and granted and database = (select oid from pg_database where datname = current_database())";
    loop {
        let row = client.query_one(sql, &[]).await.unwrap();
        if row.get::<_, i64>(0) == wanted {
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_dispatchers_send_together_as_many_as_one_may() {
    let house = house_of_readers().await;
    let states = [("mails_per_minute", PER_MINUTE), ("connections_max", 1)];
    let channel = channel(&house, &states).await;
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    let [mut first, mut second] = [house.dispatcher(), house.dispatcher()];
    // Until the audience is frozen and planned; and each knows of the other.
    while house.smtp.count() < SAVED {
        house.platform.settle().await;
        first.step().await.unwrap();
    }
    second.step().await.unwrap();
    live(&house, 2).await;
    a_minute(&house, &mut [&mut first, &mut second]).await;

    let came = a_minute(&house, &mut [&mut first, &mut second]).await;
    assert!(came.abs_diff(PER_MINUTE) <= 2, "{came} in a minute");
    let each = sent_by_each(&house).await;
    assert_eq!(each.len(), 2, "{each:?}");
    assert!(each[0] >= PER_MINUTE - 4, "half each: {each:?}");

    // One goes: from then on the other one sends as many alone.
    drop(second);
    live(&house, 1).await;
    let came = a_minute(&house, &mut [&mut first]).await;
    assert!(came.abs_diff(PER_MINUTE) <= 2, "{came} in a minute");
    while house.smtp.count() < READERS {
        a_minute(&house, &mut [&mut first]).await;
    }
    let all_sent = Accounting {
        planned: READERS as i64,
        sent: READERS as i64,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, all_sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_channel_states_of_its_host_holds_for_another_until_it_is_disabled() {
    let house = house_of_readers().await;
    let states = channel(&house, &[("mails_per_minute", PER_MINUTE)]).await;
    let silent = channel(&house, &[]).await;
    let mut dispatcher = house.dispatcher();
    house.publish("The ferry", "It runs.", &[silent]).await;
    while house.smtp.count() < SAVED {
        house.platform.settle().await;
        dispatcher.step().await.unwrap();
    }
    assert_eq!(house.smtp.count(), SAVED);
    house.publish("The lock", "It opens.", &[states]).await;
    let came = a_minute(&house, &mut [&mut dispatcher]).await;
    assert!(came.abs_diff(PER_MINUTE) <= 1, "{came} in a minute");

    house.disable(states).await;
    let came = a_minute(&house, &mut [&mut dispatcher]).await;
    assert!(came > 2 * PER_MINUTE, "{came} in a minute");
    let of_the_ferry = house.smtp.messages().into_iter().filter(|mail| {
        let subject = mail.header("Subject");
        subject.as_deref() == Some("The ferry")
    });
    assert_eq!(of_the_ferry.count(), READERS);
}
