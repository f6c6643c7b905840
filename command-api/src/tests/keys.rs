//! The gate as whoever comes with an API key meets it.

use std::sync::Arc;

use tidings_service::access::scope_of;
use tidings_service::auth::{KEY_ISSUER, KeyGrant, Principal, VerifyKey};

use super::*;

/// Whoever comes has a key with these scopes, and every role.
fn with_scopes(scopes: &[&str]) -> VerifyKey {
    let scopes: Vec<String> = scopes.iter().map(|it| (*it).to_owned()).collect();
    Arc::new(move |_| {
        let scopes = scopes.clone();
        Box::pin(async move {
            Ok(Principal {
                issuer: KEY_ISSUER.to_owned(),
                subject: ID.to_owned(),
                roles: Role::ALL.to_vec(),
                key: Some(KeyGrant {
                    name: "Web shop".to_owned(),
                    scopes,
                }),
            })
        })
    })
}

fn with_key(request: TestRequest) -> TestRequest {
    let key = ApiKeyToken::new(Uuid::from_u128(1), [7; 32]).reveal();
    request.insert_header((header::AUTHORIZATION, format!("Bearer {key}")))
}

#[actix_web::test]
async fn each_route_lets_a_key_in_by_its_own_scope_alone() {
    let mut every: Vec<String> = ROUTES
        .iter()
        .filter_map(|(method, path, _)| scope_of(method, path))
        .collect();
    every.sort_unstable();
    every.dedup();
    for (method, path, access) in ROUTES {
        if *access == Access::Public {
            continue;
        }
        let own = scope_of(method, path);
        let others: Vec<&str> = every
            .iter()
            .map(String::as_str)
            .filter(|it| Some(*it) != own.as_deref())
            .collect();
        let app = app!(commands(), with_scopes(&others));
        let request = with_key(request(method, path)).to_request();
        let refused = call_service(&app, request).await;
        assert_eq!(refused.status(), 403, "{method} {path}");
        let problem: Value = read_body_json(refused).await;
        assert_eq!(problem["scope"].as_str(), own.as_deref(), "{problem}");
        if let Some(own) = own {
            let app = app!(commands(), with_scopes(&[&own]));
            let request = with_key(super::request(method, path)).to_request();
            let status = call_service(&app, request).await.status();
            assert_ne!(status, 403, "{method} {path}");
        }
    }
}

#[actix_web::test]
async fn while_the_log_is_away_no_key_lets_anybody_in() {
    let app = app!();
    let request = with_key(request("POST", "/api/v1/topics")).to_request();
    let response = call_service(&app, request).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers().get("retry-after").unwrap(), "5");
}
