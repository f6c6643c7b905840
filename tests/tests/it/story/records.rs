//! What is known of somebody: written, changed, listed, and gone with them.

mod moved;

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use tidings_domain::record::Record;
use tidings_domain::stream_id;
use tidings_domain::topic::{ByDefault, Sender};
use tidings_event_store::view::{Bounds, RebuildMode, RebuildOptions};
use tidings_projector::{VIEWS, find, rebuild};
use tidings_tests::house::House;
use uuid::Uuid;

use super::bounced::{ask, events, house_commands};

/// What the platform says to a request, once all views have come as far.
pub(super) async fn say(house: &House, request: TestRequest) -> (u16, Value) {
    let answer = ask(house, house_commands(house), request).await;
    house.platform.settle().await;
    answer
}

async fn sign_up(house: &House, body: Value) -> Uuid {
    let request = TestRequest::post().uri("/api/v1/subscribers");
    let (status, answer) = say(house, request.set_json(body)).await;
    assert_eq!(status, 201, "{answer}");
    answer["id"].as_str().unwrap().parse().unwrap()
}

fn patch(id: Uuid, body: &Value) -> TestRequest {
    let path = format!("/api/v1/subscribers/{id}");
    TestRequest::patch().uri(&path).set_json(body)
}

async fn get(house: &House, path: &str) -> Value {
    let (status, answer) = say(house, TestRequest::get().uri(path)).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

async fn shown(house: &House, id: Uuid) -> Value {
    get(house, &format!("/api/v1/subscribers/{id}")).await
}

/// The addresses on the pages of a list, as it shows them.
async fn listed(house: &House, query: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = get(
            house,
            &format!("/api/v1/subscribers?limit=2{query}{cursor}"),
        )
        .await;
        let items = page["items"].as_array().unwrap().iter();
        all.extend(items.map(|it| it["email"].as_str().unwrap_or("nobody").to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    all.sort();
    all
}

#[actix_web::test]
async fn a_record_is_patched_and_shown_and_a_repeat_changes_nothing() {
    let house = House::start().await;
    let ada = sign_up(
        &house,
        json!({
            "email": "ada@example.org", "name": "Ada", "tags": ["VIP"],
            "attributes": { "city": "London", "share": 0.1, "member": true, "born": { "date": "1815-12-10" } },
        }),
    )
    .await;
    let before = shown(&house, ada).await;
    assert_eq!(
        before["attributes"]["born"],
        json!({ "date": "1815-12-10" })
    );
    assert_eq!(
        (&before["attributes"]["share"], &before["tags"]),
        (&json!(0.1), &json!(["vip"]))
    );

    let body = json!({
        "name": "Ada L.",
        "attributes": { "city": null, "share": { "number": "0.1000000000000000000001" } },
        "tags": { "add": ["early"], "remove": ["vip"] },
    });
    let keyed = || patch(ada, &body).insert_header(("idempotency-key", "\"k\""));
    let (status, first) = say(&house, keyed()).await;
    assert_eq!((status, &first["version"]), (200, &json!(1)), "{first}");
    let written = events(&house).await;
    assert_eq!(say(&house, keyed()).await, (200, first.clone()));
    let (status, again) = say(&house, patch(ada, &body)).await;
    assert_eq!(
        (status, &again["position"]),
        (200, &first["position"]),
        "it is so already"
    );
    assert_eq!(events(&house).await, written);
    let other = patch(ada, &json!({})).insert_header(("idempotency-key", "\"k\""));
    assert_eq!(say(&house, other).await.0, 422);

    let after = shown(&house, ada).await;
    assert_eq!(
        (&after["name"], &after["tags"]),
        (&json!("Ada L."), &json!(["early"]))
    );
    let expected = json!({
        "share": { "number": "0.1000000000000000000001" }, "member": true, "born": { "date": "1815-12-10" },
    });
    assert_eq!(after["attributes"], expected);
    assert_eq!(
        (&after["version"], &after["record_version"]),
        (&json!(1), &json!(2))
    );

    let seen =
        |tag: &'static str| patch(ada, &json!({ "name": null })).insert_header(("if-match", tag));
    let (status, problem) = say(&house, seen("\"1.1\"")).await;
    assert_eq!(
        (status, &problem["record_version"]),
        (412, &json!(2)),
        "{problem}"
    );
    assert_eq!(say(&house, seen("\"1.2\"")).await.0, 200);
    assert_eq!(shown(&house, ada).await["name"], Value::Null);
    let nobody = patch(Uuid::from_u128(7), &json!({ "name": "X" }));
    assert_eq!(say(&house, nobody).await.0, 404);
}

#[actix_web::test]
async fn who_write_at_the_same_time_do_not_undo_each_others() {
    let house = House::start().await;
    let ada = house.subscriber("ada@example.org").await;
    let all = (0..4).map(|n| {
        let body = json!({ "attributes": { format!("key{n}"): n } });
        ask(&house, house_commands(&house), patch(ada, &body))
    });
    let answers = futures_util::future::join_all(all).await;
    assert!(
        answers.iter().all(|(status, _)| *status == 200),
        "{answers:?}"
    );
    house.platform.settle().await;
    let expected = json!({ "key0": 0, "key1": 1, "key2": 2, "key3": 3 });
    assert_eq!(shown(&house, ada).await["attributes"], expected);
    // A record moves no version that a send is guarded on.
    let stream = house.platform.store.log().stream(ada).await.unwrap();
    assert_eq!(stream.len(), 1);
}

#[actix_web::test]
async fn subscribers_are_listed_by_what_is_known_of_them() {
    let house = House::start().await;
    let markets = house
        .topic("markets", ByDefault::Out, Sender::default())
        .await;
    let council = house
        .topic("council", ByDefault::In, Sender::default())
        .await;
    let person = |email: &str, attributes: Value, tags: Value| json!({ "email": email, "attributes": attributes, "tags": tags });
    let ada = sign_up(
        &house,
        person(
            "ada@a.example",
            json!({ "city": "London", "age": 36 }),
            json!(["vip"]),
        ),
    )
    .await;
    let bob = sign_up(
        &house,
        person(
            "bob@b.example",
            json!({ "city": "London", "age": "36" }),
            json!(["vip", "new"]),
        ),
    )
    .await;
    let eve = sign_up(
        &house,
        person(
            "eve@e.example",
            json!({ "born": { "date": "2000-01-01" } }),
            json!([]),
        ),
    )
    .await;
    let verb = |id: Uuid, verb: &str, body: Value| {
        let path = format!("/api/v1/subscribers/{id}/{verb}");
        TestRequest::post().uri(&path).set_json(body)
    };
    for request in [
        verb(bob, "resubscribe", json!({ "topic_id": markets })),
        verb(bob, "unsubscribe", json!({ "topic_id": council })),
        verb(eve, "unsubscribe", json!({})),
        patch(ada, &json!({ "tags": { "remove": ["vip"] } })),
        TestRequest::post()
            .uri("/api/v1/suppressions")
            .set_json(json!({ "domain": "b.example" })),
    ] {
        let (status, answer) = say(&house, request).await;
        assert!(status < 300, "{answer}");
    }
    let (a, b, e) = ("a…@a.example", "b…@b.example", "e…@e.example");
    assert_eq!(listed(&house, "").await, [a, b, e]);
    for (query, expected) in [
        ("&state=active", &[a, b][..]),
        ("&state=unsubscribed", &[e]),
        ("&state=pending", &[]),
        ("&tag=vip", &[b]),
        ("&tag=NEW", &[b]),
        ("&attribute=city:London", &[a, b]),
        ("&attribute=age:36", &[a, b]),
        ("&attribute=born:2000-01-01", &[e]),
        ("&attribute=born:2000-01-02", &[]),
        ("&suppressed=true", &[b]),
        ("&suppressed=false&state=active", &[a]),
        ("&tag=new&attribute=city:London&state=active", &[b]),
    ] {
        assert_eq!(listed(&house, query).await, expected, "{query}");
    }
    assert_eq!(listed(&house, &format!("&topic={markets}")).await, [b]);
    assert_eq!(listed(&house, &format!("&topic={council}")).await, [a, e]);
    for wrong in [
        "tag=no+tag",
        "attribute=city",
        "state=gone",
        &format!("topic={ada}"),
        "name=Ada",
    ] {
        let request = TestRequest::get().uri(&format!("/api/v1/subscribers?{wrong}"));
        assert_eq!(say(&house, request).await.0, 400, "{wrong}");
    }
    let text = get(&house, "/api/v1/subscribers").await.to_string();
    assert!(!text.contains("ada@") && !text.contains("London"), "{text}");
}

/// Patches that stand in different ranges of a rebuild, and a change of address between them.
#[actix_web::test]
async fn a_record_is_rebuilt_as_it_was_folded() {
    let house = House::start().await;
    let first = json!({ "email": "ada@example.org", "name": "Ada", "attributes": { "city": "London", "age": 36 }, "tags": ["vip"] });
    let ada = sign_up(&house, first).await;
    let bob = house.subscriber("bob@example.org").await;
    for body in [
        json!({ "attributes": { "city": null, "zip": "1" }, "tags": ["new"] }),
        json!({ "email": "ada@example.net", "name": null }),
        json!({ "attributes": { "zip": "2" }, "tags": { "add": ["vip"] } }),
    ] {
        for id in [ada, bob] {
            let email = body["email"].as_str().filter(|_| id == bob);
            let mut body = body.clone();
            if email.is_some() {
                body["email"] = json!("bob@example.net");
            }
            assert_eq!(say(&house, patch(id, &body)).await.0, 200);
        }
    }
    let before = shown(&house, ada).await;
    let view = [find(&VIEWS, "subscriber_profile").unwrap()];
    for mode in [
        RebuildMode::Verify,
        RebuildMode::Replace,
        RebuildMode::Verify,
    ] {
        let options = RebuildOptions {
            readers: 2,
            bounds: Bounds {
                range: 3,
                memory: 1,
                stage_every: 1_000_000,
            },
            ..RebuildOptions::new(mode)
        };
        let rebuilt = rebuild(&house.platform.store, &view, &options, &mut |_| ()).await;
        assert_eq!(rebuilt.unwrap()[0].differences, 0, "{options:?}");
    }
    assert_eq!(shown(&house, ada).await, before);
    assert_eq!(before["attributes"], json!({ "age": 36, "zip": "2" }));
    assert_eq!(
        (&before["name"], &before["tags"]),
        (&Value::Null, &json!(["new", "vip"]))
    );
}

#[actix_web::test]
async fn a_record_is_gone_with_whoever_is_erased() {
    let house = House::start().await;
    let ada = sign_up(
        &house,
        json!({ "email": "ada@example.org", "attributes": { "city": "Atlantis" }, "tags": ["beloved"] }),
    )
    .await;
    let erase = format!("/api/v1/subscribers/{ada}/erase");
    assert_eq!(say(&house, TestRequest::post().uri(&erase)).await.0, 202);
    let late = patch(ada, &json!({ "attributes": { "city": "Atlantis" } }));
    assert_eq!(say(&house, late).await.0, 409);
    let after = shown(&house, ada).await;
    assert_eq!(
        (&after["attributes"], &after["tags"]),
        (&Value::Null, &json!([]))
    );
    let id = stream_id::record(ada);
    let record = house.platform.store.load::<Record>(id).await.unwrap();
    assert_eq!(
        (record.version, record.state.tags().len()),
        (1, 0),
        "it can not be opened any more"
    );
    let client = house.platform.pool.get().await.unwrap();
    let sql = "select count(*) from publishing_subscriber_profile p where p::text ilike '%atlantis%' or p::text like '%beloved%'";
    assert_eq!(
        client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0),
        0
    );
}
