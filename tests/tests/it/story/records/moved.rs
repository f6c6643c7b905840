//! Somebody gets mail at another address: from then on nothing goes to the one they gave up.

use std::collections::HashMap;

use actix_web::http::header;
use futures_util::{StreamExt as _, stream};
use reqwest::Client;
use tidings_domain::address::Address;
use tidings_domain::subscriber::{Standing, Subscriber};
use tidings_domain::suppression::{Reason, Suppression};
use tidings_domain::token::{ConfirmLink, UnsubscribeLink};
use tidings_domain::value::EmailAddress;
use tidings_event_store::Recorded;
use tidings_tests::api::as_admin;
use tidings_tests::house::Accounting;
use time::macros::date;

use super::super::bounced::{POSTFIX, channel, mail_to, report};
use super::super::unsubscribe::serve;
use super::*;

pub(super) const OLD: &str = "ada@example.org";
pub(super) const NEW: &str = "ada@example.net";
const SUBSCRIBERS: usize = 1_000;

pub(super) fn suppression_id(house: &House, email: &str) -> Uuid {
    stream_id::address_suppression(&house.id_key, &EmailAddress::parse(email).unwrap())
}

pub(super) async fn holder(house: &House, email: &str) -> Option<Uuid> {
    let id = stream_id::address(&house.id_key, &EmailAddress::parse(email).unwrap());
    let address = house.platform.store.load::<Address>(id).await.unwrap();
    address.state.holder()
}

pub(super) async fn reasons(house: &House, email: &str) -> Vec<Reason> {
    let id = suppression_id(house, email);
    let loaded = house.platform.store.load::<Suppression>(id).await.unwrap();
    loaded.state.reasons().to_vec()
}

pub(super) async fn standing(house: &House, id: Uuid) -> Standing {
    let loaded = house.platform.store.load::<Subscriber>(id).await.unwrap();
    loaded.state.standing()
}

pub(super) async fn move_to(house: &House, id: Uuid, email: &str) -> (u16, Value) {
    say(house, patch(id, &json!({ "email": email }))).await
}

#[actix_web::test]
async fn a_new_address_is_claimed_and_the_old_one_is_free_in_one_commit() {
    let house = House::start().await;
    let ada = house.subscriber(OLD).await;
    let bob = house.subscriber("bob@example.org").await;
    let before = events(&house).await.len();
    let (status, problem) = move_to(&house, ada, "bob@example.org").await;
    assert_eq!(
        (status, &problem["errors"][0]["pointer"]),
        (409, &json!("#/email")),
        "{problem}"
    );
    assert_eq!(events(&house).await.len(), before);

    let (status, answer) = move_to(&house, ada, NEW).await;
    assert_eq!((status, &answer["version"]), (200, &json!(2)), "{answer}");
    let written = events(&house).await;
    let expected = [
        "subscriber.ContactChanged",
        "address.Released",
        "address.Claimed",
        "suppression.Added",
    ];
    assert_eq!(written[before..], expected);
    assert_eq!(reasons(&house, OLD).await, [Reason::Moved]);
    assert_eq!(
        (holder(&house, OLD).await, holder(&house, NEW).await),
        (None, Some(ada))
    );
    assert_eq!(shown(&house, ada).await["email"], NEW);
    let (status, answer) = move_to(&house, bob, OLD).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(reasons(&house, OLD).await, []);

    // The same request again meets its own events, whatever came of it.
    for body in [
        json!({ "email": "ada@example.com" }),
        json!({ "email": "ada@example.edu", "name": "Ada" }),
    ] {
        let keyed = || {
            let key = format!("\"{}\"", body["email"].as_str().unwrap());
            patch(ada, &body).insert_header(("idempotency-key", key))
        };
        let first = say(&house, keyed()).await;
        assert_eq!(first.0, 200, "{first:?}");
        assert_eq!(say(&house, keyed()).await, first);
    }
    assert_eq!(move_to(&house, ada, NEW).await.0, 200);

    // Another spelling of the same mailbox.
    let (status, _) = move_to(&house, ada, "Ada@example.net").await;
    assert_eq!((status, holder(&house, NEW).await), (200, Some(ada)));
    assert_eq!(shown(&house, ada).await["email"], "Ada@example.net");
    let find = TestRequest::post().uri("/api/v1/subscribers/find");
    let (_, found) = say(&house, find.set_json(json!({ "email": NEW }))).await;
    assert_eq!(found["id"], json!(ada));
}

