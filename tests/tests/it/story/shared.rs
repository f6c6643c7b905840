//! What a mail host allows one login is shared: by the channels that use it, and by the dispatchers that live.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;
use tidings_dispatcher::Dispatcher;
use tidings_domain::publication::Priority;
use tidings_proto::Event;
use tidings_tests::house::{Accounting, House};
use uuid::Uuid;

const READERS: usize = 250;
const PER_MINUTE: usize = 60;
/// Mails that a rate limit has saved up at the start.
const SAVED: usize = 2;
const SECOND: Duration = Duration::from_secs(1);
/// Far more than anything here takes; reaching it is a failure.
const HAPPENS_WITHIN: Duration = Duration::from_secs(30);

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

/// Has this one freeze, plan and send what is saved up.
async fn begins(house: &House, dispatcher: &mut Dispatcher) {
    let sends = async {
        while house.smtp.count() < SAVED {
            house.platform.settle().await;
            dispatcher.step().await.unwrap();
        }
    };
    let sends = tokio::time::timeout(HAPPENS_WITHIN, sends).await;
    assert!(sends.is_ok(), "{} were sent", house.smtp.count());
}

/// Has these step once a second for a minute; gives how many mails came in it.
async fn a_minute(house: &House, dispatchers: &mut [&mut Dispatcher]) -> usize {
    seconds(house, dispatchers, 60).await
}

/// The same for so many seconds.
async fn seconds(house: &House, dispatchers: &mut [&mut Dispatcher], seconds: usize) -> usize {
    let before = house.smtp.count();
    for _ in 0..seconds {
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
    let until = async {
        while client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) != wanted {
            tokio::task::yield_now().await;
        }
    };
    let until = tokio::time::timeout(HAPPENS_WITHIN, until).await;
    assert!(until.is_ok(), "there never were {wanted} dispatchers");
}

/// How often a mail that had been attempted was kept back for the rate, by the log.
async fn kept_back(house: &House) -> usize {
    let log = house.platform.store.log();
    let events = log.page_after(0, 100_000).await.unwrap();
    let kept_back = events.iter().filter(
        |event| matches!(event.decode(), Ok(Event::DeliveryAbandoned(it)) if it.reason == "paced"),
    );
    kept_back.count()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_dispatchers_send_together_as_many_as_one_may() {
    let house = house_of_readers().await;
    let states = [("mails_per_minute", PER_MINUTE), ("connections_max", 1)];
    let channel = channel(&house, &states).await;
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    let [mut first, mut second] = [house.dispatcher(), house.dispatcher()];
    // Until the audience is frozen and planned; and each knows of the other.
    begins(&house, &mut first).await;
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
    begins(&house, &mut dispatcher).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn what_is_urgent_by_one_channel_goes_ahead_of_what_another_sends_and_nobody_opens_an_attempt_in_vain()
 {
    let house = house_of_readers().await;
    let both = [
        channel(&house, &[("mails_per_minute", PER_MINUTE)]).await,
        channel(&house, &[]).await,
    ];
    let mut dispatcher = house.dispatcher();
    house.publish("The ferry", "It runs.", &both).await;
    begins(&house, &mut dispatcher).await;
    let came = a_minute(&house, &mut [&mut dispatcher]).await;
    assert!(came.abs_diff(PER_MINUTE) <= 1, "{came} in a minute");
    assert_eq!(kept_back(&house).await, 0);

    for by in both {
        let before = house.smtp.count();
        let channels = [by];
        let storm = house.publish_about("Storm", &[], Priority::Urgent, &channels);
        let storm = storm.await;
        while house.accounting(storm).await.planned == 0 {
            house.platform.settle().await;
            dispatcher.step().await.unwrap();
        }
        let came = seconds(&house, &mut [&mut dispatcher], 10).await;
        assert_eq!(came, 10);
        let mails = house.smtp.messages();
        let subjects = mails[before..].iter().filter_map(|it| it.header("Subject"));
        let urgent = subjects.filter(|it| it == "Storm");
        assert_eq!(urgent.count(), 10);
    }
    assert_eq!(kept_back(&house).await, 0);
}
