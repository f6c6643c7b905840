//! What an operator or editor asks of the dispatcher: previews, test messages, and how a channel is.

use std::net::SocketAddr;
use std::time::Duration;

use actix_web::test::TestRequest;
use actix_web::web::{self, ServiceConfig};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use serde_json::{Value, json};
use tidings_dispatcher::desk::{Desk, routes};
use tidings_domain::publication::{self, Content};
use tidings_domain::stream_id;
use tidings_domain::suppression::{Command, Reason, Scope, Suppression};
use tidings_domain::topic::{ByDefault, Sender};
use tidings_domain::value::{ChannelIds, EmailAddress, Html, Mailbox, Title};
use tidings_service::config::PublicUrl;
use tidings_sinks::{ses, slack, smtp};
use tidings_tests::api;
use tidings_tests::house::{House, PUBLIC_URL};
use uuid::Uuid;

const MARKDOWN: &str = "# The ferry\n\nIt runs **again**. [Times](https://example.org/ferry)\n";

/// Asks, as an admin; gives the status and the answer.
async fn ask(house: &House, request: TestRequest) -> (u16, Value) {
    ask_all(house, vec![request]).await.remove(0)
}

/// Asks one after the other.
async fn ask_all(house: &House, requests: Vec<TestRequest>) -> Vec<(u16, Value)> {
    let desk = web::Data::new(desk(house));
    let rooms = |cfg: &mut ServiceConfig| routes(cfg.app_data(desk));
    api::ask_all(&house.platform, rooms, requests).await
}

pub(super) fn desk(house: &House) -> Desk {
    let platform = &house.platform;
    Desk::new(
        platform.store.clone(),
        platform.clock.clock(),
        platform.ids.clone(),
        house.id_key.clone(),
        PublicUrl::parse(PUBLIC_URL).unwrap(),
        house.environment(),
    )
}

pub(super) async fn get(house: &House, path: &str) -> (u16, Value) {
    ask(house, TestRequest::get().uri(path)).await
}

pub(super) async fn post(house: &House, path: &str, body: Value) -> (u16, Value) {
    ask(house, TestRequest::post().uri(path).set_json(body)).await
}

#[actix_web::test]
async fn a_preview_is_what_goes_out() {
    let house = House::start().await;
    house.subscriber("ada@example.org").await;
    let channel = house.email_channel().await;
    let id = house.draft("The ferry", MARKDOWN, &[channel]).await;
    let path = format!("/api/v1/publications/{id}/preview?channel_id={channel}");
    let (status, preview) = get(&house, &path).await;
    assert_eq!((status, &preview["kind"]), (200, &json!("email")));
    assert!(preview["text"].as_str().unwrap().contains("It runs"));
    let html = preview["html"].as_str().unwrap();
    assert!(html.contains("<strong>again</strong>"), "{html}");
    assert!(
        preview["body"]
            .as_str()
            .unwrap()
            .contains("Subject: The ferry")
    );
    assert_eq!(house.smtp.count(), 0);

    let slack = house.slack_channel("news").await;
    let path = format!("/api/v1/publications/{id}/preview?channel_id={slack}");
    let (status, preview) = get(&house, &path).await;
    assert_eq!((status, &preview["html"]), (200, &Value::Null));
    let message: Value = serde_json::from_str(preview["body"].as_str().unwrap()).unwrap();
    assert!(message["blocks"].is_array());

    let nowhere = format!(
        "/api/v1/publications/{id}/preview?channel_id={}",
        Uuid::nil()
    );
    assert_eq!(get(&house, &nowhere).await.0, 404);
    let nothing = format!("/api/v1/publications/{channel}/preview?channel_id={channel}");
    assert_eq!(get(&house, &nothing).await.0, 404);
}

