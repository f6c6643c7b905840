//! Who has something changed for them is told.

use actix_web::test::TestRequest;
use actix_web::web;
use serde_json::{Value, json};
use tidings_command_api::{Offer, routes};
use tidings_dispatcher::notices;
use tidings_domain::subscriber::What;
use tidings_domain::topic::{ByDefault, Sender};
use tidings_proto::Event;
use tidings_tests::api::ask_all;
use tidings_tests::house::House;
use uuid::Uuid;

use super::{mails, path, visit};
use crate::story::bounced::{ask, notifying_commands};

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
    // Who leaves as a whole is not told, nor is who has left the only way to them.
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

/// The channels of all messages to somebody, in their order.
async fn ways(house: &House, subscriber_id: Uuid) -> Vec<Uuid> {
    let log = house.platform.store.log();
    let events = log.page_after(0, 10_000).await.unwrap();
    let planned = events.iter().filter_map(|it| match it.decode() {
        Ok(Event::DeliveryPlanned(it)) => Some(it),
        _ => None,
    });
    let id = |bytes: &[u8]| Uuid::from_slice(bytes).unwrap();
    planned
        .filter(|it| id(&it.subscriber_id) == subscriber_id)
        .map(|it| id(&it.channel_id))
        .collect()
}

#[actix_web::test]
async fn whoever_is_subscribed_again_is_told_by_a_way_they_have_not_left() {
    let house = House::start().await;
    let [first, second] = [house.email_channel().await, house.email_channel().await];
    let ada = house.subscriber("ada@example.org").await;
    house.platform.settle().await;
    let log = house.platform.store.log();
    let by_itself = notices::channel(log, None, &[]).await.unwrap().unwrap();
    let other = if by_itself == first { second } else { first };
    let page = path(&house, ada);
    let post = async |form: String| {
        let request = TestRequest::post().uri(&page).set_payload(form);
        let request = request.insert_header(("content-type", "application/x-www-form-urlencoded"));
        let (status, _) = visit(&house, Offer::default(), vec![request])
            .await
            .remove(0);
        house.platform.settle().await;
        assert_eq!(status, 200);
    };
    // By whatever mail of theirs: somebody may have it who is not Ada.
    post("do=leave".to_owned()).await;
    assert_eq!(mails(&house, "ada"), 0);
    post("do=back&departures=1".to_owned()).await;
    assert_eq!(ways(&house, ada).await, [by_itself]);
    let told = house.smtp.by_recipient("ada@example.org");
    let told = String::from_utf8(told[0].raw().unwrap().to_vec()).unwrap();
    assert!(
        told.replace("=\r\n", "").contains("subscribed again"),
        "{told}"
    );

    // Through the API too, and by the other way once they have left that one.
    let say = async |verb: &str, body: Value| {
        let uri = format!("/api/v1/subscribers/{ada}/{verb}");
        let request = TestRequest::post().uri(&uri).set_json(body);
        let (status, answer) = ask(&house, notifying_commands(&house), request).await;
        assert_eq!(status, 200, "{answer}");
        house.platform.settle().await;
    };
    say("unsubscribe", json!({})).await;
    house.leave(ada, What::Channel(by_itself)).await;
    say("resubscribe", json!({})).await;
    assert_eq!(ways(&house, ada).await, [by_itself, other]);
    assert_eq!(mails(&house, "ada"), 2);
    // Leaving the last way is no occasion to write by it.
    say("unsubscribe", json!({ "channel_id": other })).await;
    assert_eq!(
        ways(&house, ada).await,
        [by_itself, other],
        "nothing says that they were told"
    );
    say("unsubscribe", json!({})).await;
    say("resubscribe", json!({ "notify": false })).await;
    assert_eq!(mails(&house, "ada"), 2);
}
