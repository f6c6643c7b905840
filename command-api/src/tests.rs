//! The room as a whole, as far as it goes while the log is away: who is let in, what is said of a
//! request before anything is read or written, and that the description tells the truth.

use std::collections::BTreeSet;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::test::{TestRequest, call_service, init_service, read_body, read_body_json};
use actix_web::{App, http::Method, http::header};
use serde_json::{Value, json};
use tidings_domain::id::IdKey;
use tidings_domain::token::{ApiKeyToken, LinkKey, LinkKeys, UnsubscribeLink};
use tidings_event_store::session::connect_plain;
use tidings_event_store::vault::{MasterKey, Vault};
use tidings_event_store::{Log, Store};
use tidings_service::auth::{Authenticator, Role, TokenRequest, mint};
use tidings_service::config::{Config, LimitsConfig, Secret, TopicArn};
use tidings_service::http::{Edge, body_deadline, configure, request_context, security_headers};
use tidings_service::limits::Limits;
use tidings_service::metrics::Metrics;
use tidings_service::{Clock, Ids, postgres};
use time::macros::{date, datetime};
use utoipa::OpenApi as _;
use uuid::Uuid;

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const ID: &str = "0192f3a4-0000-7000-8000-000000000001";

fn config() -> Config {
    let mut config = Config::defaults().unwrap();
    config.auth.hs256_secret = Some(Secret::new(SECRET));
    config
}

fn clock() -> Clock {
    Clock::manual(datetime!(2026-03-01 10:00 UTC)).clock()
}

fn link_keys() -> LinkKeys {
    LinkKeys::new(LinkKey::new(1, [7; 32]), vec![])
}

/// So many requests a minute of each kind; 0: any number.
fn limits(per_minute: u32) -> Limits {
    let config = LimitsConfig {
        api_per_minute: per_minute,
        sign_up_per_minute: per_minute,
        links_per_minute: per_minute,
        proxies: 0,
    };
    Limits::new(&config, clock())
}

/// Commands over a log that nobody answers for.
fn commands() -> Commands {
    let url = "postgres://nobody@127.0.0.1:1/nothing?connect_timeout=1";
    let config = config();
    let pool = postgres::pool(
        &Secret::new(url),
        &postgres::Settings::new("test", &config.database),
    )
    .unwrap();
    let vault = Vault::new(pool.clone(), MasterKey::new(&[1; 32]).unwrap());
    let log = Log::open(connect_plain(url.parse().unwrap()), pool);
    Commands::new(
        Store::new(log, vault),
        clock(),
        Ids::seeded(1),
        IdKey::new([7; 32]),
        link_keys(),
        std::sync::Arc::new(|_, _, _| Ok(())),
        config.http,
    )
}

macro_rules! app {
    () => {
        app!(commands())
    };
    ($commands:expr) => {{
        let commands = $commands;
        let verify = commands.key_verifier();
        app!(commands, verify)
    }};
    ($commands:expr, $verify:expr) => {
        app!($commands, $verify, limits(0))
    };
    ($commands:expr, $verify:expr, $limits:expr) => {{
        let config = config();
        let edge = Edge {
            clock: clock(),
            ids: Ids::seeded(2),
            metrics: Metrics::new().unwrap(),
            limits: config.http,
        };
        let app = App::new()
            .configure(configure(edge))
            .wrap(from_fn(security_headers))
            .wrap(from_fn(body_deadline))
            .wrap(from_fn(request_context))
            .app_data(web::Data::new(
                Authenticator::new(&config.auth, clock())
                    .unwrap()
                    .with_keys(ApiKeyToken::MARK, $verify),
            ))
            .app_data(web::Data::new($commands))
            .app_data(web::Data::new($limits))
            .configure(routes)
            .configure(|cfg| docs::routes(cfg, &Api::openapi()));
        init_service(app).await
    }};
}

mod counted;
mod keys;
mod own_data;

fn token(roles: &[Role]) -> String {
    let config = config();
    let request = TokenRequest {
        subject: "ada",
        roles,
        ttl: Duration::from_secs(60),
        issuer: &config.auth.issuer,
        audience: &config.auth.audience,
    };
    mint(&Secret::new(SECRET), &request, clock().now()).unwrap()
}

fn request(method: &str, path: &str) -> TestRequest {
    let path = path
        .replace("{id}", ID)
        .replace("{token}", "no-token")
        .replace("{view}", "channel_list")
        .replace("{slug}", "conflict");
    TestRequest::with_uri(&path).method(Method::from_bytes(method.as_bytes()).unwrap())
}

fn as_role(request: TestRequest, role: Role) -> TestRequest {
    request.insert_header((header::AUTHORIZATION, format!("Bearer {}", token(&[role]))))
}

