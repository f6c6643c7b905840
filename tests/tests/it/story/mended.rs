//! A channel works again: what it had kept back is tried at once, and not at the time it was given while nothing got through.

use std::time::Duration;

use serde_json::json;
use tidings_dispatcher::queue::DispatchQueue;
use tidings_dispatcher::working::working;
use tidings_domain::channel::Channel;
use tidings_event_store::view::{RebuildMode, RebuildOptions};
use tidings_projector::{Registered, rebuild};
use tidings_sinks::slack::Rule;
use tidings_sinks::smtp;
use tidings_tests::house::House;
use uuid::Uuid;

use super::{bounced, desk};

const MARKDOWN: &str = "It runs again.\n";
const READERS: i64 = 20;

async fn pass(house: &House, seconds: u64) {
    for _ in 0..seconds.div_ceil(10) {
        house.platform.clock.advance(Duration::from_secs(10));
        house.platform.settle().await;
    }
}

async fn is_closed(house: &House, channel_id: Uuid) -> bool {
    let loaded = house.platform.store.load::<Channel>(channel_id).await;
    loaded.unwrap().state.circuit().is_closed()
}

/// The queue's next attempt at a publication's delivery, in seconds from now, by its own time.
async fn due_in(house: &House, publication_id: Uuid) -> i64 {
    let client = house.platform.pool.get().await.unwrap();
    let sql = "select due_at from publishing_dispatch_queue where cause_id = $1";
    let row = client.query_one(sql, &[&publication_id]).await.unwrap();
    let due_at: time::OffsetDateTime = row.get(0);
    (due_at - house.platform.clock.clock().now()).whole_seconds()
}

/// What a queue was folded to live is lost, and is the same when it is folded anew.
pub(super) async fn queue_is_folded_anew(house: &House) {
    let views = [Registered::of::<DispatchQueue>()];
    for mode in [RebuildMode::Verify, RebuildMode::Replace] {
        let options = RebuildOptions::new(mode);
        let rebuilt = rebuild(&house.platform.store, &views, &options, &mut |_| ()).await;
        assert_eq!(rebuilt.unwrap()[0].differences, 0);
    }
}

