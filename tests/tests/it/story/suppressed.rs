//! What an operator suppresses gets nothing, until they lift it; and what is not theirs to lift stands.

use std::time::Duration;

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use tidings_domain::stream_id;
use tidings_domain::suppression::{Reason, Scope, Suppression};
use tidings_domain::value::EmailAddress;
use tidings_projector::suppression_list::HOLDERS;
use tidings_proto::Event;
use tidings_tests::audit;
use tidings_tests::checker::deliveries::Deliveries;
use tidings_tests::house::{Accounting, House};
use uuid::Uuid;

use super::bounced::{ADA, GRACE, ask, house_commands};

async fn post(house: &House, path: &str, body: Value) -> (u16, Value) {
    let path = format!("/api/v1/suppressions{path}");
    let request = TestRequest::post().uri(&path).set_json(body);
    let answer = ask(house, house_commands(house), request).await;
    house.platform.settle().await;
    answer
}

async fn list(house: &House, query: &str) -> Vec<Value> {
    let path = format!("/api/v1/suppressions{query}");
    let request = TestRequest::get().uri(&path);
    let (status, page) = ask(house, house_commands(house), request).await;
    assert_eq!(status, 200, "{page}");
    page["items"].as_array().unwrap().clone()
}

#[actix_web::test]
async fn what_is_suppressed_by_hand_gets_nothing_until_it_is_lifted() {
    let house = House::start().await;
    house.subscriber(ADA).await;
    house.subscriber(GRACE).await;
    let channel = house.email_channel().await;
    let ada = json!({ "address": "Ada@Example.ORG" });
    assert_eq!(post(&house, "/find", ada.clone()).await.0, 404);
    assert_eq!(post(&house, "", ada.clone()).await.0, 200);
    assert_eq!(post(&house, "", ada.clone()).await.0, 200, "again");
    house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    let sent = |email: &str| house.smtp.by_recipient(email).len();
    assert_eq!((sent(ADA), sent(GRACE)), (0, 1));

    let (status, found) = post(&house, "/find", ada).await;
    assert_eq!((status, &found["reasons"]), (200, &json!(["manual"])));
    let listed = list(&house, "?reason=manual").await;
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["id"], found["id"]);
    let cause = &listed[0]["causes"][0];
    assert_eq!(
        (&cause["reason"], &cause["delivery_id"]),
        (&json!("manual"), &Value::Null)
    );
    assert!(
        cause["actor"].as_str().unwrap().starts_with("user:"),
        "{cause}"
    );
    assert_eq!(cause["since"], "2026-03-02T09:00:00Z");
    assert_eq!(listed[0]["domain"], Value::Null);
    assert_eq!(listed[0]["address"], "a…@example.org");
    assert!(!listed[0].to_string().contains("ada"), "{listed:?}");
    assert_eq!(list(&house, "?reason=complaint").await, Vec::<Value>::new());
    let lift = format!("/{}/lift", found["id"].as_str().unwrap());
    let reasons = json!({ "reasons": ["manual"] });
    assert_eq!(post(&house, &lift, reasons).await.0, 200);
    assert_eq!(list(&house, "").await, Vec::<Value>::new());

    // A whole domain.
    let domain = json!({ "domain": "EXAMPLE.org" });
    assert_eq!(post(&house, "", domain).await.0, 200);
    let listed = list(&house, "").await;
    assert_eq!(
        (&listed[0]["domain"], &listed[0]["address"]),
        (&json!("example.org"), &Value::Null)
    );
    assert_eq!(listed[0]["causes"].as_array().unwrap().len(), 1);
    house.publish("The bridge", "It is up.", &[channel]).await;
    house.platform.settle().await;
    assert_eq!((sent(ADA), sent(GRACE)), (0, 1));
}

/// Which address it is can be said only while somebody has it, and is looked up by an index.
#[actix_web::test]
async fn an_address_is_shown_masked_as_long_as_somebody_has_it() {
    let house = House::start().await;
    let ada = house.subscriber(ADA).await;
    for whom in [
        json!({ "address": ADA }),
        json!({ "address": "nobody@example.net" }),
        json!({ "domain": "example.org" }),
    ] {
        assert_eq!(post(&house, "", whom).await.0, 200);
    }
    let masks = async || {
        let all = list(&house, "?reason=manual").await.into_iter();
        let of_address = all.filter(|it| it["scope"] == "address");
        let mut masks: Vec<Value> = of_address.map(|it| it["address"].clone()).collect();
        masks.sort_by_key(Value::is_null);
        masks
    };
    assert_eq!(masks().await, [json!("a…@example.org"), Value::Null]);
    let erase = TestRequest::post().uri(&format!("/api/v1/subscribers/{ada}/erase"));
    assert_eq!(ask(&house, house_commands(&house), erase).await.0, 202);
    house.platform.settle().await;
    assert_eq!(masks().await, [Value::Null, Value::Null]);

    let mut client = house.platform.pool.get().await.unwrap();
    let asks = client.transaction().await.unwrap();
    // Of so few rows any other way is cheaper.
    asks.batch_execute("set local enable_seqscan = off")
        .await
        .unwrap();
    let sql = format!("explain {}", HOLDERS.replace("$1", "array[$1::uuid]"));
    let plan = asks.query(&sql, &[&Uuid::nil()]).await.unwrap();
    let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
    let plan = plan.join("\n");
    assert!(
        plan.contains("_suppression on publishing_subscriber_profile"),
        "{plan}"
    );
}

