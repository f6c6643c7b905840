//! Whoever is erased is gone from everywhere, gets nothing more, and is brought back by nobody but themselves.

mod meanwhile;

use actix_web::http::header;
use actix_web::test::TestRequest;
use serde_json::{Value, json};
use tidings_domain::id::derive_from;
use tidings_domain::stream_id::{self, KeyedRequest};
use tidings_domain::subscriber::{Standing, Subscriber};
use tidings_domain::suppression::{Reason, Suppression};
use tidings_domain::value::EmailAddress;
use tidings_event_store::receipt::{Erasure, Receipt, erasure};
use tidings_event_store::view::{RebuildMode, RebuildOptions};
use tidings_projector::{VIEWS, find as find_view, rebuild};
use tidings_tests::api;
use tidings_tests::audit::sound_log;
use tidings_tests::house::House;
use uuid::Uuid;

use super::bounced::{ask, house_commands};

/// Stands nowhere else.
const CANARY: &str = "canary.7f3a@example.org";
const GRACE: &str = "grace@example.org";

async fn post(house: &House, path: &str, body: Value) -> (u16, Value) {
    let request = TestRequest::post().uri(path).set_json(body);
    ask(house, house_commands(house), request).await
}

async fn get(house: &House, path: &str) -> (u16, Value) {
    let request = TestRequest::get().uri(path);
    ask(house, house_commands(house), request).await
}

async fn erase(house: &House, id: Uuid) {
    let path = format!("/api/v1/subscribers/{id}/erase");
    let (status, answer) = post(house, &path, json!({})).await;
    assert_eq!(status, 202, "{answer}");
    let operation = format!("/api/v1/subscribers/{id}/erasure");
    assert_eq!(answer["operation"], operation.as_str());
}

pub(super) async fn import(house: &House, key: &str, file: String) -> Value {
    let request = TestRequest::post()
        .uri("/api/v1/imports")
        .insert_header((header::CONTENT_TYPE, "text/csv"))
        .insert_header(("Idempotency-Key", key))
        .set_payload(file);
    let (status, started) = ask(house, house_commands(house), request).await;
    assert_eq!(status, 202, "{started}");
    house.platform.settle().await;
    let path = format!("/api/v1/imports/{}", started["id"].as_str().unwrap());
    get(house, &path).await.1
}

/// Every table of the database that holds the text somewhere, in the clear.
async fn tables_with(house: &House, text: &str) -> Vec<String> {
    let client = house.platform.pool.get().await.unwrap();
    let tables = "select format('%I.%I', schemaname, tablename) from pg_tables \
                  where schemaname not in ('pg_catalog', 'information_schema')";
    let mut found = Vec::new();
    for table in client.query(tables, &[]).await.unwrap() {
        let table: String = table.get(0);
        let sql = format!(
            "select exists (select from {table} t where position($1::text in t::text) > 0 \
             or position(encode(convert_to($1::text, 'UTF8'), 'hex') in t::text) > 0)"
        );
        let row = client.query_one(&sql, &[&text]).await.unwrap();
        if row.get(0) {
            found.push(table);
        }
    }
    found
}

/// Every message of the stream as JetStream has it.
async fn every_message(house: &House) -> Vec<Vec<u8>> {
    let context = async_nats::jetstream::new(house.platform.nats.clone());
    let stream = context
        .get_stream(&house.platform.name.stream)
        .await
        .unwrap();
    let last = stream.cached_info().state.last_sequence;
    let mut messages = Vec::new();
    for sequence in 1..=last {
        let message = stream.get_raw_message(sequence).await.unwrap();
        messages.push(message.payload.to_vec());
    }
    messages
}

fn has_canary(bytes: &[u8]) -> bool {
    bytes.windows(6).any(|it| it == b"canary")
}

async fn suppression(house: &House, email: &str) -> Suppression {
    let email = EmailAddress::parse(email).unwrap();
    let id = stream_id::address_suppression(&house.id_key, &email);
    let store = &house.platform.store;
    store.load::<Suppression>(id).await.unwrap().state
}

