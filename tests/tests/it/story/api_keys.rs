//! API keys: what they open, until when, and what is on record of it.

use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
use actix_web::{App, web};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tidings_command_api::{Commands, ROUTES, routes};
use tidings_domain::id::IdKey;
use tidings_domain::stream_id;
use tidings_domain::token::{ApiKeyToken, LinkKey, LinkKeys};
use tidings_event_store::Progress;
use tidings_projector::{AT_LEAST_PATIENCE, Projector, Reader, Stops};
use tidings_service::access::scopes;
use tidings_service::auth::{Authenticator, KEY_ISSUER};
use tidings_service::http::{body_deadline, configure, request_context, security_headers};
use tidings_tests::Platform;
use tidings_tests::api::{as_admin, config, edge};
use uuid::Uuid;

use super::commands::commands;

const DAY: Duration = Duration::from_secs(24 * 3_600);

fn id_key() -> IdKey {
    IdKey::new([7; 32])
}

/// The commands of one process, which let keys be made for what all rooms have.
fn room(platform: &Platform) -> web::Data<Commands> {
    let link_keys = LinkKeys::new(LinkKey::new(1, [7; 32]), vec![]);
    let all = ROUTES.iter().chain(tidings_projector::ROUTES);
    let commands = commands(platform, id_key(), link_keys);
    web::Data::new(commands.with_scopes(scopes(all)))
}

/// One process: its commands and reads, and its door.
macro_rules! process {
    ($platform:expr, $commands:expr) => {{
        let clock = $platform.clock.clock();
        let door = Authenticator::new(&config().auth, clock.clone()).unwrap();
        let door = door.with_keys(ApiKeyToken::MARK, $commands.key_verifier());
        let reader = Reader::new($platform.store.clone(), Stops::default(), AT_LEAST_PATIENCE);
        let app = App::new()
            .configure(configure(edge(&$platform)))
            .wrap(from_fn(security_headers))
            .wrap(from_fn(body_deadline))
            .wrap(from_fn(request_context))
            .app_data(web::Data::new(door))
            .app_data(web::Data::new(clock))
            .app_data(web::Data::new(reader))
            .app_data($commands.clone())
            .configure(routes)
            .configure(tidings_projector::routes);
        init_service(app).await
    }};
}

macro_rules! send {
    ($app:expr, $request:expr) => {{
        let response = call_service(&$app, $request.to_request()).await;
        let status = response.status().as_u16();
        let body: Value = read_body_json(response).await;
        (status, body)
    }};
}

fn with(token: &str, request: TestRequest) -> TestRequest {
    request.insert_header(("authorization", format!("Bearer {token}")))
}

fn topics(token: &str) -> TestRequest {
    with(token, TestRequest::get().uri("/api/v1/topics"))
}

fn new_topic(slug: &str) -> TestRequest {
    let body = json!({ "slug": slug, "default": "out", "name": slug });
    TestRequest::post().uri("/api/v1/topics").set_json(body)
}

fn key(platform: &Platform, body: Value) -> TestRequest {
    as_admin(platform, TestRequest::post().uri("/api/v1/api-keys")).set_json(body)
}

fn act(platform: &Platform, id: &str, verb: &str, body: Value) -> TestRequest {
    let path = format!("/api/v1/api-keys/{id}/{verb}");
    as_admin(platform, TestRequest::post().uri(&path)).set_json(body)
}

fn text<'a>(body: &'a Value, field: &str) -> &'a str {
    body[field]
        .as_str()
        .unwrap_or_else(|| panic!("no {field} in {body}"))
}

async fn with_views(platform: &Platform) {
    let projector = Projector::new(&platform.store, &platform.feed);
    platform
        .add_worker("projector", projector, |it| {
            Box::pin(async { Ok(it.step().await?) })
        })
        .await;
    platform.settle().await;
}

