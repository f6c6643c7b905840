//! Whoever is not let in is told what is missing, on every route of every room.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::{Method, header};
use actix_web::middleware::from_fn;
use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
use actix_web::{App, web};
use serde_json::Value;
use tidings_domain::token::ApiKeyToken;
use tidings_service::access::{Access, Methods, scope_of};
use tidings_service::auth::{
    Authenticator, KEY_ISSUER, KeyGrant, Principal, Role, TokenRequest, VerifyKey, mint,
};
use tidings_service::config::{Config, Secret};
use tidings_service::http::{self, Edge};
use tidings_service::metrics::Metrics;
use tidings_service::{Clock, Ids, Problem};
use time::macros::datetime;
use uuid::Uuid;

use super::every_route;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn clock() -> Clock {
    Clock::manual(datetime!(2026-03-01 10:00 UTC)).clock()
}

fn config() -> Config {
    let mut config = Config::defaults().unwrap();
    config.auth.hs256_secret = Some(Secret::new(SECRET));
    config
}

/// A key of a web shop that may do nothing, with every role but admin's; the one with this secret nobody can judge.
fn verify(token: &str) -> Result<Principal, Problem> {
    if token == key(1) {
        return Err(Problem::unavailable("The database is away.", 5, None));
    }
    let roles = Role::ALL.into_iter().filter(|role| *role != Role::Admin);
    Ok(Principal {
        issuer: KEY_ISSUER.to_owned(),
        subject: "019b7cba".to_owned(),
        roles: roles.collect(),
        key: Some(KeyGrant {
            name: "Web shop".to_owned(),
            scopes: vec![],
        }),
    })
}

fn key(secret: u8) -> String {
    ApiKeyToken::new(Uuid::from_u128(1), [secret; 32]).reveal()
}

/// All doors of the house, with nobody behind them: whoever gets past one meets an error that is none of a door's.
macro_rules! doors {
    () => {{
        let edge = Edge {
            clock: clock(),
            ids: Ids::seeded(1),
            metrics: Metrics::new().unwrap(),
            limits: config().http,
        };
        let by_key: VerifyKey = Arc::new(|token| Box::pin(async move { verify(&token) }));
        let door = Authenticator::new(&config().auth, clock()).unwrap();
        let app = App::new()
            .configure(http::configure(edge))
            .wrap(from_fn(http::request_context))
            .app_data(web::Data::new(door.with_keys(ApiKeyToken::MARK, by_key)))
            .app_data(web::Data::new(Methods::of_routes(every_route())))
            .configure(tidings_command_api::routes)
            .configure(tidings_projector::routes)
            .configure(tidings_dispatcher::desk::routes);
        init_service(app).await
    }};
}

fn token(roles: &[Role], audience: &str, lived: Duration) -> String {
    let auth = config().auth;
    let wish = TokenRequest {
        subject: "amy",
        roles,
        ttl: Duration::from_secs(60),
        issuer: &auth.issuer,
        audience,
    };
    mint(&Secret::new(SECRET), &wish, clock().now() - lived).unwrap()
}

fn request(method: &str, path: &str) -> TestRequest {
    let path = path
        .replace("{id}", "019b7cba-7a2e-8000-9c5e-0d8f6f2f3b11")
        .replace("{view}", "channel_list");
    TestRequest::with_uri(&path).method(Method::from_bytes(method.as_bytes()).unwrap())
}

/// Status, challenge, and the problem.
macro_rules! answered {
    ($app:expr, $request:expr) => {{
        let response = call_service(&$app, $request.to_request()).await;
        let status = response.status().as_u16();
        let of = |name| {
            let value = response.headers().get(name);
            value.map_or(String::new(), |it| it.to_str().unwrap().to_owned())
        };
        let (kind, challenge) = (of("content-type"), of("www-authenticate"));
        let problem: Value = read_body_json(response).await;
        assert_eq!(kind, "application/problem+json", "{problem}");
        assert_eq!(problem["status"], status, "{problem}");
        assert!(problem["instance"].is_string() && problem["title"].is_string());
        let detail = problem["detail"].as_str().unwrap().to_owned();
        (status, challenge, detail, problem)
    }};
}

/// What would do, as the row of the route says it.
fn wanted(method: &str, path: &str, allowed: &[Role]) -> (Vec<String>, Option<String>) {
    let mut roles: Vec<String> = allowed.iter().map(ToString::to_string).collect();
    roles.push("admin".to_owned());
    (roles, scope_of(method, path))
}

fn named(problem: &Value) -> (Vec<String>, Option<String>) {
    let roles = problem["roles"].as_array().into_iter().flatten();
    let roles = roles.map(|it| it.as_str().unwrap().to_owned()).collect();
    (roles, problem["scope"].as_str().map(str::to_owned))
}