#[actix_web::test]
async fn an_address_that_nothing_may_be_sent_to_is_refused_but_for_who_was_erased() {
    let house = House::start().await;
    let ada = house.subscriber(OLD).await;
    let add = |body: Value| {
        TestRequest::post()
            .uri("/api/v1/suppressions")
            .set_json(body)
    };
    for body in [
        json!({ "address": NEW }),
        json!({ "domain": "blocked.example" }),
    ] {
        let (status, answer) = say(&house, add(body)).await;
        assert_eq!(status, 200, "{answer}");
    }
    for email in [NEW, "ada@blocked.example"] {
        let (status, problem) = move_to(&house, ada, email).await;
        assert_eq!(status, 409, "{problem}");
        // Why, is for those to see who may look for it.
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.contains("suppressions/find") && !detail.contains("manual"),
            "{problem}"
        );
    }
    let bob = house.subscriber("bob@example.org").await;
    let erase = format!("/api/v1/subscribers/{bob}/erase");
    assert_eq!(say(&house, TestRequest::post().uri(&erase)).await.0, 202);
    assert_eq!(reasons(&house, "bob@example.org").await, [Reason::Erased]);
    assert_eq!(move_to(&house, ada, "bob@example.org").await.0, 200);
    assert_eq!(reasons(&house, "bob@example.org").await, []);
    let channel = house.email_channel().await;
    house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    assert_eq!(house.smtp.by_recipient("bob@example.org").len(), 1);
}

#[actix_web::test]
async fn a_link_to_the_old_address_leaves_and_does_nothing_else() {
    let house = House::start().await;
    let ada = house.subscriber(OLD).await;
    assert_eq!(move_to(&house, ada, NEW).await.0, 200);
    let unsubscribe = UnsubscribeLink {
        subscriber_id: ada,
        topic_id: None,
        delivery_id: None,
        address_suppression_id: suppression_id(&house, OLD),
        issued: date!(2026 - 03 - 02),
    };
    let key = house.link_keys.current();
    let path = format!("/u/{}", unsubscribe.sign(key));
    assert_eq!(say(&house, TestRequest::post().uri(&path)).await.0, 200);
    assert_eq!(standing(&house, ada).await, Standing::Unsubscribed);
    // Whoever has the old mailbox by now does not bring them back.
    let preferences = tidings_domain::token::PreferencesLink {
        subscriber_id: ada,
        delivery_id: None,
        address_suppression_id: suppression_id(&house, OLD),
        issued: date!(2026 - 03 - 02),
    };
    let path = format!("/p/{}", preferences.sign(key));
    let post = |form: &'static str| TestRequest::post().uri(&path).set_payload(form);
    assert_eq!(say(&house, post("do=back")).await.0, 410);
    assert_eq!(
        say(
            &house,
            post("do=save&frequency=daily&hour=8&zone=Europe/Kyiv")
        )
        .await
        .0,
        410
    );
    let stream = house.platform.store.log().stream(ada).await.unwrap();
    assert_eq!(stream.len(), 3, "signed up, moved, left");
    let newer = tidings_domain::token::PreferencesLink {
        address_suppression_id: suppression_id(&house, NEW),
        ..preferences
    };
    let path = format!("/p/{}", newer.sign(key));
    let back = TestRequest::post()
        .uri(&path)
        .set_payload("do=back&departures=1");
    assert_eq!(say(&house, back).await.0, 200);
    assert_eq!(standing(&house, ada).await, Standing::Active);
}