#[actix_web::test]
async fn a_key_does_what_its_scopes_say_and_is_known_by_name() {
    let platform = Platform::start().await;
    with_views(&platform).await;
    let commands = room(&platform);
    let app = process!(platform, commands);
    let wanted = json!({ "name": "Web shop", "scopes": ["topics:write"] });
    let (status, made) = send!(app, key(&platform, wanted));
    assert_eq!(status, 201, "{made}");
    let (id, token) = (text(&made, "id"), text(&made, "token"));
    assert!(token.starts_with(text(&made, "prefix")));

    let (status, topic) = send!(app, with(token, new_topic("markets")));
    assert_eq!(status, 201, "{topic}");
    // To write is not to read.
    let (status, problem) = send!(app, topics(token));
    assert_eq!((status, text(&problem, "scope")), (403, "topics:read"));
    // The role is no way round the scope, nor the scope round the role.
    let (status, _) = send!(app, with(token, TestRequest::get().uri("/api/v1/views")));
    assert_eq!(status, 403);

    let events = platform.store.log().page_after(0, 100).await.unwrap();
    let defined = events
        .iter()
        .find(|it| it.event_type == "topic.Defined")
        .unwrap();
    let principal = stream_id::principal(&id_key(), KEY_ISSUER, id);
    assert_eq!(defined.actor, format!("user:{principal}"));
    let client = platform.pool.get().await.unwrap();
    let named = "select subject from publishing_principals where principal_id = $1";
    let row = client.query_one(named, &[&principal]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), format!("Web shop (API key {id})"));
    // Nothing that opens anything is kept.
    let secret = ApiKeyToken::parse(token).unwrap();
    let created = events
        .iter()
        .find(|it| it.event_type == "api_key.Created")
        .unwrap();
    let holds = |part: &[u8]| created.payload.windows(part.len()).any(|it| it == part);
    let bytes = URL_SAFE_NO_PAD.decode(&token[4..]).unwrap();
    assert!(holds(&secret.hash()) && !holds(&bytes[17..49]));
}

/// By conditions that are narrow enough, whom a preview shows tells what is known of them.
#[actix_web::test]
async fn a_key_for_segments_sees_of_subscribers_how_many_they_are() {
    let platform = Platform::start().await;
    with_views(&platform).await;
    let commands = room(&platform);
    let app = process!(platform, commands);
    let admin =
        |path: &str, body: Value| as_admin(&platform, TestRequest::post().uri(path)).set_json(body);
    let ada = json!({ "email": "ada@example.org", "tags": ["vip"] });
    assert_eq!(send!(app, admin("/api/v1/subscribers", ada)).0, 201);
    let conditions = json!({ "tag": "vip" });
    let vips = json!({ "slug": "vips", "name": "VIPs", "conditions": conditions });
    let (status, made) = send!(app, admin("/api/v1/segments", vips));
    assert_eq!(status, 201, "{made}");
    platform.settle().await;
    let of_it = format!("/api/v1/segments/{}/preview", text(&made, "id"));
    for (scopes, shown) in [
        (json!(["segments:read", "segments:write"]), None),
        (
            json!(["segments:read", "segments:write", "subscribers:read"]),
            Some(1),
        ),
    ] {
        let (_, made) = send!(
            app,
            key(&platform, json!({ "name": "Desk", "scopes": scopes }))
        );
        let token = text(&made, "token");
        let tried = TestRequest::post().uri("/api/v1/segments/preview");
        let tried = tried.set_json(json!({ "conditions": conditions }));
        for request in [tried, TestRequest::get().uri(&of_it)] {
            let (status, preview) = send!(app, with(token, request));
            assert_eq!(
                (status, &preview["matching"]),
                (200, &json!(1)),
                "{preview}"
            );
            let samples = preview["samples"].as_array().map(Vec::len);
            assert_eq!(samples, shown, "{preview}");
        }
    }
}