#[actix_web::test]
async fn a_test_message_says_what_the_receiving_side_said() {
    let house = House::start().await;
    let email = house.email_channel().await;
    let slack = house.slack_channel("news").await;
    let path = format!("/api/v1/channels/{email}/test");
    let (status, tested) = post(&house, &path, json!({ "to": "me@example.org" })).await;
    assert_eq!(
        (status, &tested["outcome"]),
        (200, &json!("sent")),
        "{tested}"
    );
    assert_eq!(house.smtp.by_recipient("me@example.org").len(), 1);

    let refusal = smtp::Rule::reply(smtp::Phase::RcptTo, 550, "5.1.1 who?");
    house.smtp.add_rule(refusal.to("gone@example.org"));
    let (_, tested) = post(&house, &path, json!({ "to": "gone@example.org" })).await;
    assert_eq!(
        (&tested["outcome"], &tested["code"]),
        (&json!("failed"), &json!(550))
    );

    for (body, status) in [
        (json!({}), 422),
        (json!({ "to": "nobody" }), 422),
        (json!({ "too": "me@example.org" }), 422),
    ] {
        assert_eq!(post(&house, &path, body).await.0, status);
    }
    let path = format!("/api/v1/channels/{slack}/test");
    assert_eq!(
        post(&house, &path, json!({ "to": "me@example.org" }))
            .await
            .0,
        422
    );
    let (_, tested) = post(&house, &path, json!({})).await;
    assert_eq!(tested["outcome"], json!("sent"));
    // There is nothing to say.
    let (status, tested) = ask(&house, TestRequest::post().uri(&path)).await;
    assert_eq!((status, &tested["outcome"]), (200, &json!("sent")));
    let text = TestRequest::post()
        .uri(&path)
        .insert_header(("content-type", "text/plain"));
    assert_eq!(ask(&house, text.set_payload("{}")).await.0, 415);
    let untyped = TestRequest::post().uri(&path).set_payload("{}");
    assert_eq!(ask(&house, untyped).await.0, 415);
    let to_nobody = format!("/api/v1/channels/{email}/test");
    assert_eq!(
        ask(&house, TestRequest::post().uri(&to_nobody)).await.0,
        422
    );
    house
        .slack
        .add_rule(slack::Rule::reply(500, "rollup_error"));
    let (_, tested) = post(&house, &path, json!({})).await;
    assert_eq!(
        (&tested["outcome"], &tested["reply"]),
        (&json!("deferred"), &json!("rollup_error"))
    );
    // It counts nowhere.
    assert!(house.platform.store.log().head().await.unwrap().position <= 4);
}

#[actix_web::test]
async fn amazon_ses_is_previewed_tried_and_looked_at_like_any_other_channel() {
    let (house, sink, channel) = super::ses::start(ses::Limit::None).await;
    let id = house.draft("The ferry", MARKDOWN, &[channel]).await;
    let path = format!("/api/v1/publications/{id}/preview?channel_id={channel}");
    let (status, preview) = get(&house, &path).await;
    assert_eq!((status, &preview["kind"]), (200, &json!("ses")));
    let body = preview["body"].as_str().unwrap();
    assert!(body.contains("Subject: The ferry"), "{body}");

    let path = format!("/api/v1/channels/{channel}/test");
    assert_eq!(post(&house, &path, json!({})).await.0, 422);
    let to = json!({ "to": "me@example.net" });
    let (status, tested) = post(&house, &path, to.clone()).await;
    let outcome = (status, &tested["outcome"]);
    assert_eq!(outcome, (200, &json!("sent")), "{tested}");
    // It is no delivery, so no report about it is waited for.
    let message = &sink.by_webhook("me@example.net")[0];
    assert_eq!(message.payload.get("EmailTags"), None);

    sink.add_rule(ses::Refusal::NOT_VERIFIED.rule());
    let (_, tested) = post(&house, &path, to).await;
    let why = (&tested["outcome"], &tested["reason"], &tested["code"]);
    let expected = (&json!("deferred"), &json!("not_verified"), &json!(400));
    assert_eq!(why, expected, "{tested}");
    let words = tested["reply"].as_str().unwrap();
    assert!(words.starts_with("MessageRejected: Email address is not verified"));

    house
        .publication(id, || publication::Command::Publish)
        .await;
    house.platform.settle().await;
    let path = format!("/api/v1/channels/{channel}/health");
    let (_, health) = get(&house, &path).await;
    let why = (&health["state"], &health["circuit_reason"]);
    assert_eq!(why, (&json!("waiting"), &json!("not_verified")), "{health}");
}

