//! What an operator suppresses gets nothing, until they lift it; and what is not theirs to lift stands.

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use tidings_domain::stream_id;
use tidings_domain::suppression::{Command, Reason, Scope, Suppression};
use tidings_domain::value::EmailAddress;
use tidings_tests::house::House;

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
    assert_eq!(listed[0]["domain"], "example.org");
    assert_eq!(listed[0]["causes"].as_array().unwrap().len(), 1);
    house.publish("The bridge", "It is up.", &[channel]).await;
    house.platform.settle().await;
    assert_eq!((sent(ADA), sent(GRACE)), (0, 1));
}

#[actix_web::test]
async fn nobody_lifts_what_only_they_themselves_can() {
    let house = House::start().await;
    let email = EmailAddress::parse(ADA).unwrap();
    let id = stream_id::address_suppression(&house.id_key, &email);
    let command = || Command::Add {
        scope: Scope::Address,
        reason: Reason::Erased,
        delivery_id: None,
        value: None,
    };
    let (store, context) = (&house.platform.store, house.context());
    store
        .execute::<Suppression>(id, &context, None, command)
        .await
        .unwrap();
    let lift = |reason: &str| json!({ "reasons": [reason] });
    let path = format!("/{id}/lift");
    assert_eq!(post(&house, &path, lift("erased")).await.0, 422);
    assert_eq!(post(&house, &path, lift("manual")).await.0, 200);
    let suppression = store.load::<Suppression>(id).await.unwrap().state;
    assert_eq!(suppression.reasons(), [Reason::Erased]);
    let nothing = format!("/{}/lift", uuid::Uuid::from_u128(7));
    assert_eq!(post(&house, &nothing, lift("manual")).await.0, 404);
}
