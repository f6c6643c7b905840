//! Every way a token can be wrong, for our own issuer and for an identity provider.

use actix_web::ResponseError as _;
use actix_web::test::TestRequest;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use time::macros::datetime;

use super::*;
use crate::clock::ManualClock;
use crate::config::{JwksConfig, JwksSource};
use crate::header_of;

const NOW: OffsetDateTime = datetime!(2026-03-01 10:00 UTC);
const SECRET: &str = "0123456789abcdef0123456789abcdef";
const PROVIDER: &str = "https://login.example.org";

fn config() -> AuthConfig {
    AuthConfig {
        hs256_secret: Some(Secret::new(SECRET)),
        issuer: "tidings".to_owned(),
        audience: "tidings".to_owned(),
        jwks: None,
        leeway: Duration::from_secs(30),
    }
}

fn claims() -> Value {
    let now = NOW.unix_timestamp();
    json!({
        "iss": "tidings", "aud": "tidings", "sub": "amy", "exp": now + 60, "roles": ["editor"]
    })
}

fn signed(header: &Header, claims: &Value, key: &EncodingKey) -> String {
    encode(header, claims, key).unwrap()
}

fn hs256(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    signed(&Header::new(Algorithm::HS256), claims, &key)
}

/// The claims with one changed, or left out when `Null`.
fn changed(name: &str, value: Value) -> Value {
    let mut claims = claims();
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(name);
    } else {
        claims[name] = value;
    }
    claims
}

async fn verify(token: &str) -> Result<Principal, Problem> {
    let clock = Clock::manual(NOW).clock();
    Authenticator::new(&config(), clock)
        .unwrap()
        .verify(token)
        .await
}

async fn refusal(token: &str) -> String {
    let problem = verify(token).await.unwrap_err();
    assert_eq!(problem.kind().status, 401);
    let response = problem.error_response();
    let challenge = header_of(response.headers(), "www-authenticate");
    assert!(challenge.starts_with("Bearer error=\"invalid_token\", error_description="));
    problem.body().detail.unwrap()
}

#[tokio::test]
async fn a_minted_token_is_taken_until_it_expires() {
    let request = TokenRequest {
        subject: "amy",
        roles: &[Role::Operator, Role::Editor],
        ttl: Duration::from_secs(60),
        issuer: "tidings",
        audience: "tidings",
    };
    let token = mint(&Secret::new(SECRET), &request, NOW).unwrap();
    let manual = Clock::manual(NOW);
    let authenticator = Authenticator::new(&config(), manual.clock()).unwrap();
    let principal = authenticator.verify(&token).await.unwrap();
    assert_eq!(principal.subject, "amy");
    assert_eq!(principal.roles, [Role::Editor, Role::Operator]);
    manual.advance(Duration::from_secs(89));
    assert!(authenticator.verify(&token).await.is_ok());
    manual.advance(Duration::from_secs(1));
    assert!(authenticator.verify(&token).await.is_err());
}

#[tokio::test]
async fn every_claim_that_matters_is_required() {
    assert!(verify(&hs256(&claims())).await.is_ok());
    for name in ["exp", "iss", "aud", "sub"] {
        refusal(&hs256(&changed(name, Value::Null))).await;
    }
}

#[tokio::test]
async fn wrong_claims_are_refused_by_name() {
    let now = NOW.unix_timestamp();
    for (name, value, word) in [
        ("aud", json!("other"), "audience"),
        ("aud", json!(["other"]), "audience"),
        ("iss", json!("other"), "issuer"),
        ("iss", json!(["tidings", "other"]), "iss"),
        ("exp", json!(now - 30), "expired"),
        ("exp", json!("never"), "malformed"),
        ("nbf", json!(now + 31), "not valid yet"),
        ("nbf", json!("soon"), "malformed"),
        ("sub", json!(""), "sub"),
        ("sub", json!("a\nb"), "sub"),
        ("sub", json!("x".repeat(256)), "sub"),
    ] {
        let detail = refusal(&hs256(&changed(name, value.clone()))).await;
        assert!(detail.contains(word), "{name} {value}: {detail}");
    }
    for fine in [
        changed("aud", json!(["other", "tidings"])),
        changed("exp", json!(now - 29)),
        changed("nbf", json!(now + 30)),
    ] {
        assert!(verify(&hs256(&fine)).await.is_ok());
    }
}

#[tokio::test]
async fn wrong_signatures_are_refused() {
    let other = EncodingKey::from_secret(&[b'x'; 32]);
    let forged = signed(&Header::new(Algorithm::HS256), &claims(), &other);
    assert!(refusal(&forged).await.contains("signature"));
    let own = EncodingKey::from_secret(SECRET.as_bytes());
    let stronger = signed(&Header::new(Algorithm::HS512), &claims(), &own);
    assert!(refusal(&stronger).await.contains("algorithm"));
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned = format!("{}.{}.", part(json!({"alg": "none"})), part(claims()));
    refusal(&unsigned).await;
    let unsigned = format!("{}.{}.", part(json!({"alg": "HS256"})), part(claims()));
    refusal(&unsigned).await;
    refusal("").await;
    refusal("a.b.c").await;
    refusal(&"x".repeat(TOKEN_BYTES_MAX + 1)).await;
}

