//! Verifies bearer tokens (JWT, or API keys) and tells who asks; also makes tokens for the command line.
//!
//! jsonwebtoken checks the signature and the presence of claims; times are checked here against the clock handed in.

mod jwks;
mod roles;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::future::{BoxFuture, LocalBoxFuture};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode,
};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::clock::Clock;
use crate::config::{AuthConfig, HS256_SECRET_BYTES_MIN, Secret};
use crate::problem::Problem;
use jwks::{Jwks, Key};

pub use jwks::JwksError;
pub use roles::{KEY_ISSUER, KeyGrant, Principal, Role};

/// Longer tokens are refused unread.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
const SUBJECT_BYTES_MAX: usize = 255;

/// Verifies tokens. Cheap to clone; register it as `web::Data<Authenticator>`.
#[derive(Clone)]
pub struct Authenticator {
    inner: Arc<Inner>,
    keys: Option<Keys>,
}

/// Tells who presents an API key; another room knows how.
pub type VerifyKey =
    Arc<dyn Fn(String) -> BoxFuture<'static, Result<Principal, Problem>> + Send + Sync>;

/// Tokens that begin with this mark are API keys.
#[derive(Clone)]
struct Keys {
    mark: &'static str,
    verify: VerifyKey,
}

struct Inner {
    own: Option<Own>,
    provider: Option<Provider>,
    audience: String,
    leeway: Duration,
    clock: Clock,
}

/// Our own tokens: one issuer, one secret, HS256 only.
struct Own {
    issuer: String,
    key: DecodingKey,
}

/// An identity provider's tokens: one issuer, RS256 or EdDSA as its keys say.
struct Provider {
    issuer: String,
    keys: Jwks,
}

/// A configuration that no token can be checked with.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// No way to check tokens is set.
    #[error(
        "neither auth.hs256_secret nor auth.jwks_url or auth.jwks_file is set: set one of them"
    )]
    NothingConfigured,
    /// The secret is too short.
    #[error("the HS256 secret has fewer than {HS256_SECRET_BYTES_MIN} bytes: use a longer one")]
    ShortSecret,
    /// The key source cannot be used.
    #[error("the identity provider's keys cannot be used")]
    Jwks(#[source] JwksError),
}

/// What we read of a token.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    sub: String,
    /// Unix seconds; other issuers may give fractions.
    #[serde(serialize_with = "whole")]
    exp: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<f64>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "whole_if_any"
    )]
    iat: Option<f64>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// Only the issuer, read before anything is verified, to choose the keys to verify with.
#[derive(Deserialize)]
struct Unverified {
    iss: Option<String>,
}

impl Authenticator {
    /// Checks the configuration. Keys of an identity provider are fetched with the first token.
    ///
    /// # Errors
    /// When no token could ever be verified with it.
    pub fn new(config: &AuthConfig, clock: Clock) -> Result<Self, AuthError> {
        let own = config.hs256_secret.as_ref().map(|secret| {
            let bytes = secret.expose().as_bytes();
            if bytes.len() < HS256_SECRET_BYTES_MIN {
                return Err(AuthError::ShortSecret);
            }
            Ok(Own {
                issuer: config.issuer.clone(),
                key: DecodingKey::from_secret(bytes),
            })
        });
        let provider = config.jwks.as_ref().map(|jwks| {
            Ok(Provider {
                issuer: jwks.issuer.clone(),
                keys: Jwks::new(jwks.source.clone(), clock.clone()).map_err(AuthError::Jwks)?,
            })
        });
        let (own, provider) = (own.transpose()?, provider.transpose()?);
        if own.is_none() && provider.is_none() {
            return Err(AuthError::NothingConfigured);
        }
        Ok(Self {
            inner: Arc::new(Inner {
                own,
                provider,
                audience: config.audience.clone(),
                leeway: config.leeway,
                clock,
            }),
            keys: None,
        })
    }

    /// Lets in with API keys too: tokens that begin with `mark`, which no JWT does.
    #[must_use]
    pub fn with_keys(self, mark: &'static str, verify: VerifyKey) -> Self {
        Self {
            keys: Some(Keys { mark, verify }),
            ..self
        }
    }

