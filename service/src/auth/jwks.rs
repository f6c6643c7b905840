//! The public keys of your identity provider: read from a file or URL, cached, refreshed seldom.

use std::collections::HashMap;
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use reqwest::{Client, Url};
use tokio::sync::RwLock;

use crate::clock::{Clock, Monotonic};
use crate::config::JwksSource;
use crate::problem::chain;

/// An unknown key id asks the provider again at most this often.
const REFRESH_MIN: Duration = Duration::from_secs(60);
/// Keys older than this are read again, so that a withdrawn key stops working.
const REFRESH_MAX: Duration = Duration::from_secs(3_600);
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
const DOCUMENT_BYTES_MAX: usize = 256 * 1024;
const KEYS_MAX: usize = 64;

/// Why no keys could be read.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// The provider did not answer.
    #[error("the JWKS URL cannot be fetched")]
    Fetch(#[source] reqwest::Error),
    /// The provider answered something else than a document.
    #[error("the JWKS URL answered with status {0}")]
    Status(u16),
    /// The file cannot be read.
    #[error("the JWKS file cannot be read")]
    File(#[source] std::io::Error),
    /// The document is above the limit.
    #[error("the JWKS document is larger than {DOCUMENT_BYTES_MAX} bytes")]
    TooLarge,
    /// The document is no JWKS.
    #[error("the JWKS document is not JSON with a list `keys`")]
    Malformed(#[source] serde_json::Error),
}

#[derive(Clone)]
pub(super) struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

pub(super) struct Jwks {
    source: JwksSource,
    client: Client,
    clock: Clock,
    cache: RwLock<Cache>,
}

#[derive(Default)]
struct Cache {
    keys: HashMap<String, Key>,
    tried: Option<Monotonic>,
}

impl Jwks {
    pub(super) fn new(source: JwksSource, clock: Clock) -> Result<Self, JwksError> {
        let client = Client::builder()
            .timeout(FETCH_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(JwksError::Fetch)?;
        Ok(Self {
            source,
            client,
            clock,
            cache: RwLock::default(),
        })
    }

    /// The key called `kid`; `None` when the provider does not have it (or cannot be asked yet again).
    pub(super) async fn key(&self, kid: &str) -> Option<Key> {
        {
            let cache = self.cache.read().await;
            if !self.is_due(&cache, kid) {
                return cache.keys.get(kid).cloned();
            }
        }
        // Callers queue here while one of them fetches, then find its result.
        let mut cache = self.cache.write().await;
        if self.is_due(&cache, kid) {
            cache.tried = Some(self.clock.monotonic());
            match self.fetch().await {
                Ok(keys) => cache.keys = keys,
                Err(error) => tracing::warn!(error = %chain(&error), "keys stay as they were"),
            }
        }
        cache.keys.get(kid).cloned()
    }

    fn is_due(&self, cache: &Cache, kid: &str) -> bool {
        let Some(tried) = cache.tried else {
            return true;
        };
        let age = self.clock.age(tried);
        age >= REFRESH_MAX || (age >= REFRESH_MIN && !cache.keys.contains_key(kid))
    }

    async fn fetch(&self) -> Result<HashMap<String, Key>, JwksError> {
        let document = match &self.source {
            JwksSource::File(path) => tokio::fs::read(path).await.map_err(JwksError::File)?,
            JwksSource::Url(url) => self.download(url).await?,
        };
        if document.len() > DOCUMENT_BYTES_MAX {
            return Err(JwksError::TooLarge);
        }
        parse(&document).map_err(JwksError::Malformed)
    }

    async fn download(&self, url: &Url) -> Result<Vec<u8>, JwksError> {
        let sent = self.client.get(url.clone()).send().await;
        let mut response = sent.map_err(JwksError::Fetch)?;
        if !response.status().is_success() {
            return Err(JwksError::Status(response.status().as_u16()));
        }
        let mut document = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(JwksError::Fetch)? {
            document.extend_from_slice(&chunk);
            if document.len() > DOCUMENT_BYTES_MAX {
                return Err(JwksError::TooLarge);
            }
        }
        Ok(document)
    }
}

#[derive(serde::Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

/// The usable keys of a document; keys of other kinds stand beside them in many providers' documents and are skipped.
fn parse(document: &[u8]) -> Result<HashMap<String, Key>, serde_json::Error> {
    let document: Document = serde_json::from_slice(document)?;
    Ok(document
        .keys
        .into_iter()
        .filter_map(|key| usable(&serde_json::from_value(key).ok()?))
        .take(KEYS_MAX)
        .collect())
}

/// The key under its id, if it verifies signatures of a kind we take. The kind is the key's, never the token's.
fn usable(jwk: &Jwk) -> Option<(String, Key)> {
    let algorithm = match (&jwk.algorithm, &jwk.common.key_algorithm) {
        (AlgorithmParameters::RSA(_), None | Some(KeyAlgorithm::RS256)) => Algorithm::RS256,
        (AlgorithmParameters::OctetKeyPair(pair), None | Some(KeyAlgorithm::EdDSA))
            if pair.curve == EllipticCurve::Ed25519 =>
        {
            Algorithm::EdDSA
        }
        _ => return None,
    };
    let signs = matches!(
        jwk.common.public_key_use,
        None | Some(PublicKeyUse::Signature)
    );
    let kid = jwk.common.key_id.clone().filter(|_| signs)?;
    let key = DecodingKey::from_jwk(jwk).ok()?;
    Some((kid, Key { algorithm, key }))
}