#[test]
fn short_secrets_and_empty_configurations_are_refused() {
    let clock = Clock::manual(NOW).clock();
    let short = AuthConfig {
        hs256_secret: Some(Secret::new("x".repeat(31))),
        ..config()
    };
    assert!(matches!(
        Authenticator::new(&short, clock.clone()),
        Err(AuthError::ShortSecret)
    ));
    let none = AuthConfig {
        hs256_secret: None,
        ..config()
    };
    assert!(matches!(
        Authenticator::new(&none, clock),
        Err(AuthError::NothingConfigured)
    ));
    let request = TokenRequest {
        subject: "amy",
        roles: &[],
        ttl: Duration::from_secs(1),
        issuer: "tidings",
        audience: "tidings",
    };
    let weak = mint(&Secret::new("short"), &request, NOW);
    assert!(matches!(weak, Err(MintError::ShortSecret)));
}

#[tokio::test]
async fn roles_are_read_from_both_claims_and_unknown_ones_left_out() {
    let mut claims = changed("roles", json!(["editor", "root", "editor"]));
    claims["role"] = json!("compliance");
    let principal = verify(&hs256(&claims)).await.unwrap();
    assert_eq!(principal.roles, [Role::Editor, Role::Compliance]);
}

#[test]
fn a_refusal_names_the_roles_that_would_do() {
    let principal = |roles: &[Role]| Principal {
        issuer: "tidings".to_owned(),
        subject: "amy".to_owned(),
        roles: roles.to_vec(),
        key: None,
    };
    let needed = [Role::Editor, Role::Operator];
    let permit = |roles: &[Role]| principal(roles).permit(&needed, Some("topics:read"));
    assert!(permit(&[Role::Operator]).is_ok());
    assert!(permit(&[Role::Admin]).is_ok());
    let problem = permit(&[Role::Service]).unwrap_err();
    assert_eq!(problem.kind().status, 403);
    insta::assert_snapshot!(problem.body().detail.unwrap(), @"This takes one of the roles editor, operator, admin; amy has service.");
    assert!(permit(&[]).is_err());
}

#[test]
fn an_api_key_passes_with_role_and_scope_and_nowhere_that_has_none() {
    let principal = Principal {
        issuer: KEY_ISSUER.to_owned(),
        subject: "019b7cba".to_owned(),
        roles: vec![Role::Service],
        key: Some(KeyGrant {
            name: "Web shop".to_owned(),
            scopes: vec!["topics:read".to_owned(), "views:write".to_owned()],
        }),
    };
    let permit = |roles: &[Role], scope| principal.permit(roles, scope);
    assert!(permit(&[Role::Editor, Role::Service], Some("topics:read")).is_ok());
    let refused = |roles: &[Role], scope| {
        let problem = permit(roles, scope).unwrap_err();
        assert_eq!(problem.kind().status, 403);
        let response = problem.error_response();
        let challenge = header_of(response.headers(), "www-authenticate").to_owned();
        (problem.body().detail.unwrap(), challenge)
    };
    let (detail, challenge) = refused(&[Role::Service], Some("topics:write"));
    insta::assert_snapshot!(detail, @"This takes the scope topics:write; Web shop (API key 019b7cba) has topics:read, views:write. Have a key made with it.");
    assert_eq!(
        challenge,
        "Bearer error=\"insufficient_scope\", scope=\"topics:write\""
    );
    // The scope is no way round the role.
    insta::assert_snapshot!(refused(&[Role::Operator], Some("views:write")).0, @"This takes one of the roles operator, admin; Web shop (API key 019b7cba) has service.");
    // Where there is no scope, the role is no way round that.
    insta::assert_snapshot!(refused(&[Role::Service], None).0, @"No API key may do this. Use a token with one of the roles service, admin.");
}

#[tokio::test]
async fn what_bears_the_mark_of_an_api_key_is_asked_about_elsewhere() {
    let clock = Clock::manual(NOW).clock();
    let verify: VerifyKey = Arc::new(|token| {
        Box::pin(async move { Err(Problem::unavailable(format!("asked: {token}"), 5, None)) })
    });
    let authenticator = Authenticator::new(&config(), clock).unwrap();
    let without = authenticator.verify("tdk_x").await.unwrap_err();
    assert_eq!(without.kind().status, 401);
    let authenticator = authenticator.with_keys("tdk_", verify);
    let asked = authenticator.verify("tdk_x").await.unwrap_err();
    assert_eq!(asked.body().detail.as_deref(), Some("asked: tdk_x"));
    assert!(authenticator.verify(&hs256(&claims())).await.is_ok());
}

/// An identity provider in a file: its signing key and what it publishes.
struct FileProvider {
    folder: tempfile::TempDir,
    pair: Ed25519KeyPair,
    manual: ManualClock,
}

