//! Who has something changed for them is told.

use actix_web::test::TestRequest;
use actix_web::web;
use serde_json::{Value, json};
use tidings_command_api::routes;
use tidings_domain::topic::{ByDefault, Sender};
use tidings_tests::api::ask_all;
use tidings_tests::house::House;

use super::mails;
use crate::story::bounced::notifying_commands;

#[actix_web::test]
async fn who_has_something_changed_for_them_over_the_api_is_told_unless_it_is_said_otherwise() {
    let house = House::start().await;
    let channel = house.email_channel().await;
    let markets = house
        .topic("markets", ByDefault::In, Sender::default())
        .await;
    let ada = house.subscriber("ada@example.org").await;
    house.platform.settle().await;
    let of_ada = |verb: &str| format!("/api/v1/subscribers/{ada}/{verb}");
    let send = async |request: TestRequest, key: &'static str| {
        let commands = notifying_commands(&house);
        let rooms = |cfg: &mut web::ServiceConfig| routes(cfg.app_data(web::Data::new(commands)));
        let request = request.insert_header(("Idempotency-Key", key));
        let (status, answer) = ask_all(&house.platform, rooms, vec![request])
            .await
            .remove(0);
        house.platform.settle().await;
        (status, answer)
    };
    let put = |body: Value| {
        TestRequest::put()
            .uri(&of_ada("preferences"))
            .set_json(body)
    };
    let say = |verb: &str, body: Value| TestRequest::post().uri(&of_ada(verb)).set_json(body);
    let daily = |hour: u8| json!({ "frequency": { "kind": "daily", "hour": hour }, "zone": "UTC" });
    let (status, first) = send(put(daily(7)), "k1").await;
    assert_eq!((status, mails(&house, "ada")), (200, 1));
    let told = house.smtp.by_recipient("ada@example.org");
    let told = String::from_utf8(told[0].raw().unwrap().to_vec()).unwrap();
    assert!(
        told.contains("on your behalf") && told.contains("/p/"),
        "{told}"
    );
    // The same request again, and one that changes nothing.
    assert_eq!(send(put(daily(7)), "k1").await, (200, first));
    assert_eq!(send(put(daily(8)), "k1").await.0, 422, "another body");
    assert_eq!(send(put(daily(7)), "k2").await.0, 200);
    assert_eq!(mails(&house, "ada"), 1);
    let mut quietly = daily(8);
    quietly["notify"] = json!(false);
    assert_eq!(send(put(quietly), "k3").await.0, 200);
    let left = json!({ "topic_id": markets });
    assert_eq!(
        send(
            say(
                "unsubscribe",
                json!({ "topic_id": markets, "notify": false })
            ),
            "k4"
        )
        .await
        .0,
        200
    );
    assert_eq!(mails(&house, "ada"), 1);
    assert_eq!(send(say("resubscribe", left.clone()), "k5").await.0, 200);
    assert_eq!(mails(&house, "ada"), 2);
    let stale = say("unsubscribe", left.clone()).insert_header(("If-Match", "\"1\""));
    assert_eq!(send(stale, "k6").await.0, 412);
    // Who leaves or comes back as a whole is not told, nor is who gets nothing.
    assert_eq!(send(say("unsubscribe", json!({})), "k7").await.0, 200);
    assert_eq!(
        send(say("unsubscribe", json!({ "channel_id": channel })), "k8")
            .await
            .0,
        200
    );
    assert_eq!(send(say("resubscribe", json!({})), "k9").await.0, 200);
    assert_eq!(
        send(
            say(
                "resubscribe",
                json!({ "channel_id": channel, "notify": false })
            ),
            "k10"
        )
        .await
        .0,
        200
    );
    assert_eq!(mails(&house, "ada"), 2);
    for (hour, key) in [(9, "k11"), (10, "k12"), (11, "k13")] {
        assert_eq!(send(put(daily(hour)), key).await.0, 200);
    }
    assert_eq!(mails(&house, "ada"), 3, "three a day at the most");
    let nobody = TestRequest::put().uri(&format!("/api/v1/subscribers/{markets}/preferences"));
    assert_eq!(send(nobody.set_json(daily(7)), "k14").await.0, 404);
}
