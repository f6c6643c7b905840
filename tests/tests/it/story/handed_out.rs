//! Many subscribers in one file: nobody's line leaves before the look at them is on record, whoever hangs up ends it, half a
//! file never looks whole, and what was exported can be imported elsewhere.

use std::future::poll_fn;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody as _};
use actix_web::http::{Version, header};
use actix_web::middleware::from_fn;
use actix_web::test::TestRequest;
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{App, HttpServer};
use serde_json::{Value, json};
use tidings_command_api::recorder;
use tidings_domain::stream_id;
use tidings_projector::{Projector, Reader};
use tidings_service::Problem;
use tidings_service::auth::Authenticator;
use tidings_service::http::{configure, request_context};
use tidings_service::look::RecordLook;
use tidings_tests::api::{answers, as_admin, bytes_of_all, config, edge};
use tidings_tests::house::House;
use uuid::Uuid;

use super::bounced::notifying_commands;

const PATH: &str = "/api/v1/subscribers/export";
const WHY: (&str, &str) = ("Look-Reason", "moving to another installation");

/// Commands and views; `looks`: who puts looks on record, if not the commands.
fn rooms(
    house: &House,
    looks: impl FnOnce(RecordLook) -> RecordLook,
) -> impl FnOnce(&mut ServiceConfig) + Clone + Send + 'static {
    let platform = &house.platform;
    let commands = web::Data::new(notifying_commands(house));
    let stops = Projector::new(&platform.store, &platform.feed).stops();
    let reader = Reader::new(platform.store.clone(), stops, Duration::from_secs(5))
        .with_looks(looks(recorder(commands.clone().into_inner())));
    let reader = web::Data::new(reader);
    let clock = web::Data::new(platform.clock.clock());
    move |cfg| {
        cfg.app_data(commands).app_data(reader).app_data(clock);
        tidings_command_api::routes(cfg);
        tidings_projector::routes(cfg);
    }
}