#[actix_web::test]
async fn a_key_that_could_do_anything_makes_no_key() {
    let platform = Platform::start().await;
    with_views(&platform).await;
    let commands = room(&platform);
    let app = process!(platform, commands);
    let all: Vec<String> = scopes(ROUTES.iter().chain(tidings_projector::ROUTES))
        .into_keys()
        .collect();
    let wanted = json!({ "name": "All", "scopes": all, "roles": ["admin"] });
    let (status, made) = send!(app, key(&platform, wanted));
    assert_eq!(status, 201, "{made}");
    let token = text(&made, "token");
    assert_eq!(send!(app, topics(token)).0, 200);
    let id = text(&made, "id");
    for request in [
        TestRequest::get().uri("/api/v1/api-keys"),
        TestRequest::get().uri(&format!("/api/v1/api-keys/{id}")),
        TestRequest::post().uri("/api/v1/api-keys"),
        TestRequest::post().uri(&format!("/api/v1/api-keys/{id}/rotate")),
        TestRequest::post().uri(&format!("/api/v1/api-keys/{id}/revoke")),
    ] {
        let (status, problem) = send!(app, with(token, request));
        assert_eq!(status, 403, "{problem}");
    }
    for (wanted, pointer) in [
        (
            json!({ "name": "N", "scopes": ["api-keys:write"] }),
            "#/scopes/0",
        ),
        (
            json!({ "name": "N", "scopes": ["views:write"] }),
            "#/scopes/0",
        ),
        (
            json!({ "name": "N", "scopes": ["topics:read", "topics"] }),
            "#/scopes/1",
        ),
        (json!({ "name": "N", "scopes": [] }), "#/scopes"),
        (
            json!({ "name": "N", "scopes": ["topics:read"], "roles": [] }),
            "#/roles",
        ),
        (
            json!({ "name": "N", "scopes": ["topics:read"], "roles": ["king"] }),
            "#/roles/0",
        ),
        (json!({ "name": "", "scopes": ["topics:read"] }), "#/name"),
        (
            json!({ "name": "N", "scopes": ["topics:read"], "expires_at": "2020-01-01T00:00:00Z" }),
            "#/expires_at",
        ),
        (
            json!({ "name": "N", "scopes": ["topics:read"], "expires_at": "2099-01-01T00:00:00Z" }),
            "#/expires_at",
        ),
    ] {
        let (status, problem) = send!(app, key(&platform, wanted.clone()));
        let found = problem["errors"][0]["pointer"].as_str();
        assert_eq!((status, found), (422, Some(pointer)), "{wanted} {problem}");
    }
}

#[actix_web::test]
async fn a_revoked_key_lets_nobody_in_here_at_once_and_elsewhere_within_a_second() {
    let platform = Platform::start().await;
    with_views(&platform).await;
    let (here, there) = (room(&platform), room(&platform));
    let (app, other) = (process!(platform, here), process!(platform, there));
    let wanted = json!({ "name": "Web shop", "scopes": ["topics:read"] });
    let (_, made) = send!(app, key(&platform, wanted));
    let (id, token) = (text(&made, "id"), text(&made, "token"));
    assert_eq!(send!(app, topics(token)).0, 200);
    assert_eq!(send!(other, topics(token)).0, 200);
    let (status, revoked) = send!(
        app,
        act(&platform, id, "revoke", json!({ "reason": "leaked" }))
    );
    assert_eq!(status, 200, "{revoked}");
    let (status, problem) = send!(app, topics(token));
    assert_eq!(status, 401, "{problem}");
    assert!(text(&problem, "detail").contains("revoked"), "{problem}");
    platform.clock.advance(Duration::from_secs(1));
    assert_eq!(send!(other, topics(token)).0, 401);
    // For ever, and twice is once.
    let (status, again) = send!(app, act(&platform, id, "revoke", json!({})));
    assert_eq!((status, &again["version"]), (200, &json!(2)));
    let (status, problem) = send!(app, act(&platform, id, "rotate", json!({})));
    assert_eq!(status, 409, "{problem}");
}

#[actix_web::test]
async fn what_is_no_key_of_ours_lets_nobody_in() {
    let platform = Platform::start().await;
    with_views(&platform).await;
    let commands = room(&platform);
    let app = process!(platform, commands);
    let wanted = json!({ "name": "Web shop", "scopes": ["topics:read"] });
    let (_, made) = send!(app, key(&platform, wanted));
    let (id, token) = (
        Uuid::try_parse(text(&made, "id")).unwrap(),
        text(&made, "token"),
    );
    let topic = send!(app, as_admin(&platform, new_topic("markets"))).1;
    let topic_id = Uuid::try_parse(text(&topic, "id")).unwrap();
    let forged = |id| ApiKeyToken::new(id, [7; 32]).reveal();
    for wrong in [
        token[..token.len() - 1].to_owned(),
        token.replace("tdk_A", "tdk_B"),
        forged(id),
        forged(topic_id),
        forged(Uuid::from_u128(7)),
    ] {
        let (status, problem) = send!(app, topics(&wrong));
        assert_eq!(status, 401, "{problem}");
        assert!(!problem.to_string().contains(&wrong[30..]), "{problem}");
    }
    assert_eq!(send!(app, topics(token)).0, 200);
    platform.clock.advance(364 * DAY);
    assert_eq!(send!(app, topics(token)).0, 200);
    platform.clock.advance(DAY);
    let (status, problem) = send!(app, topics(token));
    assert_eq!(status, 401, "{problem}");
    assert!(text(&problem, "detail").contains("expired"), "{problem}");
}

