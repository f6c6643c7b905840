//! Commands over HTTP, against a real log.

use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
use actix_web::{App, web};
use serde_json::{Value, json};
use tidings_command_api::{Commands, ImportWorker, NotSkipped, SkipInView, routes};
use tidings_dispatcher::channels::addressed_kinds;
use tidings_domain::id::IdKey;
use tidings_domain::subscriber::Subscriber;
use tidings_domain::subscriber_import::SubscriberImport;
use tidings_domain::suppression::Suppression;
use tidings_domain::token::{LinkKey, LinkKeys, UnsubscribeLink};
use tidings_event_store::{CONTRACT_REVISION, Context, Progress, Store};
use tidings_projector::{Projector, VIEWS, find, skip};
use tidings_proto::common::Metadata;
use tidings_service::auth::Authenticator;
use tidings_service::http::{body_deadline, configure, request_context, security_headers};
use tidings_tests::Platform;
use tidings_tests::api::{as_admin, config, edge};
use time::macros::date;
use uuid::Uuid;

pub(super) fn commands(platform: &Platform, id_key: IdKey, link_keys: LinkKeys) -> Commands {
    Commands::new(
        platform.store.clone(),
        platform.clock.clock(),
        platform.ids.clone(),
        id_key,
        link_keys,
        Arc::new(|_, _, _| Ok(())),
        config().http,
    )
    .with_views(views(platform.store.clone()))
    .with_segments(
        addressed_kinds(),
        Arc::new(|_, _| Box::pin(async { Ok(None) })),
    )
}

/// How the views of the projector skip.
fn views(store: Store) -> SkipInView {
    Arc::new(move |view: String, position, reason, context: Context| {
        let store = store.clone();
        Box::pin(async move {
            let view = find(&VIEWS, &view).map_err(|_| NotSkipped::Unknown)?;
            Ok(skip(&store, &view, &context, position, reason).await?)
        })
    })
}

fn link_keys() -> LinkKeys {
    LinkKeys::new(LinkKey::new(1, [7; 32]), vec![])
}

macro_rules! app {
    ($platform:expr) => {{
        let config = config();
        let commands = commands(&$platform, IdKey::new([7; 32]), link_keys());
        let app = App::new()
            .configure(configure(edge(&$platform)))
            .wrap(from_fn(security_headers))
            .wrap(from_fn(body_deadline))
            .wrap(from_fn(request_context))
            .app_data(web::Data::new(
                Authenticator::new(&config.auth, $platform.clock.clock()).unwrap(),
            ))
            .app_data(web::Data::new(commands))
            .configure(routes);
        init_service(app).await
    }};
}

fn post(platform: &Platform, path: &str) -> TestRequest {
    as_admin(platform, TestRequest::post().uri(path))
}

macro_rules! send {
    ($app:expr, $request:expr) => {{
        let response = call_service(&$app, $request.to_request()).await;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let body: Value = read_body_json(response).await;
        (status, headers, body)
    }};
}

mod editing;
mod topics;