#[actix_web::test]
async fn a_draft_is_tried_as_it_is_but_not_on_whoever_must_not_get_mail() {
    let house = House::start().await;
    let email = house.email_channel().await;
    let id = house.draft("The ferry", MARKDOWN, &[email]).await;
    let path = format!("/api/v1/publications/{id}/test");
    let body = json!({ "channel_id": email, "to": "me@example.org" });
    assert_eq!(post(&house, &path, body.clone()).await.0, 200);
    let mails = house.smtp.by_recipient("me@example.org");
    assert_eq!(mails[0].header("Subject").as_deref(), Some("The ferry"));

    let address = EmailAddress::parse("me@example.org").unwrap();
    let suppression = stream_id::address_suppression(&house.id_key, &address);
    let context = house.context();
    let command = || Command::Add {
        scope: Scope::Address,
        reason: Reason::Complaint,
        delivery_id: None,
        value: None,
    };
    let store = &house.platform.store;
    store
        .execute::<Suppression>(suppression, &context, None, command)
        .await
        .unwrap();
    let (status, suppressed) = post(&house, &path, body).await;
    assert_eq!(status, 409, "{suppressed}");
    let gone = house.subscriber("bob@example.org").await;
    let to_bob = json!({ "channel_id": email, "to": "bob@example.org" });
    assert_eq!(post(&house, &path, to_bob.clone()).await.0, 200);
    house.unsubscribe(gone).await;
    let (status, left) = post(&house, &path, to_bob).await;
    assert_eq!(status, 409, "{left}");
    assert_eq!(left["detail"], suppressed["detail"], "nobody learns which");
    assert_eq!(house.smtp.count(), 2);
}

/// Or one could go through addresses, and learn of each whether its subscriber has left.
#[actix_web::test]
async fn a_test_that_may_not_be_sent_counts_as_one_that_is() {
    let house = House::start().await;
    let email = house.email_channel().await;
    let gone = house.subscriber("bob@example.org").await;
    house.unsubscribe(gone).await;
    let path = format!("/api/v1/channels/{email}/test");
    let wish = |to: &str| TestRequest::post().uri(&path).set_json(json!({ "to": to }));
    // What names no address is answered all the same, and asks nothing.
    let mut requests: Vec<TestRequest> = (0..3).map(|_| wish("nobody")).collect();
    requests.extend((0..11).map(|_| wish("bob@example.org")));
    let answers = ask_all(&house, requests).await;
    let statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses[..3], [422; 3]);
    assert_eq!(statuses[3..13], [409; 10]);
    assert_eq!(statuses[13], 429);
    assert_eq!(house.smtp.count(), 0);
}