#[actix_web::test]
async fn who_was_asked_at_the_old_address_does_not_confirm_the_new_one() {
    let house = House::start().await;
    let channel = house.email_channel().await;
    let asks = house_commands(&house).with_notices(std::sync::Arc::new(move |_| {
        Box::pin(async move { Ok(Some(channel)) })
    }));
    let request = TestRequest::post().uri("/api/v1/subscribers");
    let body = json!({ "email": OLD, "confirmation": "required" });
    let (status, answer) = ask(&house, asks, request.set_json(body)).await;
    assert_eq!(status, 201, "{answer}");
    house.platform.settle().await;
    let ada: Uuid = answer["id"].as_str().unwrap().parse().unwrap();
    let (_, mail) = mail_to(&house, OLD);
    let mail = mail.replace("=\r\n", "");
    let (_, token) = mail.split_once("/c/").unwrap();
    let token: String = token
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
        .collect();
    let link = ConfirmLink::verify(&token, &house.link_keys).unwrap();
    assert_eq!(link.address_suppression_id, suppression_id(&house, OLD));
    assert_eq!(move_to(&house, ada, NEW).await.0, 200);
    let path = format!("/c/{token}");
    say(&house, TestRequest::post().uri(&path)).await;
    assert_eq!(standing(&house, ada).await, Standing::Pending);
    // At the address that was asked, the same link does.
    assert_eq!(move_to(&house, ada, OLD).await.0, 200);
    assert_eq!(say(&house, TestRequest::post().uri(&path)).await.0, 200);
    assert_eq!(standing(&house, ada).await, Standing::Active);
}

#[actix_web::test]
async fn what_comes_back_from_the_old_address_is_not_held_against_the_new_one() {
    let house = House::start().await;
    let ada = house.subscriber(OLD).await;
    let channel = channel(&house).await;
    house.publish("The ferry", "It runs.", &[channel]).await;
    house.platform.settle().await;
    let (path, mail) = mail_to(&house, OLD);
    assert_eq!(move_to(&house, ada, NEW).await.0, 200);
    let returned = report(POSTFIX, &path, OLD, &mail);
    let hook = TestRequest::post().uri("/hooks/mail");
    let hook = hook.insert_header((header::CONTENT_TYPE, "message/rfc822"));
    assert_eq!(say(&house, hook.set_payload(returned)).await.0, 204);
    let both = [Reason::Moved, Reason::HardBounce];
    assert_eq!(reasons(&house, OLD).await, both);
    assert_eq!(reasons(&house, NEW).await, []);

    house.publish("More", "It still runs.", &[channel]).await;
    house.platform.settle().await;
    let (path, mail) = mail_to(&house, NEW);
    let returned = report(POSTFIX, &path, NEW, &mail);
    let hook = TestRequest::post().uri("/hooks/mail");
    let hook = hook.insert_header((header::CONTENT_TYPE, "message/rfc822"));
    assert_eq!(say(&house, hook.set_payload(returned)).await.0, 204);
    assert_eq!(reasons(&house, NEW).await, [Reason::HardBounce]);
}

#[actix_web::test]
async fn nobody_is_brought_back_by_an_address_they_had_before_they_were_erased() {
    let house = House::start().await;
    let ada = house.subscriber(OLD).await;
    assert_eq!(move_to(&house, ada, NEW).await.0, 200);
    assert_eq!(move_to(&house, ada, "ada@example.com").await.0, 200);
    // Somebody else has one of them by now.
    let bob = sign_up(&house, json!({ "email": NEW })).await;
    let erase = format!("/api/v1/subscribers/{ada}/erase");
    assert_eq!(say(&house, TestRequest::post().uri(&erase)).await.0, 202);
    let both = [Reason::Moved, Reason::Erased];
    assert_eq!(reasons(&house, OLD).await, both);
    assert_eq!(reasons(&house, "ada@example.com").await, [Reason::Erased]);
    assert_eq!(
        (reasons(&house, NEW).await, holder(&house, NEW).await),
        (vec![], Some(bob))
    );
}

