//! Files that other products export: whom they say must get no mail gets none.

use actix_web::test::TestRequest;
use actix_web::web::{self, ServiceConfig};
use serde_json::{Value, json};
use tidings_command_api::Commands;
use tidings_domain::stream_id;
use tidings_domain::suppression::{Reason, Suppression};
use tidings_domain::value::EmailAddress;
use tidings_projector::{AT_LEAST_PATIENCE, Reader, Stops};
use tidings_service::Clock;
use tidings_tests::api::ask;
use tidings_tests::house::House;

use super::commands::commands;

fn rooms(house: &House) -> impl FnOnce(&mut ServiceConfig) + use<> {
    let platform = &house.platform;
    let link_keys = house.link_keys.as_ref().clone();
    let commands: web::Data<Commands> =
        web::Data::new(commands(platform, house.id_key.clone(), link_keys));
    let reader = Reader::new(platform.store.clone(), Stops::default(), AT_LEAST_PATIENCE);
    let reader = web::Data::new(reader);
    let clock: web::Data<Clock> = web::Data::new(platform.clock.clock());
    move |cfg| {
        cfg.app_data(commands).app_data(reader).app_data(clock);
        tidings_command_api::routes(cfg);
        tidings_projector::routes(cfg);
    }
}

/// The import of a file, as it is shown once it is worked off.
async fn import(house: &House, file: &str) -> Value {
    let request = TestRequest::post().uri("/api/v1/imports");
    let request = request
        .insert_header(("content-type", "text/csv"))
        .set_payload(file.to_owned());
    let (status, started) = ask(&house.platform, rooms(house), request).await;
    assert_eq!(status, 202, "{started}");
    house.platform.settle().await;
    let path = format!("/api/v1/imports/{}", started["id"].as_str().unwrap());
    let (status, shown) = ask(&house.platform, rooms(house), TestRequest::get().uri(&path)).await;
    assert_eq!((status, shown["state"].as_str()), (200, Some("completed")));
    shown
}

fn counts(import: &Value) -> [i64; 4] {
    ["accepted", "existing", "suppressed", "rejected"].map(|name| import[name].as_i64().unwrap())
}

async fn reasons(house: &House, address: &str) -> Vec<Reason> {
    let email = EmailAddress::parse(address).unwrap();
    let id = stream_id::address_suppression(&house.id_key, &email);
    let loaded = house.platform.store.load::<Suppression>(id).await.unwrap();
    loaded.state.reasons().to_vec()
}

const LISTMONK: &str = "uuid,email,name,attributes,status,created_at,updated_at\n\
    1,ada@example.org,Ada,{},enabled,2020,2021\n\
    2,bob@example.org,Bob,{},blocklisted,2020,2021\n\
    3,cleo@example.org,Cleo,{},disabled,2020,2021\n\
    4,dan@example.org,Dan,{},enabled,2020,2021\n\
    5,dan@example.org,Dan,no object,blocklisted,2020,2021\n\
    6,eve@example.org,Eve,{},paused,2020,2021\n";

#[actix_web::test]
async fn whom_another_product_wrote_to_no_more_gets_nothing_from_this_one() {
    let house = House::start().await;
    let channel = house.email_channel().await;
    // Cleo reads this paper already; that she has had enough is in the file.
    house.subscriber("cleo@example.org").await;
    let first = import(&house, LISTMONK).await;
    assert_eq!(counts(&first), [2, 0, 3, 1], "{first}");
    let line = &first["rejections"]["items"][0];
    assert_eq!(
        (line["line"].as_i64(), line["reason"].as_str()),
        (Some(7), Some("unknown_status"))
    );

    let left = "Email Address,First Name,Last Name,MEMBER_RATING,OPTIN_TIME,UNSUB_TIME,LEID,EUID\n\
        finn@example.org,Finn,F,2,2020-01-01 00:00:00,2021-01-01 00:00:00,1,2\n";
    assert_eq!(counts(&import(&house, left).await), [0, 0, 1, 0]);
    let cleaned = left
        .replace("UNSUB_TIME", "CLEAN_TIME")
        .replace("finn", "gone");
    assert_eq!(counts(&import(&house, &cleaned).await), [0, 0, 1, 0]);
    assert_eq!(reasons(&house, "bob@example.org").await, [Reason::Import]);
    assert_eq!(
        reasons(&house, "finn@example.org").await,
        [Reason::Unsubscribed]
    );
    assert_eq!(
        reasons(&house, "gone@example.org").await,
        [Reason::HardBounce]
    );

    // Somebody brings them all once more, as a plain list.
    let again = "email\nbob@example.org\nfinn@example.org\ngone@example.org\n";
    assert_eq!(counts(&import(&house, again).await), [3, 0, 0, 0]);
    house.publish("News", "Hello", &[channel]).await;
    house.platform.settle().await;
    let got = |name: &str| {
        house
            .smtp
            .by_recipient(&format!("{name}@example.org"))
            .len()
    };
    assert_eq!(
        ["ada", "bob", "cleo", "dan", "eve", "finn", "gone"].map(got),
        [1, 0, 0, 0, 0, 0, 0]
    );

    // The same file again does nothing more.
    let before = house.platform.store.log().head().await.unwrap().position;
    assert_eq!(counts(&import(&house, LISTMONK).await), [0, 2, 3, 1]);
    let events = house
        .platform
        .store
        .log()
        .page_after(before, 100)
        .await
        .unwrap();
    assert!(
        events
            .iter()
            .all(|it| it.event_type.starts_with("subscriber_import."))
    );
}