#[actix_web::test]
async fn who_is_erased_is_gone_from_everywhere_and_there_is_a_receipt() {
    let house = House::start().await;
    let canary = house.subscriber(CANARY).await;
    house.subscriber(GRACE).await;
    let channel = house.email_channel().await;
    house.publish("First", "One.", &[channel]).await;
    house.platform.settle().await;
    assert_eq!(house.smtp.by_recipient(CANARY).len(), 1);
    assert_eq!(tables_with(&house, "canary").await.len(), 1, "the profile");
    let find = json!({ "email": CANARY });
    let (status, found) = post(&house, "/api/v1/subscribers/find", find.clone()).await;
    assert_eq!((status, &found["id"]), (200, &json!(canary)));
    let path = format!("/api/v1/subscribers/{canary}/erasure");
    assert_eq!(get(&house, &path).await.0, 404, "nobody asked");

    erase(&house, canary).await;
    let (status, under_way) = get(&house, &path).await;
    assert_eq!(
        (status, under_way["state"].as_str()),
        (202, Some("requested"))
    );
    house.platform.settle().await;
    assert_eq!(tables_with(&house, "canary").await, Vec::<String>::new());
    // No view stands still.
    let head = house.platform.store.log().head().await.unwrap().position;
    let profile = format!("/api/v1/subscribers/{canary}?at_least={head}");
    let (_, profile) = get(&house, &profile).await;
    assert_eq!(profile["suppressed"], true, "{profile}");
    assert_eq!(profile["state"], "erased");
    assert!(
        profile["erased_at"].is_string() && profile["email"].is_null(),
        "{profile}"
    );
    assert_eq!(post(&house, "/api/v1/subscribers/find", find).await.0, 404);

    let messages = every_message(&house).await;
    assert!(messages.len() as i64 == head && !messages.iter().any(|it| has_canary(it)));

    // Asked for again, it is the same erasure, and the same receipt.
    erase(&house, canary).await;
    house.platform.settle().await;
    let store = &house.platform.store;
    let Erasure::Erased(text) = erasure(store, canary).await.unwrap() else {
        panic!("it is not done");
    };
    let (status, served) = get(&house, &path).await;
    assert_eq!(status, 200);
    assert_eq!(served, serde_json::from_str::<Value>(&text).unwrap());
    let now = house.platform.clock.clock().now();
    let key = store.vault().witness_key(now).await.unwrap().public();
    let receipt = Receipt::read(&text).unwrap();
    assert_eq!(receipt.check(&text, Some(key)), Ok(()));
    assert_eq!(receipt.destroyed[0].key_id, canary);

    // Whoever rebuilds finds nothing either, and the log is sound.
    let options = RebuildOptions::new(RebuildMode::Replace);
    rebuild(
        store,
        &[find_view(&VIEWS, "subscriber_profile").unwrap()],
        &options,
        &mut |_| (),
    )
    .await
    .unwrap();
    assert_eq!(tables_with(&house, "canary").await, Vec::<String>::new());
    let (_, rebuilt) = get(&house, &format!("/api/v1/subscribers/{canary}")).await;
    assert_eq!(rebuilt, profile);
    sound_log(store.log()).await;
    house.publish("Second", "Two.", &[channel]).await;
    house.platform.settle().await;
    assert_eq!(house.smtp.by_recipient(CANARY).len(), 1, "nothing more");
    assert_eq!(house.smtp.by_recipient(GRACE).len(), 2);
}