#[actix_web::test]
async fn a_publication_is_drafted_revised_and_published_once() {
    let platform = Platform::start().await;
    let app = app!(platform);
    let channel = json!({"kind":"email","name":"News","settings":{"host":"h"},"credentials":{"password":"p"}});
    let (status, headers, channel) =
        send!(app, post(&platform, "/api/v1/channels").set_json(&channel));
    assert_eq!(
        (status, channel["version"].as_i64()),
        (201, Some(1)),
        "{channel}"
    );
    assert_eq!(
        headers.get("location").unwrap().to_str().unwrap(),
        format!("/api/v1/channels/{}", channel["id"].as_str().unwrap())
    );
    assert_eq!(headers.get("log-position").unwrap(), "1");
    let none = Uuid::from_u128(9);
    let content = json!({"title":"T","markdown":"m","channels":[channel["id"], none]});
    let (status, _, body) = send!(
        app,
        post(&platform, "/api/v1/publications").set_json(&content)
    );
    assert_eq!(
        (status, &body["errors"][0]["pointer"]),
        (422, &json!("#/channels/1")),
        "{body}"
    );
    let content = json!({"title":"T","markdown":"m","channels":[channel["id"]]});
    let draft =
        || post(&platform, "/api/v1/publications").insert_header(("idempotency-key", "\"k1\""));
    let (status, _, first) = send!(app, draft().set_json(&content));
    assert_eq!((status, &first["version"]), (201, &json!(1)), "{first}");
    let (status, _, again) = send!(app, draft().set_json(&content));
    assert_eq!((status, &again), (201, &first));
    let other = json!({"title":"Other","markdown":"m","channels":[channel["id"]]});
    let (status, _, body) = send!(app, draft().set_json(&other));
    assert_eq!(
        (status, &body["type"]),
        (422, &json!("/problems/idempotency-key-reused"))
    );
    let path = format!("/api/v1/publications/{}", first["id"].as_str().unwrap());
    let put = |tag: &str| {
        as_admin(&platform, TestRequest::put().uri(&path))
            .insert_header(("if-match", tag.to_owned()))
    };
    let (status, _, body) = send!(app, put("\"7\"").set_json(&other));
    assert_eq!((status, &body["version"]), (412, &json!(1)));
    let (status, headers, _) = send!(app, put("\"1\"").set_json(&other));
    assert_eq!(
        (status, headers.get("etag").unwrap().to_str().unwrap()),
        (200, "\"2\"")
    );
    let (status, _, body) = send!(app, post(&platform, &format!("{path}/publish")));
    assert_eq!((status, &body["operation"]), (202, &json!(path)));
    let (status, _, body) = send!(app, post(&platform, &format!("{path}/publish")));
    assert_eq!(status, 409, "{body}");
    let (status, _, _) = send!(
        app,
        post(&platform, &format!("{path}/cancel")).set_json(json!({"reason":"oops"}))
    );
    assert_eq!(status, 202);
    // The draft's repeat is still answered from its own event.
    let (status, _, again) = send!(app, draft().set_json(&content));
    assert_eq!((status, &again), (201, &first));
    let (status, _, _) = send!(
        app,
        post(
            &platform,
            &format!(
                "/api/v1/publications/{}/publish",
                channel["id"].as_str().unwrap()
            )
        )
    );
    assert_eq!(status, 404);
    let (status, _, body) = send!(
        app,
        as_admin(
            &platform,
            TestRequest::put().uri(&format!(
                "/api/v1/channels/{}",
                channel["id"].as_str().unwrap()
            ))
        )
        .set_json(json!({"name":"N2","settings":{"host":"h"}}))
    );
    assert_eq!(status, 200, "{body}");
    // Nobody has the password on record sent to a server of their own.
    for elsewhere in [
        json!({"host":"evil"}),
        json!({"host":"h","endpoint":"https://evil.example"}),
    ] {
        let (status, _, problem) = send!(
            app,
            as_admin(
                &platform,
                TestRequest::put().uri(&format!(
                    "/api/v1/channels/{}",
                    channel["id"].as_str().unwrap()
                ))
            )
            .set_json(json!({"name":"N2","settings":elsewhere}))
        );
        let pointer = &problem["errors"][0]["pointer"];
        assert_eq!(
            (status, pointer),
            (422, &json!("#/credentials")),
            "{problem}"
        );
    }
    for (verb, version) in [("disable", 3), ("disable", 3), ("enable", 4)] {
        let (status, _, body) = send!(
            app,
            post(
                &platform,
                &format!(
                    "/api/v1/channels/{}/{verb}",
                    channel["id"].as_str().unwrap()
                )
            )
        );
        assert_eq!((status, &body["version"]), (200, &json!(version)), "{body}");
    }
    let row = platform
        .pool
        .get()
        .await
        .unwrap()
        .query_one("select issuer, subject from publishing_principals", &[])
        .await
        .unwrap();
    assert_eq!(
        (row.get::<_, &str>(0), row.get::<_, &str>(1)),
        ("tidings", "ada")
    );
}