impl FileProvider {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            pair: Ed25519KeyPair::generate().unwrap(),
            manual: Clock::manual(NOW),
        }
    }

    fn publish(&self, kid: &str) {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key());
        let keys = json!({"keys": [
            {"kty": "oct", "kid": "shared", "k": URL_SAFE_NO_PAD.encode(SECRET), "alg": "HS256"},
            {"kty": "EC", "crv": "P-999", "kid": "odd"},
            {"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x, "use": "sig", "alg": "EdDSA"},
        ]});
        std::fs::write(self.path(), keys.to_string()).unwrap();
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("jwks.json")
    }

    fn authenticator(&self) -> Authenticator {
        let config = AuthConfig {
            jwks: Some(JwksConfig {
                source: JwksSource::File(self.path()),
                issuer: PROVIDER.to_owned(),
            }),
            ..config()
        };
        Authenticator::new(&config, self.manual.clock()).unwrap()
    }

    fn token(&self, kid: &str) -> String {
        let pkcs8 = self.pair.to_pkcs8v1().unwrap();
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(kid.to_owned());
        let mut claims = changed("iss", json!(PROVIDER));
        claims["exp"] = json!(NOW.unix_timestamp() + 7_200);
        signed(&header, &claims, &EncodingKey::from_ed_der(pkcs8.as_ref()))
    }
}

#[tokio::test]
async fn a_providers_token_is_checked_with_its_published_key() {
    let provider = FileProvider::new();
    provider.publish("one");
    let authenticator = provider.authenticator();
    let principal = authenticator.verify(&provider.token("one")).await.unwrap();
    assert_eq!(principal.subject, "amy");
    // Our own tokens go on being taken beside them.
    assert!(authenticator.verify(&hs256(&claims())).await.is_ok());
}

#[tokio::test]
async fn an_unknown_key_is_looked_for_at_most_once_a_minute() {
    let provider = FileProvider::new();
    provider.publish("one");
    let authenticator = provider.authenticator();
    authenticator.verify(&provider.token("one")).await.unwrap();
    provider.publish("two");
    let rolled = provider.token("two");
    assert!(authenticator.verify(&rolled).await.is_err());
    provider.manual.advance(Duration::from_secs(60));
    assert!(authenticator.verify(&rolled).await.is_ok());
    // The withdrawn key went with the refresh.
    assert!(authenticator.verify(&provider.token("one")).await.is_err());
}

#[tokio::test]
async fn keys_outlive_a_provider_that_is_away() {
    let provider = FileProvider::new();
    provider.publish("one");
    let authenticator = provider.authenticator();
    authenticator.verify(&provider.token("one")).await.unwrap();
    std::fs::remove_file(provider.path()).unwrap();
    provider.manual.advance(Duration::from_secs(3_600));
    assert!(authenticator.verify(&provider.token("one")).await.is_ok());
}

#[tokio::test]
async fn a_token_cannot_choose_how_it_is_checked() {
    let provider = FileProvider::new();
    provider.publish("one");
    let authenticator = provider.authenticator();
    // HS256 with the provider's public key as secret: the classic confusion.
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("one".to_owned());
    let public = EncodingKey::from_secret(provider.pair.public_key().as_ref());
    let claims = changed("iss", json!(PROVIDER));
    assert!(
        authenticator
            .verify(&signed(&header, &claims, &public))
            .await
            .is_err()
    );
    // HS256 with a symmetric key that the document happens to hold.
    header.kid = Some("shared".to_owned());
    let shared = EncodingKey::from_secret(SECRET.as_bytes());
    assert!(
        authenticator
            .verify(&signed(&header, &claims, &shared))
            .await
            .is_err()
    );
    // The provider's key on a token that claims to be ours.
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some("one".to_owned());
    let pkcs8 = provider.pair.to_pkcs8v1().unwrap();
    let key = EncodingKey::from_ed_der(pkcs8.as_ref());
    assert!(
        authenticator
            .verify(&signed(&header, &self::claims(), &key))
            .await
            .is_err()
    );
    header.kid = None;
    assert!(
        authenticator
            .verify(&signed(&header, &claims, &key))
            .await
            .is_err()
    );
}

#[actix_web::test]
async fn the_extractor_reads_the_authorization_header() {
    let authenticator = Authenticator::new(&config(), Clock::manual(NOW).clock()).unwrap();
    let token = hs256(&claims());
    let extract = async |value: Option<String>| {
        let mut request = TestRequest::get().app_data(web::Data::new(authenticator.clone()));
        if let Some(value) = value {
            request = request.insert_header(("authorization", value));
        }
        Principal::extract(&request.to_http_request()).await
    };
    let principal = extract(Some(format!("bearer {token}"))).await.unwrap();
    assert_eq!(principal.subject, "amy");
    for bad in [
        None,
        Some("Basic YW15OnB3".to_owned()),
        Some("Bearer".to_owned()),
    ] {
        let response = extract(bad).await.unwrap_err().error_response();
        assert_eq!(response.status(), 401);
        assert_eq!(header_of(response.headers(), "www-authenticate"), "Bearer");
    }
}