async fn send(house: &House, request: TestRequest) -> (u16, Value) {
    let answer = bytes_of_all(&house.platform, rooms(house, |it| it), vec![request]).await;
    let (status, body) = answer.into_iter().next().unwrap();
    house.platform.settle().await;
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

async fn post(house: &House, path: &str, body: Value) -> Value {
    let path = format!("/api/v1{path}");
    let (status, answer) = send(house, TestRequest::post().uri(&path).set_json(body)).await;
    assert!((200..300).contains(&status), "{path}: {answer}");
    answer
}

async fn import(house: &House, file: &str) -> Value {
    let request = TestRequest::post().uri("/api/v1/imports");
    let request = request
        .insert_header((header::CONTENT_TYPE, "text/csv"))
        .set_payload(file.to_owned());
    let (status, started) = send(house, request).await;
    assert_eq!(status, 202, "{started}");
    let path = format!("/api/v1/imports/{}", started["id"].as_str().unwrap());
    send(house, TestRequest::get().uri(&path)).await.1
}

fn counts(import: &Value) -> [i64; 4] {
    ["accepted", "existing", "suppressed", "rejected"].map(|name| import[name].as_i64().unwrap())
}

fn asked(query: &str) -> TestRequest {
    let path = format!("{PATH}?{query}");
    TestRequest::get().uri(&path).insert_header(WHY)
}

async fn export(house: &House, query: &str) -> String {
    house.platform.settle().await;
    let answer = bytes_of_all(&house.platform, rooms(house, |it| it), vec![asked(query)]).await;
    let (status, body) = answer.into_iter().next().unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    assert_eq!(status, 200, "{body}");
    house.platform.settle().await;
    body
}

/// The body of an export that is under way.
async fn begun(house: &House, looks: impl FnOnce(RecordLook) -> RecordLook) -> BoxBody {
    house.platform.settle().await;
    let request = vec![asked("format=jsonl")];
    let mut answers = answers(&house.platform, rooms(house, looks), request).await;
    let answer = answers.remove(0);
    assert_eq!(answer.status(), 200);
    answer.into_body()
}

/// The next piece, if there is one.
async fn next(body: &mut BoxBody) -> Option<Result<Bytes, String>> {
    let piece = poll_fn(|cx| Pin::new(&mut *body).poll_next(cx)).await;
    piece.map(|it| it.map_err(|error| error.to_string()))
}

fn objects(jsonl: &str) -> Vec<Value> {
    let lines = jsonl.lines();
    lines.map(|it| serde_json::from_str(it).unwrap()).collect()
}

fn id(of: &Value) -> Uuid {
    of["id"].as_str().unwrap().parse().unwrap()
}

/// Of each of these, how often it is on record that their line was handed out.
async fn looks(house: &House, ids: &[Uuid]) -> Vec<usize> {
    let streams: Vec<Uuid> = ids.iter().map(|id| stream_id::access(*id)).collect();
    let events = house.platform.store.log().streams(&streams).await.unwrap();
    let of = |stream: &Uuid| {
        let events = events.iter().filter(|it| it.stream_id == *stream);
        events.filter(|it| it.event_type == "access.Viewed").count()
    };
    streams.iter().map(of).collect()
}

async fn people(house: &House, count: usize) {
    let lines = (0..count).map(|n| format!("reader{n:04}@example.org\n"));
    let file = format!("email\n{}", lines.collect::<String>());
    assert_eq!(counts(&import(house, &file).await)[0], count as i64);
}

#[actix_web::test]
async fn every_line_is_on_record_before_it_leaves_and_who_hangs_up_sees_no_more() {
    let house = House::start().await;
    people(&house, 1_201).await;
    let gone = house.subscriber("gone@example.org").await;
    post(&house, &format!("/subscribers/{gone}/erase"), json!({})).await;

    // The first piece, and then nobody reads on.
    let mut body = begun(&house, |it| it).await;
    let piece = next(&mut body).await.unwrap().unwrap();
    let first = objects(std::str::from_utf8(&piece).unwrap());
    let ids: Vec<Uuid> = first.iter().map(id).collect();
    assert_eq!(ids.len(), 500);
    assert_eq!(looks(&house, &ids).await, vec![1; 500]);
    drop(body);

    let all = objects(&export(&house, "format=jsonl").await);
    let ids: Vec<Uuid> = all.iter().map(id).collect();
    assert_eq!(ids.len(), 1_201, "nobody twice, and nobody who was erased");
    assert!(ids.is_sorted() && !ids.contains(&gone));
    let looks_at = looks(&house, &ids).await;
    assert!(looks_at[..500].iter().all(|count| *count == 2));
    assert!(looks_at[500..].iter().all(|count| *count == 1));
    assert_eq!(looks(&house, &[gone]).await, [0]);

    // An officer reads it as any other look.
    let path = format!("/api/v1/access?subscriber={}", ids[1_200]);
    let page = send(&house, TestRequest::get().uri(&path)).await.1;
    let look = &page["items"][0];
    assert_eq!(
        (&look["what"], &look["reason"]),
        (&json!("bulk_export"), &json!(WHY.1))
    );
    assert_eq!(look["actor_name"], "ada");
    let path = format!("/api/v1/subscribers/{}/timeline", ids[1_200]);
    let told = send(&house, TestRequest::get().uri(&path)).await.1;
    let words = told["items"][0]["words"].as_str().unwrap();
    assert!(
        words.starts_with("Their data were handed out in a file of many"),
        "{words}"
    );
}

/// Puts so many looks on record, and then no more.
fn ends_after(pages: usize) -> impl FnOnce(RecordLook) -> RecordLook {
    move |record| {
        let left = AtomicUsize::new(pages);
        Arc::new(move |look| {
            let goes_on =
                left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
            match goes_on {
                Ok(_) => record(look),
                Err(_) => {
                    Box::pin(async { Err(Problem::unavailable("The log is away.", 5, None)) })
                }
            }
        })
    }
}

#[actix_web::test]
async fn half_a_file_never_looks_whole() {
    let house = House::start().await;
    people(&house, 700).await;
    let mut body = begun(&house, ends_after(1)).await;
    assert!(matches!(next(&mut body).await, Some(Ok(_))));
    assert!(
        matches!(next(&mut body).await, Some(Err(_))),
        "an error, not an end"
    );
    // As a client sees it that was promised chunks: the last one is missing.
    let whole = over_the_wire(&house, |it| it).await;
    assert!(whole.ends_with("\r\n0\r\n\r\n") && whole.contains("transfer-encoding: chunked"));
    assert_eq!(whole.matches("@example.org").count(), 700);
    let half = over_the_wire(&house, ends_after(1)).await;
    assert!(half.starts_with("HTTP/1.1 200") && !half.ends_with("0\r\n\r\n"));
    assert_eq!(half.matches("@example.org").count(), 500);
    // When nothing has been said yet, it is said what is wrong.
    let refused = over_the_wire(&house, ends_after(0)).await;
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    assert!(!refused.contains("@example.org"));
}

/// An export as it comes over a connection of its own, to its end.
async fn over_the_wire(house: &House, looks: impl FnOnce(RecordLook) -> RecordLook) -> String {
    let rooms = rooms(house, looks);
    let edge = edge(&house.platform);
    let authenticator = Authenticator::new(&config().auth, house.platform.clock.clock()).unwrap();
    let authenticator = web::Data::new(authenticator);
    let server = HttpServer::new(move || {
        App::new()
            .configure(configure(edge.clone()))
            .wrap(from_fn(request_context))
            .app_data(authenticator.clone())
            .configure(rooms.clone())
    });
    let server = server.workers(1).disable_signals();
    let server = server.bind(("127.0.0.1", 0)).unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    actix_web::rt::spawn(server);
    let request = as_admin(&house.platform, TestRequest::get()).to_srv_request();
    let token = request
        .headers()
        .get(header::AUTHORIZATION)
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let read = web::block(move || {
        let mut connection = TcpStream::connect(address).unwrap();
        let (name, why) = WHY;
        let head = format!(
            "GET {PATH}?format=csv HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n{name}: {why}\r\nConnection: close\r\n\r\n"
        );
        connection.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // A connection that is cut off has given all there was.
        let _ended = connection.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    });
    let answer = read.await.unwrap();
    handle.stop(false).await;
    answer
}

#[actix_web::test]
async fn who_does_not_say_why_or_cannot_tell_a_part_from_the_whole_gets_nothing() {
    let house = House::start().await;
    house.subscriber("ada@example.org").await;
    house.platform.settle().await;
    let before = house.platform.store.log().head().await.unwrap().position;
    for (request, expected) in [
        (TestRequest::get().uri(PATH), "Look-Reason"),
        (
            TestRequest::get().uri(PATH).insert_header((WHY.0, " ")),
            "Why you look",
        ),
        (asked("").version(Version::HTTP_10), "HTTP/1.1"),
        (asked("format=xml"), "format"),
        (asked("limit=3"), "limit"),
        (asked("tag=no+tag"), "tag"),
        (asked(&format!("topic={}", Uuid::nil())), "topic"),
        (asked(&format!("segment={}", Uuid::nil())), "segment"),
    ] {
        let (status, problem) = send(&house, request).await;
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert_eq!(
            (status, detail.contains(expected)),
            (400, true),
            "{problem}"
        );
    }
    assert_eq!(
        house.platform.store.log().head().await.unwrap().position,
        before
    );
}

#[actix_web::test]
async fn so_many_exports_at_once_and_no_more() {
    let house = House::start().await;
    house.subscriber("ada@example.org").await;
    house.platform.settle().await;
    let requests = (0..5).map(|_| asked("")).collect();
    let answers = answers(&house.platform, rooms(&house, |it| it), requests).await;
    let statuses: Vec<u16> = answers.iter().map(|it| it.status().as_u16()).collect();
    assert_eq!(
        statuses,
        [200, 200, 200, 200, 503],
        "none of them was read to its end"
    );
    assert!(answers[4].headers().contains_key(header::RETRY_AFTER));
}

/// Somebody of each kind that there is.
async fn everybody(house: &House) -> Uuid {
    house.email_channel().await;
    house.platform.settle().await;
    let sports = json!({ "slug": "sports", "name": "Sports", "default": "in" });
    let sports = id(&post(house, "/topics", sports).await);
    let opera = json!({ "slug": "opera", "name": "Opera", "default": "out" });
    let opera = id(&post(house, "/topics", opera).await);
    let sign_up = async |email: &str, confirm: bool| {
        let confirmation = if confirm { "required" } else { "not_required" };
        let new = json!({ "email": email, "confirmation": confirmation, "name": "=1+1",
            "tags": ["early_bird", "vip"],
            "attributes": { "city": "'=Kyiv, \"the\"\ncity", "age": 36, "exact": { "number": "0.1" }, "is_member": true,
                "born": { "date": "1815-12-10" } } });
        id(&post(house, "/subscribers", new).await)
    };
    let ada = sign_up("+ada@example.org", false).await;
    let path = format!("/subscribers/{ada}/unsubscribe");
    post(house, &path, json!({ "topic_id": sports })).await;
    let path = format!("/subscribers/{ada}/resubscribe");
    post(house, &path, json!({ "topic_id": opera })).await;
    sign_up("pending@example.org", true).await;
    let left = sign_up("left@example.org", false).await;
    house.unsubscribe(left).await;
    let wavering = sign_up("wavering@example.org", true).await;
    house.unsubscribe(wavering).await;
    sign_up("suppressed@example.org", false).await;
    let whom = json!({ "address": "suppressed@example.org" });
    post(house, "/suppressions", whom).await;
    sign_up("eve@blocked.example", false).await;
    post(
        house,
        "/suppressions",
        json!({ "domain": "blocked.example" }),
    )
    .await;
    ada
}

/// What must be the same wherever it is: without ids, times and how they came.
fn elsewhere(jsonl: &str) -> Vec<Value> {
    let mut all = objects(jsonl);
    for it in &mut all {
        let of_their_own = ["id", "source", "signed_up_at", "unsubscribed_at"];
        for key in of_their_own {
            it.as_object_mut().unwrap().remove(key).unwrap();
        }
        for topic in it["topics"].as_array_mut().unwrap() {
            topic.as_object_mut().unwrap().remove("id").unwrap();
        }
        it["topics"]
            .as_array_mut()
            .unwrap()
            .sort_by_key(Value::to_string);
        // A file stands for addresses: of a domain nothing else is suppressed for it.
        for reason in it["suppressed"].as_array_mut().unwrap() {
            *reason = json!(reason.as_str().unwrap().trim_start_matches("domain:"));
        }
    }
    all.sort_by_key(|it| it["email"].to_string());
    all
}

#[actix_web::test]
async fn what_was_exported_is_the_same_on_another_platform() {
    let here = House::start().await;
    everybody(&here).await;
    let file = export(&here, "").await;
    assert!(!file.contains("\"=") && !file.contains("\"+"), "{file}");
    let there = House::start().await;
    let channel = there.email_channel().await;
    for (slug, default) in [("sports", "in"), ("opera", "out")] {
        let topic = json!({ "slug": slug, "name": slug, "default": default });
        post(&there, "/topics", topic).await;
    }
    let imported = import(&there, &file).await;
    assert_eq!(counts(&imported), [6, 0, 0, 0], "{imported}");
    let expected = elsewhere(&export(&here, "format=jsonl").await);
    assert_eq!(elsewhere(&export(&there, "format=jsonl").await), expected);
    let states: Vec<&str> = expected
        .iter()
        .map(|it| it["state"].as_str().unwrap())
        .collect();
    assert_eq!(
        states,
        [
            "active",
            "active",
            "unsubscribed",
            "pending",
            "active",
            "unsubscribed"
        ]
    );
    assert_eq!(expected[0]["name"], "=1+1");
    assert_eq!(expected[0]["attributes"]["city"], "'=Kyiv, \"the\"\ncity");

    // Only who wants it and may get it does.
    there.publish("News", "Hello", &[channel]).await;
    there.platform.settle().await;
    let got = expected.iter().map(|it| {
        let email = it["email"].as_str().unwrap();
        there.smtp.by_recipient(email).len()
    });
    assert_eq!(got.collect::<Vec<_>>(), [1, 0, 0, 0, 0, 0]);

    // From there on to a third, nothing grows and nothing is lost.
    let third = House::start().await;
    let onward = export(&there, "").await;
    assert_eq!(counts(&import(&third, &onward).await), [6, 0, 0, 0]);
    let again = export(&third, "").await;
    let cells = |file: &str| file.matches("'=").count();
    assert_eq!(cells(&again), cells(&file));
}

#[actix_web::test]
async fn a_file_that_comes_back_changes_nobody_but_who_came_back_meanwhile() {
    let house = House::start().await;
    everybody(&house).await;
    let file = export(&house, "").await;
    let before = house.platform.store.log().head().await.unwrap().position;
    // Of a domain's address, that nothing goes to it is said anew.
    assert_eq!(counts(&import(&house, &file).await), [0, 6, 0, 0]);
    let events = house
        .platform
        .store
        .log()
        .page_after(before, 100)
        .await
        .unwrap();
    let others = events
        .iter()
        .filter(|it| !it.event_type.starts_with("subscriber_import."));
    let others: Vec<&str> = others.map(|it| it.event_type.as_str()).collect();
    assert_eq!(others, ["suppression.Added"]);

    let left = objects(&export(&house, "format=jsonl&state=unsubscribed").await);
    assert_eq!(left.len(), 2);
    let back = left
        .iter()
        .find(|it| it["email"] == "left@example.org")
        .unwrap();
    let path = format!("/subscribers/{}/resubscribe", id(back));
    post(&house, &path, json!({})).await;
    assert_eq!(counts(&import(&house, &file).await), [0, 5, 1, 0]);
    let back = objects(&export(&house, "format=jsonl&state=active&suppressed=true").await);
    let back = back.iter().find(|it| it["email"] == "left@example.org");
    assert_eq!(back.unwrap()["suppressed"], json!(["unsubscribed"]));
}

#[actix_web::test]
async fn an_export_takes_the_filters_of_the_list() {
    let house = House::start().await;
    let ada = everybody(&house).await;
    let emails = async |query: &str| {
        let all = objects(&export(&house, &format!("format=jsonl&{query}")).await);
        all.iter()
            .map(|it| it["email"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(emails("state=pending").await, ["pending@example.org"]);
    assert_eq!(emails("suppressed=true").await.len(), 2);
    assert_eq!(emails("tag=vip").await.len(), 6);
    assert_eq!(emails("attribute=age:37").await.len(), 0);
    assert_eq!(emails("state=erased").await.len(), 0);
    let conditions = json!({ "all": [{ "state": "active" }, { "tag": "vip" }] });
    let segment = json!({ "slug": "vips", "name": "VIPs", "conditions": conditions });
    let segment = id(&post(&house, "/segments", segment).await);
    assert_eq!(
        emails(&format!("segment={segment}&suppressed=false")).await,
        ["+ada@example.org"]
    );
    // A file with nobody in it is still one.
    assert_eq!(export(&house, "state=erased").await.lines().count(), 1);
    // Nobody else was looked at for that.
    post(&house, &format!("/subscribers/{ada}/erase"), json!({})).await;
    assert_eq!(emails("tag=vip").await.len(), 5);
}