#[actix_web::test]
async fn a_view_that_stands_still_skips_the_event_once() {
    let platform = Platform::start().await;
    let app = app!(platform);
    let metadata = Metadata {
        min_reader: CONTRACT_REVISION + 1,
        ..Metadata::default()
    };
    let mut poison = platform.event(platform.ids.next(), Vec::new(), &metadata);
    poison.event_type = "channel.Configured";
    platform.commit(vec![], vec![poison]).await.unwrap();
    platform.settle().await;
    let mut projector = Projector::new(&platform.store, &platform.feed);
    while projector.step().await.unwrap() == Progress::Advanced {}
    assert!(projector.stops().why("channel_list").is_some());
    let asked = |view: &str, position: i64| {
        post(&platform, &format!("/api/v1/views/{view}/skip"))
            .insert_header(("idempotency-key", "\"k\""))
            .set_json(json!({"position": position, "reason": "of a later version"}))
    };
    assert_eq!(send!(app, asked("no_such_view", 1)).0, 404);
    assert_eq!(send!(app, asked("delivery_log", 1)).0, 409);
    let (status, _, body) = send!(app, asked("channel_list", 2));
    assert_eq!(status, 409, "{body}");
    for _ in 0..2 {
        let (status, headers, body) = send!(app, asked("channel_list", 1));
        let skipped = json!({"view": "channel_list", "skipped": 1, "position": 2});
        assert_eq!((status, body), (200, skipped));
        assert_eq!(headers.get("log-position").unwrap(), "2");
    }
    platform.settle().await;
    while projector.step().await.unwrap() == Progress::Advanced {}
    assert_eq!(projector.stops().why("channel_list"), None);
}

#[actix_web::test]
async fn an_address_belongs_to_one_subscriber_whoever_comes_first() {
    let platform = Platform::start().await;
    let app = app!(platform);
    let sign_up = |key: &str, email: &str| {
        post(&platform, "/api/v1/subscribers")
            .insert_header(("idempotency-key", key.to_owned()))
            .set_json(json!({"email": email}))
            .to_request()
    };
    let calls = (0..20).map(|n| call_service(&app, sign_up(&format!("k{n}"), "Ada@Example.org")));
    let responses = futures_util::future::join_all(calls).await;
    let created = responses
        .iter()
        .filter(|response| response.status() == 201)
        .count();
    let taken = responses
        .iter()
        .filter(|response| response.status() == 409)
        .count();
    assert_eq!((created, taken), (1, 19));
    let calls = (0..5).map(|_| call_service(&app, sign_up("same", "grace@example.org")));
    let responses = futures_util::future::join_all(calls).await;
    let mut bodies = Vec::new();
    for response in responses {
        assert_eq!(response.status(), 201);
        bodies.push(read_body_json::<Value, _>(response).await);
    }
    assert!(
        bodies.windows(2).all(|pair| pair[0] == pair[1]),
        "{bodies:?}"
    );
    let id: Uuid = bodies[0]["id"].as_str().unwrap().parse().unwrap();

    let link = UnsubscribeLink {
        subscriber_id: id,
        topic_id: None,
        delivery_id: Some(Uuid::from_u128(5)),
        address_suppression_id: Uuid::from_u128(6),
        issued: date!(2026 - 03 - 01),
    };
    let keys = LinkKey::new(1, [7; 32]);
    for _ in 0..2 {
        let leave = TestRequest::post()
            .uri(&format!("/u/{}", link.sign(&keys)))
            .set_payload("List-Unsubscribe=One-Click")
            .insert_header(("user-agent", "Gmail"));
        assert_eq!(call_service(&app, leave.to_request()).await.status(), 200);
    }
    let loaded = platform.store.load::<Subscriber>(id).await.unwrap();
    assert!(matches!(loaded.state, Subscriber::Unsubscribed(_)));
    assert_eq!(loaded.version, 2);
    let (status, _, body) = send!(
        app,
        post(&platform, &format!("/api/v1/subscribers/{id}/resubscribe"))
    );
    assert_eq!((status, &body["version"]), (200, &json!(3)));
    let (status, _, body) = send!(
        app,
        post(&platform, &format!("/api/v1/subscribers/{id}/unsubscribe")).set_json(json!({}))
    );
    assert_eq!((status, &body["version"]), (200, &json!(4)));
    let gone = UnsubscribeLink {
        subscriber_id: Uuid::from_u128(77),
        ..link
    };
    let leave = TestRequest::post().uri(&format!("/u/{}", gone.sign(&keys)));
    assert_eq!(call_service(&app, leave.to_request()).await.status(), 200);
    assert!(
        platform
            .store
            .load::<Suppression>(Uuid::from_u128(6))
            .await
            .unwrap()
            .state
            .is_suppressed()
    );
}

