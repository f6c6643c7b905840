//! Outgoing HTTP to addresses that someone else chose: vetted, bounded, and clear about what may have been sent.

mod address;
mod resolve;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::Duration;

use reqwest::dns::Resolve;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Url};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use crate::config::OutboundConfig;
use resolve::{Refused, System, Vetting};

/// No more of an answer is read.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// Where requests may go and how long they may take.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Whether destinations may lie on this machine.
    pub allow_loopback: bool,
    /// Whether destinations may lie in private networks.
    pub allow_private: bool,
    /// For the whole request, answer included.
    pub timeout: Duration,
    /// For name, connection and TLS; no byte of a request leaves later than this after the call.
    pub connect_timeout: Duration,
}

impl Policy {
    /// Public addresses only; 15 s in all, 4 s to connect.
    #[must_use]
    pub const fn strict() -> Self {
        Self {
            allow_loopback: false,
            allow_private: false,
            timeout: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(4),
        }
    }
}

impl From<OutboundConfig> for Policy {
    fn from(config: OutboundConfig) -> Self {
        Self {
            allow_loopback: config.allow_loopback,
            allow_private: config.allow_private,
            timeout: config.timeout,
            connect_timeout: config.connect_timeout,
        }
    }
}

/// Whether an address lies in the public internet.
#[must_use]
pub fn is_public(ip: IpAddr) -> bool {
    address::refusal(ip, &Policy::strict()).is_none()
}

/// The HTTP client for destinations that users configure. Cheap to clone. Each request has a connection of its own.
#[derive(Clone, Debug)]
pub struct Outbound {
    client: Client,
    policy: Policy,
}

/// What a destination answered.
#[derive(Clone, Debug)]
pub struct Response {
    /// HTTP status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// At most [`BODY_BYTES_MAX`] bytes.
    pub body: Vec<u8>,
    /// Whether more of the body was to come, or its end did not arrive in time.
    pub truncated: bool,
}

/// A request without an answer.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// The URL is not one we send to.
    #[error("the destination URL is not acceptable: {0}")]
    Url(&'static str),
    /// The destination lies where the policy forbids. Nothing was sent.
    #[error("the destination address {address} is not allowed: {reason}")]
    Refused {
        /// The address the host stands for.
        address: IpAddr,
        /// Why it is not allowed.
        reason: &'static str,
    },
    /// No connection: name, TCP or TLS. Nothing was sent.
    #[error("no connection to the destination")]
    Connect(#[source] reqwest::Error),
    /// The connection stood, then no answer came: the receiver may have acted on the request.
    #[error("the destination gave no answer")]
    NoAnswer(#[source] reqwest::Error),
    /// The client cannot be set up (TLS roots, say).
    #[error("the HTTP client cannot be set up")]
    Setup(#[source] reqwest::Error),
}

impl OutboundError {
    /// Whether any byte of the request may have left: if so the delivery is in doubt, if not it was not sent.
    #[must_use]
    pub fn may_have_been_sent(&self) -> bool {
        matches!(self, Self::NoAnswer(_))
    }
}

impl Outbound {
    /// A client under `policy`: no redirects, no proxy, no retries of its own.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(policy: Policy) -> Result<Self, OutboundError> {
        Self::with_names(policy, System)
    }

    /// The same, where `names` says what a name stands for.
    fn with_names(policy: Policy, names: impl Resolve + 'static) -> Result<Self, OutboundError> {
        let client = Client::builder()
            .user_agent(concat!("Tidings/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            // A server may hang up on an idle connection just when it is used again: nobody could tell then whether the
            // request was heard.
            .pool_max_idle_per_host(0)
            .referer(false)
            .timeout(policy.timeout)
            .connect_timeout(policy.connect_timeout)
            .dns_resolver(Vetting { names, policy })
            .build()
            .map_err(OutboundError::Setup)?;
        Ok(Self { client, policy })
    }

    /// The policy it was made with.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Checks a URL as far as that goes without asking for its name: scheme, no user, literal address. For use
    /// when a destination is configured, so that its author learns at once.
    ///
    /// # Errors
    /// When no request to it would ever be sent.
    pub fn vet(&self, url: &str) -> Result<Url, OutboundError> {
        let url = Url::parse(url).map_err(|_| OutboundError::Url("it cannot be parsed"))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(OutboundError::Url("it must start with http:// or https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(OutboundError::Url("it must not contain a user or password"));
        }
        // Url has turned every spelling of an address (2130706433, 0x7f.1, …) into the plain one; reqwest connects
        // to such hosts without asking the resolver.
        let host = url.host_str().unwrap_or_default();
        if let Ok(ip) = host.trim_matches(['[', ']']).parse()
            && let Some(reason) = address::refusal(ip, &self.policy)
        {
            let address = ip;
            return Err(OutboundError::Refused { address, reason });
        }
        Ok(url)
    }

    /// Posts `body` as JSON. Any status is an answer; read it from the response.
    ///
    /// # Errors
    /// When there is no answer; ask [`OutboundError::may_have_been_sent`].
    pub async fn post_json(
        &self,
        url: &str,
        body: impl Into<Vec<u8>>,
        headers: HeaderMap,
    ) -> Result<Response, OutboundError> {
        let url = self.vet(url)?;
        let request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .headers(headers)
            .body(body.into());
        answered(request).await
    }

    /// Reads what is at `url`. Any status is an answer, a redirect too; read it from the response.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&self, url: &str) -> Result<Response, OutboundError> {
        answered(self.client.get(self.vet(url)?)).await
    }
}

/// Sends a request, and reads the answer within limits.
async fn answered(request: RequestBuilder) -> Result<Response, OutboundError> {
    // A URL may hold a token (Slack, Discord): it must not reach a log through the error.
    let sent = request.send().await.map_err(reqwest::Error::without_url);
    let mut response = sent.map_err(no_answer)?;
    let (body, truncated) = read(&mut response).await;
    Ok(Response {
        status: response.status().as_u16(),
        headers: std::mem::take(response.headers_mut()),
        body,
        truncated,
    })
}

impl Response {
    /// How long the receiver asks us to wait (`Retry-After`, in seconds or as a date).
    #[must_use]
    pub fn retry_after(&self, now: OffsetDateTime) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            // More seconds than fit are a very long time all the same.
            return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
        }
        let at = OffsetDateTime::parse(text, &Rfc2822).ok()?;
        Some(Duration::try_from(at - now).unwrap_or(Duration::ZERO))
    }
}

fn no_answer(error: reqwest::Error) -> OutboundError {
    if let Some(refused) = refused(&error) {
        return OutboundError::Refused {
            address: refused.address,
            reason: refused.reason,
        };
    }
    if error.is_connect() || error.is_builder() {
        OutboundError::Connect(error)
    } else {
        OutboundError::NoAnswer(error)
    }
}

/// Our resolver's refusal, somewhere down the chain of causes.
fn refused(error: &reqwest::Error) -> Option<Refused> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref::<Refused>() {
            return Some(*refused);
        }
        cause = error.source();
    }
    None
}

/// The body as far as it comes within limits. The status has told the outcome, so a cut body is no error.
async fn read(response: &mut reqwest::Response) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return (body, false),
            Err(_) => return (body, true),
        }
        if body.len() > BODY_BYTES_MAX {
            body.truncate(BODY_BYTES_MAX);
            return (body, true);
        }
    }
}