#[actix_web::test]
async fn whoever_is_not_known_learns_what_is_wrong_and_which_role_or_scope_would_do() {
    let app = doors!();
    let good = token(&[Role::Admin], "tidings", Duration::ZERO);
    let cut = &good[..good.len() - 2];
    let expired = token(&[Role::Admin], "tidings", Duration::from_secs(600));
    let elsewhere = token(&[Role::Admin], "elsewhere", Duration::ZERO);
    let cases = [
        (None, "Send the header Authorization: Bearer"),
        (
            Some("Basic YW15OnB3".to_owned()),
            "Send the header Authorization: Bearer",
        ),
        (
            Some("Bearer".to_owned()),
            "Send the header Authorization: Bearer",
        ),
        (
            Some("Bearer sesame".to_owned()),
            "neither a JWT nor an API key",
        ),
        (Some(format!("Bearer {cut}")), "is malformed"),
        (Some(format!("Bearer {expired}")), "has expired"),
        (Some(format!("Bearer {elsewhere}")), "another audience"),
    ];
    for (method, path, access) in every_route() {
        let Access::Roles(allowed) = access else {
            continue;
        };
        for (authorization, words) in &cases {
            let mut request = request(method, path);
            if let Some(authorization) = authorization {
                request = request.insert_header((header::AUTHORIZATION, authorization.as_str()));
            }
            let (status, challenge, detail, problem) = answered!(app, request);
            assert_eq!(status, 401, "{method} {path}");
            assert!(detail.contains(words), "{detail}");
            assert!(challenge.starts_with("Bearer"), "{challenge}");
            let presented = authorization
                .as_deref()
                .is_some_and(|it| it.starts_with("Bearer "));
            assert_eq!(
                challenge.contains("invalid_token"),
                presented,
                "{challenge}"
            );
            assert_eq!(
                named(&problem),
                wanted(method, path, allowed),
                "{method} {path}"
            );
            let sent = authorization.as_deref().and_then(|it| it.split_once(' '));
            assert!(sent.is_none_or(|(_, it)| !problem.to_string().contains(it)));
        }
    }
}

#[actix_web::test]
async fn whoever_may_not_learns_which_role_or_scope_would_do() {
    let app = doors!();
    for (method, path, access) in every_route() {
        let Access::Roles(allowed) = access else {
            continue;
        };
        let (roles, scope) = wanted(method, path, allowed);
        let others = Role::ALL
            .into_iter()
            .filter(|it| !roles.contains(&it.to_string()));
        for have in others.map(Some).chain([None]) {
            let bearer = token(have.as_slice(), "tidings", Duration::ZERO);
            let request = request(method, path)
                .insert_header((header::AUTHORIZATION, format!("Bearer {bearer}")));
            let (status, _, detail, problem) = answered!(app, request);
            assert_eq!(status, 403, "{method} {path}");
            assert!(roles.iter().all(|role| detail.contains(role)), "{detail}");
            let has = have.map_or("none".to_owned(), |it| it.to_string());
            assert!(detail.ends_with(&format!("amy has {has}.")), "{detail}");
            assert_eq!(named(&problem).0, roles);
        }
        let request = request(method, path)
            .insert_header((header::AUTHORIZATION, format!("Bearer {}", key(2))));
        let (status, challenge, detail, problem) = answered!(app, request);
        assert_eq!(status, 403, "{method} {path}");
        assert_eq!(named(&problem).1, scope, "{method} {path}");
        match scope {
            Some(scope) => {
                assert!(detail.contains(&format!("takes the scope {scope}")) || allowed.is_empty());
                assert!(
                    challenge.contains(&format!("scope=\"{scope}\"")),
                    "{challenge}"
                );
            }
            None => assert!(detail.starts_with("No API key may do this."), "{detail}"),
        }
    }
}

#[actix_web::test]
async fn whom_nobody_can_judge_is_told_when_to_come_back() {
    let app = doors!();
    for (method, path, access) in every_route() {
        if *access == Access::Public {
            continue;
        }
        let request = request(method, path)
            .insert_header((header::AUTHORIZATION, format!("Bearer {}", key(1))));
        let response = call_service(&app, request.to_request()).await;
        assert_eq!(response.status(), 503, "{method} {path}");
        assert_eq!(response.headers().get("retry-after").unwrap(), "5");
    }
}

#[actix_web::test]
async fn another_method_is_told_which_there_are() {
    let app = doors!();
    for (_, path, _) in every_route() {
        let response = call_service(&app, request("DELETE", path).to_request()).await;
        assert_eq!(response.status(), 405, "{path}");
        let allow = response
            .headers()
            .get("allow")
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let problem: Value = read_body_json(response).await;
        let detail = problem["detail"].as_str().unwrap();
        for (method, other, _) in every_route() {
            let has = allow.split(", ").any(|it| it == *method);
            assert_eq!(
                has,
                every_route().any(|(m, p, _)| m == method && p == path),
                "{other}"
            );
            assert!(!has || detail.contains(method), "{detail}");
        }
    }
    let (status, _, detail, _) = answered!(app, request("GET", "/api/v1/topic"));
    assert_eq!(
        (status, detail.as_str()),
        (404, "No resource has the path /api/v1/topic.")
    );
}