fn bearer(house: &House) -> String {
    let request = as_admin(&house.platform, TestRequest::get()).to_http_request();
    let header = request.headers().get(header::AUTHORIZATION).unwrap();
    header.to_str().unwrap().to_owned()
}

/// A thousand get another address while a publication goes out to them. Whatever was put on record before went to the old
/// one, whatever was put on record after went to the new one, and everybody got it once.
#[tokio::test(flavor = "multi_thread")]
async fn racing_a_running_send_no_mail_goes_to_an_address_after_it_was_given_up() {
    let house = House::start().await;
    let old = |n: usize| format!("reader{n}@example.org");
    let new = |n: usize| format!("reader{n}@example.net");
    let subscribers: Vec<Uuid> = stream::iter(0..SUBSCRIBERS)
        .map(|n| {
            let house = &house;
            async move { house.subscriber(&old(n)).await }
        })
        .buffered(64)
        .collect()
        .await;
    let channel = house.email_channel().await;
    house.platform.settle().await;
    let id = house.publish("The ferry", "It runs.", &[channel]).await;
    let url = serve(&house);
    let client = Client::builder().no_proxy().build().unwrap();
    let bearer = bearer(&house);
    let change = async |n: usize, subscriber: Uuid| {
        let request = client.patch(format!("{url}/api/v1/subscribers/{subscriber}"));
        let request = request
            .header("authorization", &bearer)
            .header("content-type", "application/json");
        let answer = request
            .body(json!({ "email": new(n) }).to_string())
            .send()
            .await;
        assert_eq!(answer.unwrap().status(), 200);
    };
    let changing = async {
        // Not before the first mail is out, then as fast as the log takes it.
        house.smtp.wait_for(1).await;
        stream::iter(subscribers.iter().enumerate())
            .for_each_concurrent(64, |(n, subscriber)| change(n, *subscriber))
            .await;
    };
    tokio::join!(house.platform.settle(), changing);
    house.platform.settle().await;

    let accounting = house.accounting(id).await;
    let all = SUBSCRIBERS as i64;
    let expected = Accounting {
        planned: all,
        sent: all,
        ..Accounting::default()
    };
    assert_eq!(accounting, expected, "everybody got it");
    let log = house
        .platform
        .store
        .log()
        .page_after(0, 100_000)
        .await
        .unwrap();
    let changed = changes(&log);
    assert_eq!(changed.len(), SUBSCRIBERS);
    let attempted = attempts(&log);
    let (mut before, mut after) = (0, 0);
    for (n, subscriber) in subscribers.iter().enumerate() {
        let to_new = attempted[subscriber] > changed[subscriber];
        let mails = [old(n), new(n)].map(|email| house.smtp.by_recipient(&email).len());
        assert_eq!(mails, if to_new { [0, 1] } else { [1, 0] }, "reader {n}");
        if to_new { after += 1 } else { before += 1 }
    }
    assert!(
        before > 0 && after > 0,
        "it was no race: {before} before, {after} after"
    );
}

/// Where each subscriber's address was changed.
fn changes(log: &[Recorded]) -> HashMap<Uuid, i64> {
    let changes = log
        .iter()
        .filter(|it| it.event_type == "subscriber.ContactChanged");
    changes
        .map(|event| (event.stream_id, event.position))
        .collect()
}

/// Where the last attempt to reach each subscriber stands.
fn attempts(log: &[Recorded]) -> HashMap<Uuid, i64> {
    let planned = log.iter().filter(|it| it.event_type == "delivery.Planned");
    let receivers: HashMap<Uuid, Uuid> = planned
        .filter_map(|event| Some((event.stream_id, event.subject?)))
        .collect();
    let attempts = log
        .iter()
        .filter(|it| it.event_type == "delivery.Attempted");
    attempts
        .map(|event| (receivers[&event.stream_id], event.position))
        .collect()
}