    /// Who presents this token.
    ///
    /// # Errors
    /// 401 that says what is wrong with the token; 503 when it is an API key and nobody can say.
    pub async fn verify(&self, token: &str) -> Result<Principal, Problem> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(invalid("The token is too long."));
        }
        if let Some(keys) = self.keys.as_ref().filter(|it| token.starts_with(it.mark)) {
            return (keys.verify)(token.to_owned()).await;
        }
        let header =
            decode_header(token).map_err(|_| invalid("This is neither a JWT nor an API key."))?;
        let issuer = jsonwebtoken::dangerous::insecure_decode::<Unverified>(token)
            .ok()
            .and_then(|token| token.claims.iss)
            .ok_or_else(|| invalid("The token has no claim iss."))?;
        let key = self.key_for(&issuer, &header).await?;
        let claims = self.check(token, &issuer, &key)?;
        self.check_times(&claims)?;
        principal(claims)
    }

    /// The key and algorithm this issuer signs with; the token's own wish must agree, it never decides.
    async fn key_for(&self, issuer: &str, header: &Header) -> Result<Key, Problem> {
        if let Some(own) = self.inner.own.as_ref().filter(|own| own.issuer == issuer) {
            return Ok(Key {
                algorithm: Algorithm::HS256,
                key: own.key.clone(),
            });
        }
        let provider = self
            .inner
            .provider
            .as_ref()
            .filter(|it| it.issuer == issuer);
        let provider =
            provider.ok_or_else(|| invalid("The token's issuer is not trusted here."))?;
        let kid = header.kid.as_deref();
        let kid = kid.ok_or_else(|| invalid("The token names no key (kid)."))?;
        let key = provider.keys.key(kid).await;
        key.ok_or_else(|| invalid("The token's key is not known."))
    }

    fn check(&self, token: &str, issuer: &str, key: &Key) -> Result<Claims, Problem> {
        let mut validation = Validation::new(key.algorithm);
        // Without this list a token that simply lacks aud or iss passes.
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[&self.inner.audience]);
        // Times are checked below, by our clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        use jsonwebtoken::errors::ErrorKind as Kind;
        match decode::<Claims>(token, &key.key, &validation) {
            Ok(token) => Ok(token.claims),
            Err(error) => Err(invalid(match error.kind() {
                Kind::InvalidAudience => "The token is made for another audience.",
                Kind::InvalidAlgorithm => {
                    "The token is signed with another algorithm than its issuer's."
                }
                Kind::InvalidSignature => "The token's signature does not fit.",
                Kind::MissingRequiredClaim(_) => {
                    "The token lacks one of the claims exp, iss, aud, sub."
                }
                _ => "The token is malformed.",
            })),
        }
    }

    fn check_times(&self, claims: &Claims) -> Result<(), Problem> {
        let now = unix_seconds(self.inner.clock.now());
        let leeway = self.inner.leeway.as_secs_f64();
        if claims.exp + leeway <= now {
            return Err(invalid("The token has expired."));
        }
        if !claims.nbf.is_none_or(|nbf| nbf - leeway <= now) {
            return Err(invalid("The token is not valid yet."));
        }
        Ok(())
    }
}

fn principal(claims: Claims) -> Result<Principal, Problem> {
    let subject = claims.sub;
    if subject.is_empty()
        || subject.len() > SUBJECT_BYTES_MAX
        || subject.chars().any(char::is_control)
    {
        return Err(invalid(
            "The token's claim sub is empty, too long or not plain text.",
        ));
    }
    let names = claims.roles.iter().chain(&claims.role);
    let mut roles: Vec<Role> = names.filter_map(|name| Role::parse(name)).collect();
    roles.sort_unstable();
    roles.dedup();
    Ok(Principal {
        issuer: claims.iss,
        subject,
        roles,
        key: None,
    })
}

fn invalid(detail: &str) -> Problem {
    Problem::unauthorized(Some("invalid_token"), detail)
}

/// Seconds since 1970 with fractions; exact to well below a microsecond for centuries.
fn unix_seconds(at: OffsetDateTime) -> f64 {
    (at - OffsetDateTime::UNIX_EPOCH).as_seconds_f64()
}

/// Strict readers take whole seconds only.
fn whole<S: serde::Serializer>(seconds: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_i64(*seconds as i64)
}

fn whole_if_any<S: serde::Serializer>(
    seconds: &Option<f64>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    seconds.map(|seconds| seconds as i64).serialize(serializer)
}

/// What a token to be made says.
#[derive(Clone, Copy, Debug)]
pub struct TokenRequest<'a> {
    /// Who it is for.
    pub subject: &'a str,
    /// What they may do.
    pub roles: &'a [Role],
    /// How long it is valid.
    pub ttl: Duration,
    /// `auth.issuer` of the configuration.
    pub issuer: &'a str,
    /// `auth.audience` of the configuration.
    pub audience: &'a str,
}

/// A token that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// The secret is too short.
    #[error("the HS256 secret has fewer than {HS256_SECRET_BYTES_MIN} bytes: use a longer one")]
    ShortSecret,
    /// Signing failed.
    #[error("the token cannot be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

/// Makes an HS256 token, valid from `now`.
///
/// # Errors
/// When the secret is too short.
pub fn mint(
    secret: &Secret,
    request: &TokenRequest<'_>,
    now: OffsetDateTime,
) -> Result<String, MintError> {
    let bytes = secret.expose().as_bytes();
    if bytes.len() < HS256_SECRET_BYTES_MIN {
        return Err(MintError::ShortSecret);
    }
    let issued = unix_seconds(now).floor();
    let claims = Claims {
        iss: request.issuer.to_owned(),
        aud: Audience::One(request.audience.to_owned()),
        sub: request.subject.to_owned(),
        exp: issued + request.ttl.as_secs_f64().floor(),
        nbf: None,
        iat: Some(issued),
        roles: request.roles.iter().map(ToString::to_string).collect(),
        role: None,
    };
    let key = EncodingKey::from_secret(bytes);
    encode(&Header::new(Algorithm::HS256), &claims, &key).map_err(MintError::Sign)
}

impl FromRequest for Principal {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let authenticator = req.app_data::<web::Data<Authenticator>>().cloned();
        let token = bearer(req);
        Box::pin(async move {
            let Some(authenticator) = authenticator else {
                let missing = std::io::Error::other("web::Data<Authenticator> is missing");
                return Err(Problem::internal(&missing));
            };
            // Who it is stands in the log under an id; a subject is often an address and stays out of spans.
            authenticator.verify(&token?).await
        })
    }
}

fn bearer(req: &HttpRequest) -> Result<String, Problem> {
    let absent = || {
        Problem::unauthorized(
            None,
            "Send the header Authorization: Bearer, followed by a token or an API key.",
        )
    };
    let value = req
        .headers()
        .get(header::AUTHORIZATION)
        .ok_or_else(absent)?;
    let (scheme, token) = value
        .to_str()
        .ok()
        .and_then(|text| text.split_once(' '))
        .ok_or_else(absent)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(token.trim().to_owned())
    } else {
        Err(absent())
    }
}
