//! How somebody asked for it stands beside what was done for them.

use actix_web::test::TestRequest;
use serde_json::{Value, json};
use tidings_tests::house::House;

use crate::story::bounced::{ask, get, notifying_commands};

const NOTE: &str = "by phone, ticket 4711 \"Lovelace\"";

#[actix_web::test]
async fn what_was_said_by_phone_is_on_record_with_what_was_done_and_sealed() {
    let house = House::start().await;
    let ada = house.subscriber("ada@example.org").await;
    house.platform.settle().await;
    let say = async |verb: &str, body: Value| {
        let uri = format!("/api/v1/subscribers/{ada}/{verb}");
        let request = TestRequest::post().uri(&uri).set_json(body);
        let answer = ask(&house, notifying_commands(&house), request).await;
        house.platform.settle().await;
        answer
    };
    for wrong in [String::new(), "x".repeat(501), "two\nlines".to_owned()] {
        let (status, problem) = say("unsubscribe", json!({ "evidence": wrong })).await;
        assert_eq!(
            (status, &problem["errors"][0]["pointer"]),
            (422, &json!("#/evidence"))
        );
    }
    assert_eq!(say("unsubscribe", json!({ "evidence": NOTE })).await.0, 200);
    assert_eq!(say("resubscribe", json!({ "evidence": NOTE })).await.0, 200);
    // It need not be said.
    assert_eq!(say("unsubscribe", json!({})).await.0, 200);

    let timeline = get(&house, &format!("/api/v1/subscribers/{ada}/timeline")).await;
    let told = |event_type: &str| {
        let items = timeline["items"].as_array().unwrap().iter();
        let of_type = items.filter(|it| it["type"] == event_type);
        let words = of_type.map(|it| it["words"].as_str().unwrap().contains("ticket 4711"));
        words.collect::<Vec<_>>()
    };
    assert_eq!(told("subscriber.Unsubscribed"), [false, true], "{timeline}");
    assert_eq!(told("subscriber.Resubscribed"), [true], "{timeline}");
    let stream = house.platform.store.log().stream(ada).await.unwrap();
    assert_eq!(stream.len(), 4);
    for event in stream {
        assert!(!String::from_utf8_lossy(&event.payload).contains("Lovelace"));
    }
}