#[test]
fn the_description_has_every_route_and_no_other() {
    for (openapi, routes) in [
        (Api::openapi(), ROUTES),
        (docs::Api::openapi(), docs::ROUTES),
    ] {
        let described: Value = serde_json::from_str(&openapi.to_json().unwrap()).unwrap();
        let described: BTreeSet<(String, String)> = described["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, methods)| {
                methods
                    .as_object()
                    .unwrap()
                    .keys()
                    .map(|method| (method.to_uppercase(), path.clone()))
            })
            .collect();
        let registered: BTreeSet<(String, String)> = routes
            .iter()
            .map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned()))
            .collect();
        assert_eq!(described, registered);
    }
}

#[test]
fn the_description_says_where_a_token_is_needed() {
    let described: Value = serde_json::from_str(&Api::openapi().to_json().unwrap()).unwrap();
    assert_eq!(
        described["components"]["securitySchemes"]["bearer"]["scheme"],
        "bearer"
    );
    for (method, path, access) in ROUTES {
        let security = &described["paths"][*path][method.to_lowercase()]["security"];
        assert_eq!(
            security.is_null(),
            *access == Access::Public,
            "{method} {path}"
        );
    }
}

#[actix_web::test]
async fn nobody_gets_in_without_a_token_or_with_the_wrong_role() {
    let app = app!();
    for (method, path, access) in ROUTES.iter().chain(docs::ROUTES) {
        let Access::Roles(allowed) = access else {
            let response = call_service(&app, request(method, path).to_request()).await;
            assert!(
                !matches!(response.status().as_u16(), 401 | 403),
                "{method} {path}"
            );
            continue;
        };
        let response = call_service(&app, request(method, path).to_request()).await;
        assert_eq!(response.status(), 401, "{method} {path}");
        assert!(response.headers().contains_key("x-correlation-id"));
        assert!(response.headers().contains_key("x-content-type-options"));
        for role in Role::ALL {
            let response =
                call_service(&app, as_role(request(method, path), role).to_request()).await;
            let admitted = role == Role::Admin || allowed.contains(&role);
            assert_eq!(response.status() != 403, admitted, "{role} {method} {path}");
        }
    }
}

#[actix_web::test]
async fn a_body_that_can_not_be_taken_is_said_before_anything_is_read() {
    let app = app!();
    let post = |path: &str, kind: &str, body: &str| {
        as_role(request("POST", path), Role::Admin)
            .insert_header((header::CONTENT_TYPE, kind))
            .set_payload(body.to_owned())
            .to_request()
    };
    let json = "application/json";
    let cases = [
        ("/api/v1/publications", json, "{", 400, ""),
        (
            "/api/v1/publications",
            json,
            r#"{"title":"T","markdown":"m","channels":[],"x":1}"#,
            422,
            "#/x",
        ),
        (
            "/api/v1/publications",
            json,
            r#"{"title":"","markdown":"m","channels":[]}"#,
            422,
            "#/title",
        ),
        ("/api/v1/publications", "text/plain", "{}", 415, ""),
        (
            "/api/v1/publications",
            "text/markdown; charset=UTF-8",
            "---\ntitle: T\nx: 1\nchannels: []\n---\nm",
            422,
            "#/x",
        ),
        (
            "/api/v1/publications",
            "Text/Markdown",
            "\u{feff}---\ntitle: ''\nchannels: []\n---\nm",
            422,
            "#/title",
        ),
        (
            "/api/v1/publications",
            "text/markdown",
            "---\ntitle: T\n",
            400,
            "",
        ),
        (
            "/api/v1/publications/{id}/publish",
            json,
            r#"{"when":"now"}"#,
            422,
            "#/when",
        ),
        (
            "/api/v1/publications/{id}/cancel",
            json,
            r#"{"reason":"Oh no!"}"#,
            422,
            "#/reason",
        ),
        ("/api/v1/publications/no-uuid/publish", json, "", 400, ""),
        (
            "/api/v1/channels",
            json,
            r#"{"kind":"E-Mail","name":"N","settings":{}}"#,
            422,
            "#/kind",
        ),
        (
            "/api/v1/channels",
            json,
            r#"{"kind":"email","name":"N","settings":[]}"#,
            422,
            "#/settings",
        ),
        (
            "/api/v1/subscribers",
            json,
            r#"{"email":"ada"}"#,
            422,
            "#/email",
        ),
        ("/api/v1/imports", json, "email\na@example.org\n", 415, ""),
        (
            "/api/v1/views/{view}/skip",
            json,
            r#"{"position":0,"reason":"r"}"#,
            422,
            "#/position",
        ),
        (
            "/api/v1/views/{view}/skip",
            json,
            r#"{"position":1,"reason":""}"#,
            422,
            "#/reason",
        ),
    ];
    for (path, kind, body, status, pointer) in cases {
        let response = call_service(&app, post(path, kind, body)).await;
        assert_eq!(response.status(), status, "{path} {body}");
        let problem: Value = read_body_json(response).await;
        let named = problem["errors"][0]["pointer"].as_str().unwrap_or_default();
        assert_eq!(named, pointer, "{path} {body}: {problem}");
    }
    let oversize = "x".repeat(config().http.body_limit_bytes + 1);
    assert_eq!(
        call_service(&app, post("/api/v1/channels", json, &oversize))
            .await
            .status(),
        413
    );
}

