//! A frozen audience by segments that was lost: it is read again from the log, whatever can be opened by then.

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use tidings_domain::publication::{AskedSegment, Audience, Command, Picked};
use tidings_domain::topic::{ByDefault, Sender};
use tidings_tests::house::{Accounting, House};
use uuid::Uuid;

use super::{LONDON, draft, freeze, frozen, got, ok, post, publish, reader, revise, say, segment};

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
async fn whom_they_had_picked_is_found_again_when_nobody_can_read_what_they_ask_and_of_whom() {
    let house = House::start_without_delivery().await;
    let channel = house.email_channel().await;
    let ada = reader(&house, "ada", LONDON, json!(["vip"])).await;
    let bob = reader(&house, "bob", LONDON, json!(["trial"])).await;
    reader(&house, "cyd", LONDON, json!(["vip"])).await;
    let trials = segment(&house, "trials", json!({ "tag": "trial" })).await;
    let keys = json!({ "excluded_segments": ["trials"] });
    let id = draft(&house, channel, "T", &keys).await;
    let dispatcher = freeze(&house, id).await;
    assert_eq!(frozen(&house, id).await.picked[..], [0b1010_0000]);
    erase(&house, ada).await;
    erase(&house, bob).await;
    let now = house.platform.clock.clock().now();
    let vault = house.platform.store.vault();
    vault.shred(&[trials], now).await.unwrap();
    assert_eq!(lose_audience(&house).await, 2);
    house.add_dispatcher(dispatcher).await;
    house.platform.settle().await;
    // The plan is that of the frozen audience, whoever of it gets nothing any more.
    let settled = Accounting {
        planned: 2,
        sent: 1,
        suppressed: 1,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, settled);
    assert_eq!(not_planned(&house, id).await, 0);
    assert_eq!(got(&house, &["ada", "bob", "cyd"], "T"), "cyd");
}

/// Bits that are not of those whom the log leads to: somebody else would get it.
#[actix_web::test]
async fn an_audience_that_its_bits_do_not_lead_to_goes_to_nobody() {
    let house = House::start_without_delivery().await;
    let channel = house.email_channel().await;
    let ada = reader(&house, "ada", LONDON, json!(["vip"])).await;
    let bob = reader(&house, "bob", LONDON, json!([])).await;
    let vips = segment(&house, "vips", json!({ "tag": "vip" })).await;
    let keys = json!({ "segments": ["vips"] });
    let mut all = Vec::new();
    // One too many; of somebody else; and as they are.
    for bits in [vec![0x80, 0], vec![0x40], vec![0x80]] {
        let id = draft(&house, channel, "T", &keys).await;
        publish(&house, id).await;
        let audience = Audience {
            view_position: house.platform.store.log().head().await.unwrap().position,
            subscribers: 1,
            deliveries: 1,
            digest: Audience::digest_of(&[ada]),
        };
        let asked = AskedSegment {
            segment_id: vips,
            version: 1,
        };
        let picked = Picked {
            segments: vec![asked],
            bits,
        };
        let freeze = || Command::Freeze {
            audience,
            picked: Some(picked.clone()),
        };
        house.publication(id, freeze).await;
        house.platform.settle().await;
        all.push(id);
    }
    assert!(ada < bob);
    house.add_dispatcher(house.dispatcher()).await;
    house.platform.settle().await;
    for (id, state) in all.iter().zip(["frozen", "frozen", "completed"]) {
        assert_eq!(house.state(*id).await, state);
    }
    assert_eq!(house.smtp.count(), 1);
}
