//! A frozen audience by segments that was lost: it is read again from the log, as far as anybody can tell.

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use tidings_domain::topic::{ByDefault, Sender};
use tidings_tests::house::{Accounting, House};
use uuid::Uuid;

use super::{LONDON, draft, freeze, got, ok, post, publish, reader, revise, say, segment};

async fn lose_audience(house: &House) -> u64 {
    let client = house.platform.pool.get().await.unwrap();
    let lost = "delete from publishing_dispatch_audience";
    client.execute(lost, &[]).await.unwrap()
}

async fn patch(house: &House, id: Uuid, body: Value) {
    let path = format!("/api/v1/subscribers/{id}");
    let patch = TestRequest::patch().uri(&path).set_json(body);
    let (status, answer) = say(house, patch).await;
    assert_eq!(status, 200, "{answer}");
}

async fn erase(house: &House, id: Uuid) {
    let path = format!("/api/v1/subscribers/{id}/erase");
    ok(house, post(&path, &json!({}))).await;
    let path = format!("/api/v1/subscribers/{id}/erasure");
    let receipt = ok(house, TestRequest::get().uri(&path)).await;
    assert!(receipt["erased"].is_object(), "{receipt}");
}

/// What was not planned of what was frozen; the books must balance.
async fn not_planned(house: &House, id: Uuid) -> Value {
    let path = format!("/api/v1/publications/{id}/accounting");
    let books = ok(house, TestRequest::get().uri(&path)).await;
    assert_eq!(books["balanced"], true, "{books}");
    assert_eq!(books["state"], "completed", "{books}");
    books["not_planned"].clone()
}

#[actix_web::test]
async fn whom_segments_had_picked_is_found_again_however_they_are_by_now() {
    let house = House::start_without_delivery().await;
    let channel = house.email_channel().await;
    let council = house
        .topic("council", ByDefault::In, Sender::default())
        .await;
    let names = ["ada", "bob", "cyd", "dan", "eve", "fay"];
    let ada = reader(&house, "ada", LONDON, json!(["vip"])).await;
    let bob = reader(&house, "bob", LONDON, json!(["trial"])).await;
    let cyd = reader(&house, "cyd", "Porto", json!(["vip"])).await;
    let dan = reader(&house, "dan", "Porto", json!([])).await;
    let eve = reader(&house, "eve", "Porto", json!(["vip"])).await;
    house.subscriber("fay@example.org").await;
    // What is known by the freeze is laid over the sign-up.
    patch(&house, dan, json!({ "attributes": { "city": LONDON } })).await;
    patch(&house, cyd, json!({ "tags": { "remove": ["vip"] } })).await;
    let path = format!("/api/v1/subscribers/{eve}/unsubscribe");
    ok(&house, post(&path, &json!({ "topic_id": council }))).await;
    let city = json!({ "attribute": "city", "is": LONDON });
    let any = json!({ "any": [city, { "all": [{ "tag": "vip" }, { "topic": council }] }] });
    let its = segment(&house, "its", any).await;
    let trials = segment(&house, "trials", json!({ "tag": "trial" })).await;
    let keys = json!({ "segments": ["its"], "excluded_segments": ["trials"] });
    let id = draft(&house, channel, "T", &keys).await;
    let dispatcher = freeze(&house, id).await;

    // All the other way round, and none of it counts.
    revise(&house, its, json!({ "tag": "none" })).await;
    revise(&house, trials, json!({ "state": "active" })).await;
    patch(&house, dan, json!({ "attributes": { "city": "Porto" } })).await;
    patch(&house, bob, json!({ "tags": { "remove": ["trial"] } })).await;
    patch(
        &house,
        ada,
        json!({ "tags": { "add": ["trial"] }, "attributes": { "city": null } }),
    )
    .await;
    reader(&house, "gus", LONDON, json!([])).await;
    assert_eq!(lose_audience(&house).await, 2);
    house.add_dispatcher(dispatcher).await;
    house.platform.settle().await;
    assert_eq!(got(&house, &names, "T"), "ada dan");
    assert_eq!(got(&house, &["gus"], "T"), "");
    assert_eq!(not_planned(&house, id).await, 0);
}

#[actix_web::test]
async fn of_whom_was_erased_since_only_what_was_planned_goes_on() {
    // Planned in the first chunk: one with tags, and so many without.
    const PLAIN: usize = 499;
    let house = House::start_without_delivery().await;
    let channel = house.email_channel().await;
    segment(&house, "trials", json!({ "tag": "trial" })).await;
    let planned = reader(&house, "planned", LONDON, json!(["vip"])).await;
    let mut plain = Vec::new();
    for n in 0..PLAIN {
        plain.push(house.subscriber(&format!("reader{n}@example.org")).await);
    }
    let picked = reader(&house, "picked", LONDON, json!(["vip"])).await;
    let not_picked = reader(&house, "trial", LONDON, json!(["trial"])).await;
    reader(&house, "last", LONDON, json!(["vip"])).await;
    let keys = json!({ "excluded_segments": ["trials"] });
    let id = draft(&house, channel, "T", &keys).await;
    let mut dispatcher = freeze(&house, id).await;
    for _ in 0..2 {
        dispatcher.step().await.unwrap();
        house.platform.settle().await;
    }
    assert_eq!(house.accounting(id).await.planned, 500);
    drop(dispatcher);
    for gone in [planned, picked, not_picked, plain[0]] {
        erase(&house, gone).await;
    }
    assert_eq!(lose_audience(&house).await, 502);
    house.add_dispatcher(house.dispatcher()).await;
    house.platform.settle().await;
    // Of whoever had no tags there is nothing to be erased that counts.
    let settled = Accounting {
        planned: 501,
        sent: 499,
        suppressed: 2,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, settled);
    assert_eq!(not_planned(&house, id).await, 1);
    assert_eq!(
        got(&house, &["planned", "picked", "trial", "last"], "T"),
        "last"
    );
}

#[actix_web::test]
async fn whom_a_destroyed_segment_had_picked_is_told_of_nobody() {
    let house = House::start_without_delivery().await;
    let channel = house.email_channel().await;
    reader(&house, "ada", LONDON, json!(["vip"])).await;
    reader(&house, "bob", LONDON, json!([])).await;
    let vips = segment(&house, "vips", json!({ "tag": "vip" })).await;
    let keys = json!({ "segments": ["vips"] });
    let [kept, lost] = [
        draft(&house, channel, "kept", &keys).await,
        draft(&house, channel, "lost", &keys).await,
    ];
    publish(&house, kept).await;
    publish(&house, lost).await;
    let mut dispatcher = house.dispatcher();
    dispatcher.step().await.unwrap();
    let client = house.platform.pool.get().await.unwrap();
    let sql = "delete from publishing_dispatch_audience where publication_id = $1";
    assert_eq!(client.execute(sql, &[&lost]).await.unwrap(), 1);
    let now = house.platform.clock.clock().now();
    let vault = house.platform.store.vault();
    vault.shred(&[vips], now).await.unwrap();
    house.add_dispatcher(dispatcher).await;
    house.platform.settle().await;
    // What was settled before stands; what would have to be found out anew cannot be.
    assert_eq!(got(&house, &["ada", "bob"], "kept"), "ada");
    assert_eq!(not_planned(&house, kept).await, 0);
    assert_eq!(got(&house, &["ada", "bob"], "lost"), "");
    assert_eq!(not_planned(&house, lost).await, 1);
}