/// One delivery is refused until it opens the circuit, and then has minutes to wait.
async fn refused_three_times(house: &House, channel: Uuid) -> Uuid {
    // Such an answer may be this message's own fault, so it goes by its own retries: 5 s, 30 s, 5 min.
    let refuses = house.slack.add_rule(Rule::reply(501, "not_implemented"));
    let id = house.publish("The ferry", MARKDOWN, &[channel]).await;
    house.platform.settle().await;
    while is_closed(house, channel).await {
        pass(house, 10).await;
    }
    house.slack.remove_rule(refuses);
    assert!(due_in(house, id).await > 200, "it has its own time");
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn what_opened_a_circuit_goes_out_as_soon_as_a_probe_has_closed_it() {
    let house = House::start().await;
    let channel = house.slack_channel("news").await;
    let oldest = refused_three_times(&house, channel).await;
    let newer = house.publish("Storm", MARKDOWN, &[channel]).await;
    house.platform.settle().await;
    assert_eq!(house.slack.count(), 0);
    // The newer one is what finds out, and the older one follows.
    pass(&house, 40).await;
    for id in [newer, oldest] {
        assert_eq!(house.accounting(id).await.sent, 1);
    }
    assert!(is_closed(&house, channel).await);
    // Its attempts are counted on: a retry schedule is not begun anew.
    let client = house.platform.pool.get().await.unwrap();
    let sql = "select attempts from publishing_delivery_log where publication_id = $1";
    let row = client.query_one(sql, &[&oldest]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_goes_out_at_once_when_somebody_enables_the_channel_the_oldest_first() {
    let house = House::start().await;
    let channel = house.slack_channel("news").await;
    let oldest = refused_three_times(&house, channel).await;
    for title in ["Storm", "Flood"] {
        house.publish(title, MARKDOWN, &[channel]).await;
    }
    house.platform.settle().await;
    assert_eq!(house.slack.count(), 0);
    house.enable(channel).await;
    // At the channel's pace, as ever.
    pass(&house, 30).await;
    assert_eq!(house.accounting(oldest).await.sent, 1);
    let took: Vec<String> = house
        .slack
        .messages()
        .iter()
        .map(|it| it.payload.to_string())
        .collect();
    assert_eq!(took.len(), 3);
    assert!(took[0].contains("The ferry"), "{took:?}");
}

/// Too few attempts have failed for its circuit to be open, and somebody knows already that it works.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_off_goes_out_when_somebody_enables_a_channel_whose_circuit_is_closed() {
    let house = House::start().await;
    let channel = house.slack_channel("news").await;
    let refuses = house.slack.add_rule(Rule::reply(501, "not_implemented"));
    let id = house.publish("The ferry", MARKDOWN, &[channel]).await;
    house.platform.settle().await;
    pass(&house, 10).await;
    assert_eq!(house.slack.hits(refuses), 2);
    house.slack.remove_rule(refuses);
    assert!(is_closed(&house, channel).await);
    assert!(due_in(&house, id).await > 10, "it has its own time");
    pass(&house, 10).await;
    assert_eq!(house.accounting(id).await.pending, 1);
    house.enable(channel).await;
    house.platform.settle().await;
    assert_eq!(house.accounting(id).await.sent, 1);
}

/// What a mail server says of itself at the first mails gives these half an hour; whom it greylists keeps that.
#[tokio::test(flavor = "multi_thread")]
async fn several_dispatchers_that_were_started_since_do_the_same_and_who_is_put_off_alone_waits() {
    let house = House::start_without_delivery().await;
    for n in 0..READERS {
        house.subscriber(&format!("reader{n}@example.org")).await;
    }
    house.subscriber("grey@example.com").await;
    let channel = house.email_channel().await;
    let greylists = smtp::Rule::reply(smtp::Phase::RcptTo, 451, "4.7.1 greylisted");
    house
        .smtp
        .add_rule(greylists.to("grey@example.com").times(1));
    let closing = smtp::Rule::reply(smtp::Phase::MailFrom, 421, "4.3.2 closing");
    let closing = house.smtp.add_rule(closing);
    let id = house.publish("The ferry", MARKDOWN, &[channel]).await;
    let mut dispatcher = house.dispatcher();
    while is_closed(&house, channel).await {
        house.platform.settle().await;
        dispatcher.step().await.unwrap();
    }
    house.smtp.remove_rule(closing);
    house.platform.settle().await;
    // It folds the queue, too.
    dispatcher.step().await.unwrap();
    drop(dispatcher);
    let waits =
        "select count(*) from publishing_dispatch_queue where due_at > $1 and put_off_for = $2";
    let client = house.platform.pool.get().await.unwrap();
    let later = house.platform.clock.clock().now() + time::Duration::minutes(20);
    let row = client
        .query_one(waits, &[&later, &"channel"])
        .await
        .unwrap();
    assert!(row.get::<_, i64>(0) > 0, "some have half an hour to wait");

    queue_is_folded_anew(&house).await;
    for _ in 0..2 {
        house.add_dispatcher(house.dispatcher()).await;
    }
    pass(&house, 120).await;
    let accounting = house.accounting(id).await;
    assert_eq!((accounting.sent, accounting.pending), (READERS, 1));
    let row = client.query_one(waits, &[&later, &"itself"]).await.unwrap();
    assert_eq!(
        row.get::<_, i64>(0),
        1,
        "a greylisting server wants half an hour"
    );
    // Longer the second time, if it was among those that were refused before.
    house.platform.clock.advance(Duration::from_mins(100));
    pass(&house, 60).await;
    assert_eq!(house.accounting(id).await.sent, READERS + 1);
}

/// The channel still tries, and the last attempt did not get through: whoever looks is told so, and why.
#[actix_web::test]
async fn what_does_not_get_through_is_told_before_its_channel_is_given_a_rest() {
    let house = House::start().await;
    let channel = house.slack_channel("news").await;
    let health = async || {
        let path = format!("/api/v1/channels/{channel}/health");
        let (status, health) = desk::get(&house, &path).await;
        assert_eq!(status, 200, "{health}");
        health
    };
    let waits_for = async |id: Uuid| {
        let path = format!("/api/v1/publications/{id}/accounting");
        bounced::get(&house, &path).await["channels"][0]["waits_for"].clone()
    };
    house.publish("Before", MARKDOWN, &[channel]).await;
    house.platform.settle().await;
    let before = health().await;
    assert_eq!(before["state"], "ok");
    pass(&house, 60).await;
    let refuses = house.slack.add_rule(Rule::reply(501, "not_implemented"));
    let id = house.publish("The ferry", MARKDOWN, &[channel]).await;
    house.platform.settle().await;
    let first = health().await;
    assert_eq!(first["state"], "failing", "{first}");
    assert_eq!(first["failing_reason"], "server_error");
    assert_eq!(first["circuit"], "closed");
    let told = first["explanation"].as_str().unwrap();
    assert!(
        told.contains("(the receiving side has trouble of its own)"),
        "{told}"
    );
    assert!(first["next_attempt_at"].is_string() && first["failing_since"].is_string());
    let told = waits_for(id).await;
    let begins = "it did not get through (the receiving side has trouble of its own); it is tried again at 2026-03-02 \
                  09:01:0";
    assert!(told.as_str().unwrap().starts_with(begins), "{told}");

    // It fails once more, and has failed since the first time.
    pass(&house, 10).await;
    assert_eq!(house.slack.hits(refuses), 2);
    let second = health().await;
    assert_eq!(second["state"], "failing");
    assert_eq!(second["failing_since"], first["failing_since"]);
    assert_ne!(second["next_attempt_at"], first["next_attempt_at"]);

    // Somebody else gets through: that one may be to blame itself, and the channel is not.
    house.slack.remove_rule(refuses);
    house.publish("Storm", MARKDOWN, &[channel]).await;
    pass(&house, 10).await;
    let after = health().await;
    assert_eq!(after["state"], "ok", "{after}");
    assert_eq!(
        (&after["failing_since"], &after["failing_reason"]),
        (&json!(null), &json!(null))
    );
    let told = waits_for(id).await;
    assert!(told.as_str().unwrap().starts_with("it did not get through"));
    pass(&house, 60).await;
    assert_eq!(waits_for(id).await, json!(null));
}

/// However many deliveries came before: only the end of the log is looked at, and what it does not show was not lately.
#[tokio::test(flavor = "multi_thread")]
async fn a_channel_of_many_deliveries_is_known_to_fail_as_soon_as_it_does() {
    let house = House::start().await;
    for n in 0..READERS {
        house.subscriber(&format!("reader{n}@example.org")).await;
    }
    let channel = house.email_channel().await;
    let log = house.platform.store.log();
    let worked = async |looks_at| working(log, &[channel], looks_at).await.unwrap().remove(0);
    house.platform.settle().await;
    let never = worked(5).await;
    assert_eq!((never.last_success_at, never.failing), (None, None));
    house.publish("Before", MARKDOWN, &[channel]).await;
    house.platform.settle().await;
    for looks_at in [5, 10_000] {
        let before = worked(looks_at).await;
        assert!(before.last_success_at.is_some() && before.failing.is_none());
    }
    pass(&house, 60).await;
    let closing = smtp::Rule::reply(smtp::Phase::MailFrom, 421, "4.3.2 closing");
    let closing = house.smtp.add_rule(closing);
    house.publish("The ferry", MARKDOWN, &[channel]).await;
    house.platform.settle().await;
    let (near, far) = (worked(5).await, worked(10_000).await);
    assert_eq!(far.failing.as_ref().unwrap().reason, "service_unavailable");
    assert_eq!(near.failing, far.failing);
    // To the hour, where it is not among what is looked at.
    assert!(near.last_success_at.unwrap() <= far.last_success_at.unwrap());
    house.smtp.remove_rule(closing);
    pass(&house, 3_600).await;
    for looks_at in [5, 10_000] {
        assert_eq!(worked(looks_at).await.failing, None);
    }
}