#[actix_web::test]
async fn an_import_survives_being_cut_off_anywhere() {
    let platform = Platform::start().await;
    let app = app!(platform);
    let mut file = "email,name,city\n".to_owned();
    for n in 0..1_200 {
        file += &format!("p{n}@example.org,P {n},Town\n");
    }
    file += "broken,,\np1@example.org,,\n";
    let (status, _, body) = send!(
        app,
        post(&platform, "/api/v1/subscribers").set_json(json!({"email": "p7@example.org"}))
    );
    assert_eq!(status, 201, "{body}");
    let import = |file: &str| {
        post(&platform, "/api/v1/imports")
            .insert_header(("content-type", "text/csv; charset=utf-8"))
            .insert_header(("idempotency-key", "imp"))
            .set_payload(file.to_owned())
    };
    let (status, _, first) = send!(app, import(&file));
    assert_eq!(status, 202, "{first}");
    let (status, _, again) = send!(app, import(&file));
    assert_eq!((status, &again), (202, &first));
    let (status, _, _) = send!(app, import("email\nx@example.org\n"));
    assert_eq!(status, 422);
    let id: Uuid = first["id"].as_str().unwrap().parse().unwrap();
    let worker = || {
        ImportWorker::new(
            platform.store.clone(),
            platform.clock.clock(),
            IdKey::new([7; 32]),
        )
    };
    // Cut the worker off again and again, each time a little later.
    for after_ms in (1..).map(|n| n * 3) {
        match tokio::time::timeout(Duration::from_millis(after_ms), worker().step()).await {
            Err(_) => {}
            Ok(step) => {
                if step.unwrap() == Progress::Idle {
                    break;
                }
            }
        }
    }
    let loaded = platform.store.load::<SubscriberImport>(id).await.unwrap();
    assert!(matches!(loaded.state, SubscriberImport::Completed(_)));
    let progress = *loaded.state.progress().unwrap();
    assert_eq!(
        (progress.accepted, progress.existing, progress.rejected),
        (1_199, 1, 2),
        "{progress:?}"
    );
    let client = platform.pool.get().await.unwrap();
    let count = |sql: &'static str| {
        let client = &client;
        async move { client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) }
    };
    assert_eq!(
        count("select count(*) from publishing_events where type = 'subscriber.SignedUp'").await,
        1_200
    );
    assert_eq!(count("select count(*) from publishing_events where type = 'subscriber.SignedUp' and subject = stream_id").await, 1_200);
    assert_eq!(
        count("select count(*) from publishing_import_chunks").await,
        0
    );
    // The same file again.
    let again = post(&platform, "/api/v1/imports")
        .insert_header(("content-type", "text/csv"))
        .set_payload(file.clone());
    let (_, _, body) = send!(app, again);
    let id: Uuid = body["id"].as_str().unwrap().parse().unwrap();
    while worker().step().await.unwrap() == Progress::Advanced {}
    let progress = *platform
        .store
        .load::<SubscriberImport>(id)
        .await
        .unwrap()
        .state
        .progress()
        .unwrap();
    assert_eq!(
        (progress.accepted, progress.existing, progress.rejected),
        (0, 1_200, 2)
    );
    let (status, _, body) = send!(
        app,
        post(&platform, "/api/v1/imports")
            .insert_header(("content-type", "text/csv"))
            .set_payload("mail\nx\n")
    );
    assert_eq!(status, 422, "{body}");
}