#[actix_web::test]
async fn nobody_lifts_what_only_they_themselves_can() {
    let house = House::start().await;
    let email = EmailAddress::parse(ADA).unwrap();
    let id = stream_id::address_suppression(&house.id_key, &email);
    house.suppress(id, Scope::Address, Reason::Erased).await;
    let lift = |reason: &str| json!({ "reasons": [reason] });
    let path = format!("/{id}/lift");
    assert_eq!(post(&house, &path, lift("erased")).await.0, 422);
    assert_eq!(post(&house, &path, lift("manual")).await.0, 200);
    let store = &house.platform.store;
    let suppression = store.load::<Suppression>(id).await.unwrap().state;
    assert_eq!(suppression.reasons(), [Reason::Erased]);
    let nothing = format!("/{}/lift", Uuid::from_u128(7));
    assert_eq!(post(&house, &nothing, lift("manual")).await.0, 404);
}

/// Whether anything may be sent to an address tells of whoever has it: so it is a look at them.
#[actix_web::test]
async fn who_looks_up_what_stands_against_an_address_has_looked_at_its_subscriber() {
    let house = House::start().await;
    let ada = stream_id::access(house.subscriber(ADA).await);
    let find = async |whom: Value, reason: &str| {
        let request = TestRequest::post().uri("/api/v1/suppressions/find");
        let request = request
            .insert_header(("look-reason", reason))
            .set_json(whom);
        ask(&house, house_commands(&house), request).await.0
    };
    let looks = async || {
        let log = house.platform.store.log();
        let events = log.page_after(0, 1_000).await.unwrap();
        let looks = events
            .into_iter()
            .filter(|it| it.event_type == "access.Viewed");
        looks.map(|it| it.stream_id).collect::<Vec<_>>()
    };
    let address = || json!({ "address": "ADA@example.org" });
    assert_eq!(find(address(), "she asks").await, 404);
    assert_eq!(looks().await, [ada]);
    assert_eq!(post(&house, "", address()).await.0, 200);
    assert_eq!(looks().await, [ada], "to suppress shows nothing");
    assert_eq!(find(address(), "she asks again").await, 200);
    assert_eq!(looks().await, [ada; 2]);
    assert_eq!(find(address(), &"x".repeat(501)).await, 400);
    // Of nobody there is nothing to see.
    for whom in [
        json!({ "domain": "example.org" }),
        json!({ "address": GRACE }),
    ] {
        assert_eq!(find(whom, "why not").await, 404);
    }
    assert_eq!(looks().await, [ada; 2]);
}

/// A house where something is planned for these, and nothing attempted: their channel is disabled.
async fn planned_for(readers: &[&str]) -> (House, Uuid, Uuid) {
    let house = House::start().await;
    let channel = house.email_channel().await;
    for reader in readers {
        house.subscriber(reader).await;
    }
    house.disable(channel).await;
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    let pending = house.accounting(id).await.pending;
    assert_eq!(pending, i64::try_from(readers.len()).unwrap());
    (house, channel, id)
}

/// Everything that was planned is attempted, or not; gives why each that was not was not.
async fn attempted(house: &House, channel: Uuid) -> Vec<String> {
    house.enable(channel).await;
    house.platform.clock.advance(Duration::from_secs(60));
    house.platform.settle().await;
    let events = audit::sound_log(house.platform.store.log()).await;
    Deliveries::of(&events).all_settled();
    let reasons = events.iter().filter_map(|event| match event.decode() {
        Ok(Event::DeliverySuppressed(it)) => Some(it.reason),
        _ => None,
    });
    reasons.collect()
}

#[actix_web::test]
async fn whose_address_or_domain_is_suppressed_between_plan_and_attempt_gets_nothing() {
    let readers = [
        ADA,
        GRACE,
        "bob@example.net",
        "cleo@sub.example.net",
        "dan@example.com",
    ];
    let (house, channel, id) = planned_for(&readers).await;
    assert_eq!(post(&house, "", json!({ "address": ADA })).await.0, 200);
    let domain = json!({ "domain": "example.net" });
    assert_eq!(post(&house, "", domain).await.0, 200);
    // Whose reason is gone again by then gets it.
    let email = EmailAddress::parse(GRACE).unwrap();
    let grace = stream_id::address_suppression(&house.id_key, &email);
    let complaint = Reason::Complaint;
    house.suppress(grace, Scope::Address, complaint).await;
    house.lift(grace, complaint).await;
    let mut reasons = attempted(&house, channel).await;
    reasons.sort_unstable();
    assert_eq!(reasons, ["address_suppressed", "domain_suppressed"]);
    let settled = Accounting {
        planned: 5,
        sent: 3,
        suppressed: 2,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, settled);
    let got = readers.map(|it| house.smtp.by_recipient(it).len());
    assert_eq!(got, [0, 1, 0, 1, 1]);
}

#[actix_web::test]
async fn who_changes_their_address_between_plan_and_attempt_gets_it_there_and_nowhere_else() {
    let (house, channel, id) = planned_for(&[ADA, GRACE]).await;
    let find = TestRequest::post().uri("/api/v1/subscribers/find");
    let find = find.set_json(json!({ "email": ADA }));
    let (_, ada) = ask(&house, house_commands(&house), find).await;
    let path = format!("/api/v1/subscribers/{}", ada["id"].as_str().unwrap());
    let change = TestRequest::patch().uri(&path);
    let change = change.set_json(json!({ "email": "ada@example.net" }));
    let (status, answer) = ask(&house, house_commands(&house), change).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(attempted(&house, channel).await, [] as [&str; 0]);
    let settled = Accounting {
        planned: 2,
        sent: 2,
        ..Accounting::default()
    };
    assert_eq!(house.accounting(id).await, settled);
    let got = [ADA, "ada@example.net", GRACE].map(|it| house.smtp.by_recipient(it).len());
    assert_eq!(got, [0, 1, 1]);
}