#[actix_web::test]
async fn a_rotated_key_takes_both_secrets_for_a_while_and_shows_which_is_used() {
    let platform = Platform::start().await;
    with_views(&platform).await;
    let commands = room(&platform);
    let uses = commands.key_uses();
    let app = process!(platform, commands);
    let wanted = json!({ "name": "Web shop", "scopes": ["topics:read"] });
    let (_, made) = send!(app, key(&platform, wanted));
    let (id, first) = (text(&made, "id"), text(&made, "token"));
    let path = format!("/api/v1/api-keys/{id}");
    let shown = || as_admin(&platform, TestRequest::get().uri(&path));
    platform.settle().await;
    let (_, unused) = send!(app, shown());
    assert_eq!(
        (text(&unused, "state"), &unused["last_used_at"]),
        ("active", &Value::Null)
    );
    assert_eq!(text(&unused, "created_by_name"), "ada");

    let (status, rotated) = send!(app, act(&platform, id, "rotate", json!({})));
    assert_eq!(
        (status, text(&rotated, "prefix")),
        (200, text(&made, "prefix"))
    );
    let second = text(&rotated, "token");
    assert_eq!(send!(app, topics(second)).0, 200);
    assert_eq!(uses.step().await.unwrap(), Progress::Advanced);
    platform.settle().await;
    let (_, moved) = send!(app, shown());
    assert!(
        moved["last_used_at"].is_string() && moved["earlier_until"].is_string(),
        "{moved}"
    );
    assert_eq!(moved["earlier_secret_used_at"], Value::Null);
    // Somebody still has the first.
    assert_eq!(send!(app, topics(first)).0, 200);
    assert_eq!(send!(app, topics(first)).0, 200);
    assert_eq!(uses.step().await.unwrap(), Progress::Advanced);
    assert_eq!(uses.step().await.unwrap(), Progress::Idle);
    let (_, shown_again) = send!(app, shown());
    assert!(
        shown_again["earlier_secret_used_at"].is_string(),
        "{shown_again}"
    );

    platform.clock.advance(DAY);
    assert_eq!(
        (send!(app, topics(first)).0, send!(app, topics(second)).0),
        (401, 200)
    );
    let (_, rotated) = send!(app, act(&platform, id, "rotate", json!({ "overlap_s": 0 })));
    let third = text(&rotated, "token");
    assert_eq!(
        (send!(app, topics(second)).0, send!(app, topics(third)).0),
        (401, 200)
    );
    // It is given more time.
    let later = json!({ "expires_at": "2029-01-01T00:00:00Z" });
    let (_, rotated) = send!(app, act(&platform, id, "rotate", later));
    assert_eq!(text(&rotated, "expires_at"), "2029-01-01T00:00:00Z");
    let fourth = text(&rotated, "token");
    platform.clock.advance(400 * DAY);
    assert_eq!(
        (send!(app, topics(third)).0, send!(app, topics(fourth)).0),
        (401, 200)
    );
}

#[actix_web::test]
async fn a_repeated_request_makes_no_second_secret_and_shows_none() {
    let platform = Platform::start().await;
    let commands = room(&platform);
    let app = process!(platform, commands);
    let wanted = json!({ "name": "Web shop", "scopes": ["topics:read"] });
    let create =
        |body: &Value| key(&platform, body.clone()).insert_header(("idempotency-key", "k"));
    let (status, made) = send!(app, create(&wanted));
    assert_eq!(status, 201, "{made}");
    let (status, again) = send!(app, create(&wanted));
    assert_eq!(
        (status, &again["id"], &again["token"]),
        (409, &made["id"], &Value::Null)
    );
    let other = json!({ "name": "Other", "scopes": ["topics:read"] });
    let (status, refused) = send!(app, create(&other));
    assert_eq!(
        (status, text(&refused, "type")),
        (422, "/problems/idempotency-key-reused")
    );
    let rotate = || {
        act(&platform, text(&made, "id"), "rotate", json!({}))
            .insert_header(("idempotency-key", "k"))
    };
    assert_eq!(send!(app, rotate()).0, 200);
    let (status, again) = send!(app, rotate());
    assert_eq!((status, &again["token"]), (409, &Value::Null));
    let events = platform.store.log().page_after(0, 100).await.unwrap();
    let types: Vec<&str> = events.iter().map(|it| it.event_type.as_str()).collect();
    assert_eq!(types, ["api_key.Created", "api_key.Rotated"]);
}