#[actix_web::test]
async fn a_channels_health_tells_what_it_has_done_and_why_it_does_nothing() {
    let house = House::start().await;
    for n in 0..3 {
        house.subscriber(&format!("reader{n}@example.org")).await;
    }
    let refusal = smtp::Rule::reply(smtp::Phase::RcptTo, 550, "5.1.1 who?");
    house.smtp.add_rule(refusal.to("reader0@example.org"));
    let channels = [
        house.email_channel().await,
        house.slack_channel("news").await,
    ];
    let path = |n: usize| format!("/api/v1/channels/{}/health", channels[n]);
    house.platform.settle().await;
    let (_, health) = get(&house, &path(0)).await;
    assert_eq!(
        (&health["state"], &health["failure_rate"]),
        (&json!("ok"), &Value::Null)
    );

    let down = house
        .slack
        .add_rule(slack::Rule::reply(500, "rollup_error"));
    house.publish("The ferry", MARKDOWN, &channels).await;
    house.platform.settle().await;
    for _ in 0..6 {
        house.platform.clock.advance(Duration::from_secs(10));
        house.platform.settle().await;
    }
    let (_, health) = get(&house, &path(0)).await;
    let figures = ["state", "sent", "failed", "waiting"].map(|name| health[name].clone());
    assert_eq!(figures, [json!("ok"), json!(2), json!(1), json!(0)]);
    assert!(health["last_success_at"].is_string());
    // Its last success is that of the latest publication, not of any of the same hour.
    let first = health["last_success_at"].clone();
    house.publish("Once more", MARKDOWN, &channels[..1]).await;
    house.platform.settle().await;
    let (_, health) = get(&house, &path(0)).await;
    assert_ne!(health["last_success_at"], first);
    let ahead = format!("{}?at_least=1", path(0));
    assert_eq!(get(&house, &ahead).await.0, 200);
    let beyond = format!("{}?at_least=99999", path(0));
    assert_eq!(get(&house, &beyond).await.0, 503);
    let (_, health) = get(&house, &path(1)).await;
    let figures =
        ["state", "circuit", "circuit_reason", "waiting"].map(|name| health[name].clone());
    assert_eq!(
        figures,
        [
            json!("waiting"),
            json!("open"),
            json!("server_error"),
            json!(1)
        ]
    );
    assert!(health["next_attempt_at"].is_string());
    house.slack.remove_rule(down);
    house.disable(channels[1]).await;
    house.platform.settle().await;
    let (_, health) = get(&house, &path(1)).await;
    assert_eq!(health["state"], json!("disabled"));
    assert!(health["explanation"].as_str().unwrap().contains("operator"));
}

#[actix_web::test]
async fn a_channel_is_not_tried_all_the_time_and_a_repeated_request_is_sent_once() {
    let house = House::start().await;
    let slack = house.slack_channel("news").await;
    let path = format!("/api/v1/channels/{slack}/test");
    let wish = || TestRequest::post().uri(&path).set_json(json!({}));
    let keyed = || wish().insert_header(("idempotency-key", "once"));
    let with_space = r#"{ }"#;
    let other_body = keyed()
        .insert_header(("content-type", "application/json"))
        .set_payload(with_space);
    let mut requests = vec![keyed(), keyed(), other_body];
    requests.extend((0..10).map(|_| wish()));
    let answers = ask_all(&house, requests).await;
    assert_eq!((answers[0].0, &answers[0].1), (200, &answers[1].1));
    assert_eq!(answers[2].0, 422);
    let sent = answers[3..].iter().filter(|(status, _)| *status == 200);
    assert_eq!(sent.count(), 9);
    let (status, problem) = &answers[12];
    assert_eq!(
        (*status, &problem["detail"]),
        (
            429,
            &json!(
                "A channel takes ten tests at once, and then one every six seconds: try again in 6 s."
            )
        )
    );
    assert_eq!(house.slack.count(), 10);
}

