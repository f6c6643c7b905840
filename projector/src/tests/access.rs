//! Routes, their description and who may use them are one set; nobody else gets as far as a handler.

use std::collections::BTreeSet;
use std::time::Duration;

use actix_web::http::{Method, header};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, web};
use tidings_service::auth::{Authenticator, Role, TokenRequest, mint};
use tidings_service::config::{AuthConfig, Config, Secret};
use tidings_service::{Clock, problem};
use time::macros::datetime;
use utoipa::OpenApi as _;

use crate::{Access, Api, ROUTES, routes};

#[test]
fn every_route_is_described() {
    let described: BTreeSet<String> = Api::openapi().paths.paths.into_keys().collect();
    let registered: BTreeSet<String> = ROUTES
        .iter()
        .map(|(_, path, _)| (*path).to_owned())
        .collect();
    assert_eq!(described, registered);
    assert_eq!(registered.len(), ROUTES.len());
}

fn auth() -> AuthConfig {
    let mut auth = Config::defaults().unwrap().auth;
    auth.hs256_secret = Some(Secret::new("0123456789abcdef0123456789abcdef".to_owned()));
    auth
}

fn token(auth: &AuthConfig, role: Role, clock: &Clock) -> String {
    let request = TokenRequest {
        subject: "tester",
        roles: &[role],
        ttl: Duration::from_secs(60),
        issuer: &auth.issuer,
        audience: &auth.audience,
    };
    mint(auth.hs256_secret.as_ref().unwrap(), &request, clock.now()).unwrap()
}

fn asked(method: &Method, path: &str) -> TestRequest {
    TestRequest::with_uri(path).method(method.clone())
}

#[actix_web::test]
async fn each_route_lets_in_its_roles_and_nobody_else() {
    let clock = Clock::manual(datetime!(2026-03-01 8:00 UTC)).clock();
    let auth = auth();
    let authenticator = Authenticator::new(&auth, clock.clone()).unwrap();
    // Without a reader, whoever was let in meets an error: the gate comes first.
    let app = App::new()
        .app_data(web::Data::new(authenticator))
        .configure(problem::configure(1_024));
    let app = init_service(app.configure(routes)).await;
    for (method, path, access) in ROUTES {
        // What hands out a file and has to say so in the log is a POST, and what asks more than a URL holds; all else is read.
        let posts = ["/export", "/segments/preview"];
        assert!(*method == "GET" || posts.iter().any(|post| path.ends_with(post)));
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let path = path.replace("{id}", "019b7cba-7a2e-8000-9c5e-0d8f6f2f3b11");
        let Access::Roles(allowed) = access else {
            panic!("{path} is public")
        };
        let stranger = call_service(&app, asked(&method, &path).to_request()).await;
        assert_eq!(stranger.status(), 401, "{path}");
        for role in Role::ALL {
            let bearer = format!("Bearer {}", token(&auth, role, &clock));
            let request = asked(&method, &path).insert_header((header::AUTHORIZATION, bearer));
            let status = call_service(&app, request.to_request()).await.status();
            let expected = if role == Role::Admin || allowed.contains(&role) {
                500
            } else {
                403
            };
            assert_eq!(status, expected, "{role} on {path}");
        }
    }
}