#[actix_web::test]
async fn while_the_log_is_away_commands_say_when_to_come_back() {
    let app = app!();
    let body = json!({ "email": "ada@example.org" });
    let post = as_role(request("POST", "/api/v1/subscribers"), Role::Editor)
        .set_json(body)
        .to_request();
    let response = call_service(&app, post).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers().get("retry-after").unwrap(), "5");
}

#[actix_web::test]
async fn a_link_asks_first_and_a_forged_one_does_not_work() {
    let app = app!();
    let link = UnsubscribeLink {
        subscriber_id: Uuid::from_u128(1),
        topic_id: None,
        delivery_id: None,
        address_suppression_id: Uuid::from_u128(2),
        issued: date!(2026 - 03 - 01),
    };
    let path = format!("/u/{}", link.sign(link_keys().current()));
    let asked = call_service(&app, request("GET", &path).to_request()).await;
    assert_eq!(asked.status(), 200);
    assert_eq!(asked.headers().get("cache-control").unwrap(), "no-store");
    let page = read_body(asked).await;
    assert!(page.windows(7).any(|bytes| bytes == b"<button"));
    let forged = UnsubscribeLink {
        subscriber_id: Uuid::from_u128(3),
        ..link
    }
    .sign(&LinkKey::new(1, [8; 32]));
    for method in ["GET", "POST"] {
        let response =
            call_service(&app, request(method, &format!("/u/{forged}")).to_request()).await;
        assert_eq!(response.status(), 404);
        assert_eq!(
            response.headers().get("content-type").unwrap(),
            "text/html; charset=utf-8"
        );
    }
    let one_click = request("POST", &path)
        .set_payload("List-Unsubscribe=One-Click")
        .to_request();
    let response = call_service(&app, one_click).await;
    assert_eq!(
        (
            response.status().as_u16(),
            response.headers().contains_key("retry-after")
        ),
        (503, true)
    );
}

#[actix_web::test]
async fn the_documentation_needs_no_other_server() {
    let app = app!();
    let description = call_service(&app, request("GET", "/openapi.json").to_request()).await;
    let description: Value = read_body_json(description).await;
    assert_eq!(description["openapi"], "3.1.0");
    assert!(description["paths"]["/docs"]["get"].is_object());
    let page = read_body(call_service(&app, request("GET", "/docs").to_request()).await).await;
    let page = std::str::from_utf8(&page).unwrap();
    let parts: Vec<&str> = page
        .split('"')
        .filter(|text| text.ends_with(".js") || text.ends_with(".css") || text.ends_with(".png"))
        .collect();
    assert_eq!(parts.len(), 7, "{page}");
    for part in parts {
        let response = call_service(&app, request("GET", part).to_request()).await;
        assert_eq!(response.status(), 200, "{part}");
        assert!(
            response
                .headers()
                .get("content-security-policy")
                .unwrap()
                .to_str()
                .unwrap()
                .contains("script-src 'self'")
        );
    }
    let script = read_body(
        call_service(
            &app,
            request("GET", "/docs/swagger-initializer.js").to_request(),
        )
        .await,
    )
    .await;
    assert!(
        std::str::from_utf8(&script)
            .unwrap()
            .contains("/openapi.json")
    );
}

#[actix_web::test]
async fn a_report_of_ses_comes_again_while_the_log_is_away_and_has_no_hook_without_topics() {
    let report = include_str!("sns/samples/bounce.v1.json");
    let post = |body: &str| {
        let request = request("POST", "/hooks/ses").set_payload(body.to_owned());
        request.to_request()
    };
    let app = app!();
    assert_eq!(call_service(&app, post(report)).await.status(), 404);

    let certificate = include_bytes!("sns/samples/certificate.pem");
    let read_page: sns::ReadPage =
        std::sync::Arc::new(move |_| Box::pin(async { Ok(certificate.to_vec()) }));
    let topics = TopicArn::parse_all("arn:aws:sns:eu-west-1:123456789012:mail-events").unwrap();
    let app = app!(commands().with_ses(sns::Sns::new(topics, read_page)));
    let response = call_service(&app, post(report)).await;
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    for (body, status) in [
        ("{}".to_owned(), 400),
        (report.replace("ada@", "eve@"), 403),
        ("x".repeat(576 * 1024 + 1), 413),
    ] {
        assert_eq!(call_service(&app, post(&body)).await.status(), status);
    }
}

#[actix_web::test]
async fn every_kind_of_problem_has_its_page() {
    let app = app!();
    for kind in tidings_service::problem::catalogue() {
        let path = format!("/problems/{}", kind.slug);
        assert_eq!(
            call_service(&app, request("GET", &path).to_request())
                .await
                .status(),
            200,
            "{path}"
        );
    }
    assert_eq!(
        call_service(&app, request("GET", "/problems/none").to_request())
            .await
            .status(),
        404
    );
}
