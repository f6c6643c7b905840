//! Many subscribers in one file: nobody's line leaves before the look at them is on record, whoever hangs up ends it, half a
//! file never looks whole, and what was exported can be imported elsewhere.

mod elsewhere;

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
    let answer = exchange(house, looks, |mut connection| {
        let mut answer = Vec::new();
        // A connection that is cut off has given all there was.
        let _ended = connection.read_to_end(&mut answer);
        answer
    });
    String::from_utf8(answer.await).unwrap()
}

/// Serves the rooms, asks them for an export, and has the connection read; gives what was read once the last of it is closed.
async fn exchange(
    house: &House,
    looks: impl FnOnce(RecordLook) -> RecordLook,
    read: impl FnOnce(TcpStream) -> Vec<u8> + Send + 'static,
) -> Vec<u8> {
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
    let token = request.headers().get(header::AUTHORIZATION).unwrap();
    let token = token.to_str().unwrap().to_owned();
    let answer = web::block(move || {
        let mut connection = TcpStream::connect(address).unwrap();
        let (name, why) = WHY;
        let head = format!(
            "GET {PATH}?format=csv HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n{name}: {why}\r\nConnection: close\r\n\r\n"
        );
        connection.write_all(head.as_bytes()).unwrap();
        read(connection)
    });
    let answer = answer.await.unwrap();
    // Waits for what is still being answered.
    handle.stop(true).await;
    answer
}

#[actix_web::test]
async fn who_hangs_up_ends_it() {
    let house = House::start().await;
    // Pages of some 4 MB: more than what lies in the buffers on the way.
    let long = "x".repeat(7_500);
    let lines = (0..4_000).map(|n| format!("reader{n:04}@example.org,{long}\n"));
    let file = format!("email,about\n{}", lines.collect::<String>());
    assert_eq!(counts(&import(&house, &file).await)[0], 4_000);
    let begun = exchange(
        &house,
        |it| it,
        |mut connection| {
            let mut begun = vec![0; 1_000];
            connection.read_exact(&mut begun).unwrap();
            begun
        },
    );
    assert!(begun.await.starts_with(b"HTTP/1.1 200"));
    let client = house.platform.pool.get().await.unwrap();
    let sql = "select count(*) from publishing_events where type = 'access.Viewed'";
    let looks: i64 = client.query_one(sql, &[]).await.unwrap().get(0);
    assert!((500..=3_000).contains(&looks), "{looks} looks");
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