#[actix_web::test]
async fn what_is_planned_for_who_is_erased_is_not_sent() {
    let house = House::start().await;
    let canary = house.subscriber(CANARY).await;
    house.subscriber(GRACE).await;
    let channel = house.email_channel().await;
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    // Frozen and planned with both, then one is erased before anything is attempted.
    let path = |what: &str| format!("/api/v1/publications/{id}/{what}");
    assert_eq!(post(&house, &path("pause"), json!({})).await.0, 200);
    house.platform.settle().await;
    erase(&house, canary).await;
    assert_eq!(post(&house, &path("resume"), json!({})).await.0, 200);
    house.platform.settle().await;
    let accounting = house.accounting(id).await;
    assert_eq!(
        (accounting.planned, accounting.sent, accounting.suppressed),
        (2, 1, 1)
    );
    assert_eq!(house.smtp.by_recipient(CANARY).len(), 0);
    let (_, page) = get(&house, &path("deliveries")).await;
    assert!(page.to_string().contains(r#""reason":"erased""#), "{page}");
}

#[actix_web::test]
async fn no_file_brings_back_who_was_erased_but_they_may_sign_up_anew() {
    let house = House::start().await;
    let file = format!("email,name\n{CANARY},Canary\n{GRACE},Grace\n");
    let first = import(&house, "first", file.clone()).await;
    assert_eq!(
        (&first["accepted"], &first["rejected"]),
        (&json!(2), &json!(0))
    );
    let find = json!({ "email": CANARY });
    let (_, found) = post(&house, "/api/v1/subscribers/find", find).await;
    let canary: Uuid = found["id"].as_str().unwrap().parse().unwrap();
    erase(&house, canary).await;
    house.platform.settle().await;

    // In a line that could be taken, and in one that could not be.
    let file = format!("{file}{CANARY}\n");
    let again = import(&house, "again", file).await;
    assert_eq!(
        (&again["accepted"], &again["existing"]),
        (&json!(0), &json!(1))
    );
    let rejections = again["rejections"]["items"].as_array().unwrap();
    let reasons: Vec<_> = rejections
        .iter()
        .map(|it| it["reason"].as_str().unwrap())
        .collect();
    assert_eq!(reasons, ["erased", "wrong_field_count"]);
    assert!(
        rejections.iter().all(|it| it["record"].is_null()),
        "{again}"
    );
    assert_eq!(tables_with(&house, "canary").await, Vec::<String>::new());

    let body = json!({ "email": CANARY });
    let (status, signed_up) = post(&house, "/api/v1/subscribers", body).await;
    assert_eq!(status, 201, "{signed_up}");
    assert_ne!(signed_up["id"], json!(canary));
    assert_eq!(suppression(&house, CANARY).await, Suppression::Clear);
    let channel = house.email_channel().await;
    house.platform.settle().await;
    house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    assert_eq!(house.smtp.by_recipient(CANARY).len(), 1);
    let old = house
        .platform
        .store
        .load::<Subscriber>(canary)
        .await
        .unwrap();
    assert_eq!(old.state.standing(), Standing::Erased);
}

#[actix_web::test]
async fn records_that_quote_who_is_erased_are_destroyed_with_them() {
    quoted_and_erased(None).await;
}

/// By an address that was theirs when the file was handed in, too.
#[actix_web::test]
async fn records_that_quote_an_address_they_had_are_destroyed_with_them() {
    quoted_and_erased(Some("elsewhere@example.net")).await;
}

/// Whom a line is about can not be told by a part of it, nor by one without an address.
#[actix_web::test]
async fn a_line_of_which_nobody_can_tell_whom_it_is_about_is_not_kept() {
    let house = House::start().await;
    let notes = "word ".repeat(250);
    let file = format!(
        "name,notes,age:number,email\n\
         Ada Lovelace,{notes},x,{CANARY}\n\
         Lovelace of St James's Square\n\
         Ada Lovelace,,x,canary%40example.org\n\
         Bob,,x,bob@example.net\n"
    );
    let import = import(&house, "lines", file).await;
    let items = import["rejections"]["items"].as_array().unwrap();
    let records: Vec<_> = items.iter().map(|it| it["record"].as_str()).collect();
    assert_eq!(
        records,
        [None, None, None, Some("Bob,,x,bob@example.net")],
        "{import}"
    );
}

/// A file quotes somebody who is erased then, at this address if they got another one.
async fn quoted_and_erased(moved_to: Option<&str>) {
    let house = House::start().await;
    let line = format!("\"{CANARY}\",too,many\n");
    let before = import(&house, "before", format!("email,name\n{line}")).await;
    let record = &before["rejections"]["items"][0]["record"];
    assert!(record.as_str().unwrap().contains("canary"), "{before}");
    let other = import(
        &house,
        "other",
        "email,name\nnobody@example.net,x,y\n".to_owned(),
    )
    .await;
    let canary = house.subscriber(CANARY).await;
    if let Some(email) = moved_to {
        let path = format!("/api/v1/subscribers/{canary}");
        let request = TestRequest::patch().uri(&path);
        let request = request.set_json(json!({ "email": email }));
        let (status, answer) = ask(&house, house_commands(&house), request).await;
        assert_eq!(status, 200, "{answer}");
    }
    house.platform.settle().await;
    erase(&house, canary).await;
    house.platform.settle().await;
    assert!(suppression(&house, CANARY).await.is_suppressed());
    let after = |import: &Value| format!("/api/v1/imports/{}", import["id"].as_str().unwrap());
    let (_, destroyed) = get(&house, &after(&before)).await;
    assert!(
        destroyed["rejections"]["items"][0]["record"].is_null(),
        "{destroyed}"
    );
    let (_, kept) = get(&house, &after(&other)).await;
    assert_eq!(
        kept["rejections"]["items"][0]["record"],
        "nobody@example.net,x,y"
    );
    let Erasure::Erased(text) = erasure(&house.platform.store, canary).await.unwrap() else {
        panic!("it is not done");
    };
    let kinds: Vec<_> = Receipt::read(&text)
        .unwrap()
        .destroyed
        .into_iter()
        .map(|it| it.kind)
        .collect();
    assert_eq!(kinds, ["subscriber", "import"]);
}

#[actix_web::test]
async fn a_late_bounce_and_an_old_link_bring_nothing_back() {
    let house = House::start().await;
    let canary = house.subscriber(CANARY).await;
    let channel = super::bounced::channel(&house).await;
    house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    let (path, mail) = super::bounced::mail_to(&house, CANARY);
    erase(&house, canary).await;
    house.platform.settle().await;
    let report = super::bounced::report(super::bounced::POSTFIX, &path, CANARY, &mail);
    let request = TestRequest::post()
        .uri("/hooks/mail")
        .insert_header((header::CONTENT_TYPE, "message/rfc822"))
        .set_payload(report);
    let (status, _) = ask(&house, house_commands(&house), request).await;
    assert_eq!(status, 204);
    house.platform.settle().await;
    assert_eq!(tables_with(&house, "canary").await, Vec::<String>::new());
    let reasons = suppression(&house, CANARY).await.reasons().to_vec();
    assert_eq!(reasons, [Reason::Erased, Reason::HardBounce]);
    // Whoever leaves by an old mail leaves for good, whoever has the address by then.
    let (_, link) = mail.split_once("List-Unsubscribe: <").unwrap();
    let (link, _) = link.split_once('>').unwrap();
    let link = link.replace("\r\n ", "");
    let (_, token) = link.rsplit_once("/u/").unwrap();
    let request = TestRequest::post()
        .uri(&format!("/u/{token}"))
        .insert_header((header::CONTENT_TYPE, "application/x-www-form-urlencoded"))
        .set_payload("List-Unsubscribe=One-Click");
    assert_eq!(ask(&house, house_commands(&house), request).await.0, 200);
    let reasons = suppression(&house, CANARY).await.reasons().to_vec();
    let all = [Reason::Erased, Reason::HardBounce, Reason::Unsubscribed];
    assert_eq!(reasons, all);
    let resubscribe = format!("/api/v1/subscribers/{canary}/resubscribe");
    assert_eq!(post(&house, &resubscribe, json!({})).await.0, 409);
    let leave = format!("/api/v1/subscribers/{canary}/unsubscribe");
    assert_eq!(post(&house, &leave, json!({})).await.0, 200);
    let stream = house.platform.store.log().stream(canary).await.unwrap();
    assert_eq!(stream.last().unwrap().event_type, "subscriber.Erased");
}

#[actix_web::test]
async fn what_is_wrong_with_a_wish_to_erase_is_said() {
    let house = House::start().await;
    let canary = house.subscriber(CANARY).await;
    let unknown = house.platform.ids.next();
    let path = |id: Uuid| format!("/api/v1/subscribers/{id}/erase");
    assert_eq!(post(&house, &path(unknown), json!({})).await.0, 404);
    for (body, pointer) in [
        (json!({ "basis": "restored" }), "#/basis"),
        (json!({ "asked_at": "2999-01-01T00:00:00Z" }), "#/asked_at"),
    ] {
        let (status, problem) = post(&house, &path(canary), body).await;
        assert_eq!(
            (status, problem["errors"][0]["pointer"].as_str()),
            (422, Some(pointer))
        );
    }
    let find = json!({ "email": "nobody" });
    assert_eq!(post(&house, "/api/v1/subscribers/find", find).await.0, 422);
    // A sign-up that is repeated after the erasure signs nobody up.
    let sign_up = || {
        let request = TestRequest::post().uri("/api/v1/subscribers");
        let request = request.insert_header(("Idempotency-Key", "once"));
        request.set_json(json!({ "email": "other@example.org" }))
    };
    let (_, signed_up) = ask(&house, house_commands(&house), sign_up()).await;
    erase(&house, signed_up["id"].as_str().unwrap().parse().unwrap()).await;
    let (status, problem) = ask(&house, house_commands(&house), sign_up()).await;
    assert_eq!(status, 409, "{problem}");
}

/// What of a request has died is deleted soon, with its key: a repeat says so, and loses nothing unheard.
#[actix_web::test]
async fn a_file_whose_request_was_given_up_is_not_taken_under_the_same_key() {
    let house = House::start().await;
    let who = stream_id::principal(&house.id_key, &api::config().auth.issuer, "ada");
    let import_id = KeyedRequest {
        actor: &format!("user:{who}"),
        method: "POST",
        path: "/api/v1/imports",
        key: "died",
    }
    .stream(&house.id_key, "subscriber_import", 0);
    let file_key = derive_from(import_id, "subscriber_import.file", &[]);
    let platform = &house.platform;
    let now = platform.clock.clock().now();
    platform
        .store
        .vault()
        .shred(&[file_key], now)
        .await
        .unwrap();
    let request = |key| {
        TestRequest::post()
            .uri("/api/v1/imports")
            .insert_header((header::CONTENT_TYPE, "text/csv"))
            .insert_header(("Idempotency-Key", key))
            .set_payload("email\nada@example.org\n")
    };
    let (status, problem) = ask(&house, house_commands(&house), request("died")).await;
    assert_eq!(status, 409, "{problem}");
    let (status, _) = ask(&house, house_commands(&house), request("anew")).await;
    assert_eq!(status, 202);
}