#[actix_web::test]
async fn a_page_goes_out_as_its_preview_shows_it() {
    let house = House::start().await;
    house.subscriber("ada@example.org").await;
    let channels = [
        house.email_channel().await,
        house.slack_channel("news").await,
    ];
    let page = "<h1>The ferry</h1><p>It runs <b>again</b>.<script>alert(1)</script> <a href='https://example.org/ferry'>Times</a>";
    let id = house.platform.ids.next();
    let content = Content::new(
        Title::parse("The ferry").unwrap(),
        Html::parse(page).unwrap(),
    );
    house
        .publication(id, || publication::Command::Draft {
            content: content.clone(),
            channel_ids: ChannelIds::parse(channels.to_vec()).unwrap(),
            aim: publication::Aim::default(),
        })
        .await;
    let path = format!(
        "/api/v1/publications/{id}/preview?channel_id={}",
        channels[0]
    );
    let (_, preview) = get(&house, &path).await;
    let html = preview["html"].as_str().unwrap();
    assert!(html.contains("It runs <strong>again</strong>."), "{html}");
    assert!(!html.contains("alert"), "{html}");
    house
        .publication(id, || publication::Command::Publish)
        .await;
    house.platform.settle().await;
    assert_eq!(house.smtp.by_recipient("ada@example.org").len(), 1);
    let path = format!(
        "/api/v1/publications/{id}/preview?channel_id={}",
        channels[1]
    );
    let (_, preview) = get(&house, &path).await;
    let message = preview["body"].as_str().unwrap();
    assert!(
        message.contains("<https://example.org/ferry|Times>"),
        "{message}"
    );
    assert_eq!(house.slack.count(), 1);
}

#[actix_web::test]
async fn the_dns_of_a_channel_is_asked_for_where_there_is_one() {
    let house = House::start().await;
    let email = house.email_channel().await;
    let slack = house.slack_channel("news").await;
    // Nobody is there: what was bound is given back at once.
    let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = closed.local_addr().unwrap();
    drop(closed);
    let path = |channel: Uuid| format!("/api/v1/channels/{channel}/dns");
    for (path, status) in [
        (path(email), 503),
        (path(slack), 409),
        (path(Uuid::nil()), 404),
        (format!("{}?topic=nothing", path(email)), 400),
        // Nobody but the operator says whom to ask.
        (format!("{}?server=127.0.0.1", path(email)), 400),
    ] {
        let desk = desk_asking(&house, server);
        let (found, problem) = ask_at(&house, &desk, &path).await;
        assert_eq!(found, status, "{path}: {problem}");
    }
}

/// What is asked is about the domain that mails about the topic come from.
#[actix_web::test]
async fn the_dns_is_asked_about_the_sender_of_a_topic() {
    let house = House::start().await;
    let email = house.email_channel().await;
    let sender = Sender {
        from: Some(Mailbox::parse("Markets <news@markets.test>").unwrap()),
        ..Sender::default()
    };
    house.topic("markets", ByDefault::In, sender).await;
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let desk = desk_asking(&house, silent.local_addr().unwrap());
    for (about, domain) in [
        ("", &b"\x04news\x07example\x03org"[..]),
        ("?topic=markets", b"\x07markets\x04test"),
    ] {
        let path = format!("/api/v1/channels/{email}/dns{about}");
        let asked = async {
            let mut question = [0; 512];
            loop {
                let length = silent.recv(&mut question).await.unwrap();
                if question[..length]
                    .windows(domain.len())
                    .any(|it| it == domain)
                {
                    return;
                }
            }
        };
        tokio::select! {
            () = asked => {}
            answer = ask_at(&house, &desk, &path) => panic!("{about}: {answer:?}"),
        }
    }
}

#[actix_web::test]
async fn only_so_many_channels_have_their_dns_looked_at_at_once() {
    let house = House::start().await;
    let email = house.email_channel().await;
    // It takes questions, and answers none.
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let desk = desk_asking(&house, silent.local_addr().unwrap());
    let path = format!("/api/v1/channels/{email}/dns");
    let mut all: FuturesUnordered<_> = (0..5).map(|_| ask_at(&house, &desk, &path)).collect();
    let (status, problem) = all.next().await.unwrap();
    assert_eq!(status, 429, "{problem}");
}

/// A desk that asks this DNS server.
fn desk_asking(house: &House, server: SocketAddr) -> web::Data<Desk> {
    web::Data::new(desk(house).with_dns_server(Some(server)))
}

async fn ask_at(house: &House, desk: &web::Data<Desk>, path: &str) -> (u16, Value) {
    let rooms = |cfg: &mut ServiceConfig| routes(cfg.app_data(desk.clone()));
    api::ask(&house.platform, rooms, TestRequest::get().uri(path)).await
}
