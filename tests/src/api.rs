//! Requests to the rooms' routes, answered in the process of the test.

use std::time::Duration;

use actix_web::App;
use actix_web::body::BoxBody;
use actix_web::dev::ServiceResponse;
use actix_web::http::header;
use actix_web::middleware::from_fn;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::web::{self, Bytes, ServiceConfig};
use serde_json::Value;
use tidings_service::auth::{Authenticator, Role, TokenRequest, mint};
use tidings_service::config::{Config, Secret};
use tidings_service::http::{Edge, body_deadline, configure, request_context, security_headers};
use tidings_service::metrics::Metrics;

use crate::platform::Platform;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// The built-in settings, and a secret that tokens are signed with.
pub fn config() -> Config {
    let mut config = Config::defaults().unwrap();
    config.auth.hs256_secret = Some(Secret::new(SECRET));
    config
}

/// What stands before every room.
pub fn edge(platform: &Platform) -> Edge {
    Edge {
        clock: platform.clock.clock(),
        ids: platform.ids.clone(),
        metrics: Metrics::new().unwrap(),
        limits: config().http,
    }
}

/// The request, with an admin's token.
pub fn as_admin(platform: &Platform, request: TestRequest) -> TestRequest {
    let config = config();
    let wish = TokenRequest {
        subject: "ada",
        roles: &[Role::Admin],
        ttl: Duration::from_secs(3_600),
        issuer: &config.auth.issuer,
        audience: &config.auth.audience,
    };
    let token = mint(&Secret::new(SECRET), &wish, platform.clock.clock().now()).unwrap();
    request.insert_header((header::AUTHORIZATION, format!("Bearer {token}")))
}

/// Sends requests one after the other, as an admin, to rooms with their state; gives each answer before any of its body.
pub async fn answers(
    platform: &Platform,
    rooms: impl FnOnce(&mut ServiceConfig),
    requests: Vec<TestRequest>,
) -> Vec<ServiceResponse<BoxBody>> {
    let authenticator = Authenticator::new(&config().auth, platform.clock.clock()).unwrap();
    let app = App::new()
        .configure(configure(edge(platform)))
        .wrap(from_fn(security_headers))
        .wrap(from_fn(body_deadline))
        .wrap(from_fn(request_context))
        .app_data(web::Data::new(authenticator))
        .configure(rooms);
    let app = init_service(app).await;
    let mut answers = Vec::new();
    for request in requests {
        let request = as_admin(platform, request).to_request();
        answers.push(call_service(&app, request).await.map_into_boxed_body());
    }
    answers
}

/// The same, with each status and body as it came.
pub async fn bytes_of_all(
    platform: &Platform,
    rooms: impl FnOnce(&mut ServiceConfig),
    requests: Vec<TestRequest>,
) -> Vec<(u16, Bytes)> {
    let mut all = Vec::new();
    for response in answers(platform, rooms, requests).await {
        let status = response.status().as_u16();
        all.push((status, read_body(response).await));
    }
    all
}

/// The same, with each answer read as JSON; null if it is none, such as a page.
pub async fn ask_all(
    platform: &Platform,
    rooms: impl FnOnce(&mut ServiceConfig),
    requests: Vec<TestRequest>,
) -> Vec<(u16, Value)> {
    let answers = bytes_of_all(platform, rooms, requests).await;
    let read =
        |(status, body): (u16, Bytes)| (status, serde_json::from_slice(&body).unwrap_or_default());
    answers.into_iter().map(read).collect()
}

/// Sends one request, as [`ask_all`] does.
pub async fn ask(
    platform: &Platform,
    rooms: impl FnOnce(&mut ServiceConfig),
    request: TestRequest,
) -> (u16, Value) {
    ask_all(platform, rooms, vec![request]).await.remove(0)
}