async fn previewed(house: &House, conditions: Value) -> Value {
    let request = TestRequest::post()
        .uri("/api/v1/segments/preview")
        .set_json(json!({ "conditions": conditions }));
    let (status, preview) = ask(&house.platform, rooms(house), request).await;
    assert_eq!(status, 200, "{preview}");
    preview
}

#[actix_web::test]
async fn a_header_says_what_is_a_number_and_who_has_not_agreed_gets_nothing() {
    let house = House::start().await;
    let channel = house.email_channel().await;
    // Cleo reads this paper already, and her no came later.
    house.subscriber("cleo@example.org").await;
    let file = "email,age:number,opt_in\n\
        ada@example.org,36,yes\n\
        bob@example.org,17,true\n\
        cleo@example.org,,no\n\
        dan@example.org,old,yes\n\
        eve@example.org,30,maybe\n";
    let import = import(&house, file).await;
    assert_eq!(counts(&import), [2, 0, 1, 2], "{import}");
    let by = json!([{ "column": "opt_in", "reason": "unsubscribed", "unconfirmed": false, "records": 1 }]);
    assert_eq!(import["suppressed_for"], by);
    let told: Vec<_> = ["reason", "column", "record"]
        .map(|key| {
            let items = import["rejections"]["items"].as_array().unwrap().iter();
            items
                .map(|it| it[key].as_str().unwrap())
                .collect::<Vec<_>>()
        })
        .to_vec();
    assert_eq!(told[0], ["not_a_number", "unclear_consent"]);
    assert_eq!(told[1], ["age:number", "opt_in"]);
    assert_eq!(
        told[2],
        ["dan@example.org,old,yes", "eve@example.org,30,maybe"]
    );

    let adults = json!({ "attribute": "age", "at_least": 18 });
    let preview = previewed(&house, adults.clone()).await;
    assert_eq!(
        (&preview["matching"], &preview["overlooked"]),
        (&json!(1), &json!([]))
    );
    let plain = "email,age\nfinn@example.org,40\ngus@example.org,12\n";
    assert_eq!(counts(&self::import(&house, plain).await), [2, 0, 0, 0]);
    let preview = previewed(&house, json!({ "not": adults })).await;
    let overlooked = &preview["overlooked"][0];
    let said = ["attribute", "kind", "subscribers"].map(|key| overlooked[key].clone());
    assert_eq!(said, [json!("age"), json!("number"), json!(2)]);

    house.publish("News", "Hello", &[channel]).await;
    house.platform.settle().await;
    let got = |name: &str| {
        let address = format!("{name}@example.org");
        house.smtp.by_recipient(&address).len()
    };
    assert_eq!(
        ["ada", "bob", "cleo", "dan", "eve"].map(got),
        [1, 1, 0, 0, 0]
    );
}

#[actix_web::test]
async fn tags_of_mailchimp_pick_their_readers() {
    let house = House::start().await;
    let file = "Email Address,MEMBER_RATING,LEID,TAGS\n\
        ada@example.org,2,1,\"\"\"Early Bird\"\",\"\"vip\"\"\"\n\
        bob@example.org,2,2,\n";
    assert_eq!(counts(&import(&house, file).await), [2, 0, 0, 0]);
    let preview = previewed(
        &house,
        json!({ "all": [{ "tag": "early_bird" }, { "tag": "vip" }] }),
    )
    .await;
    assert_eq!(preview["matching"], json!(1), "{preview}");
}
