//! The typed settings; `defaults.toml` explains each at length.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;
use uuid::Uuid;

use super::{Hooks, MasterKeySource, PublicUrl, Secret, TopicArn};

/// Everything that can be set; `defaults.toml` explains each value.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Base of the links that go out; see [`Config::public_url_or`].
    pub public_url: Option<PublicUrl>,
    /// The folder that names the platform.
    pub data: PathBuf,
    /// Your own Postgres; `None`: a private one.
    pub database_url: Option<Secret>,
    /// Your own NATS; `None`: a private one.
    pub nats_url: Option<Secret>,
    /// First token of every subject and stream name.
    pub nats_subject_prefix: String,
    /// Where the key that wraps all others comes from.
    pub master_key: MasterKeySource,
    /// The HTTP edge.
    pub http: HttpConfig,
    /// How many requests anybody may make.
    pub limits: LimitsConfig,
    /// Who may come in.
    pub auth: AuthConfig,
    /// The connections to Postgres.
    pub database: DatabaseConfig,
    /// Outgoing mail.
    pub mail: MailConfig,
    /// What the platform itself writes.
    pub notices: NoticesConfig,
    /// The public form.
    pub sign_up: SignUpConfig,
    /// What readers may ask for about themselves.
    pub own_data: OwnDataConfig,
    /// What mails tell of their readers.
    pub engagement: EngagementConfig,
    /// What Amazon SES reports.
    pub ses: SesConfig,
    /// Delivery.
    pub dispatcher: DispatcherConfig,
    /// Outgoing HTTP.
    pub outbound: OutboundConfig,
    /// The witness of the log.
    pub witness: WitnessConfig,
    /// Logs and traces.
    pub telemetry: TelemetryConfig,
    /// What tests have told a debug build.
    pub hooks: Hooks,
}

/// Limits of the HTTP edge.
#[derive(Clone, Copy, Debug)]
pub struct HttpConfig {
    /// Largest JSON or form body.
    pub body_limit_bytes: usize,
    /// Largest uploaded import file.
    pub import_limit_bytes: usize,
    /// Time for a body to arrive.
    pub body_timeout: Duration,
}

/// How many requests are answered in a minute; 0: any number.
#[derive(Clone, Copy, Debug)]
pub struct LimitsConfig {
    /// Of one caller with a token or an API key.
    pub api_per_minute: u32,
    /// Sign-ups from one address.
    pub sign_up_per_minute: u32,
    /// Pages behind the links in mails, from one address.
    pub links_per_minute: u32,
    /// Proxies before the listener that append whom they were called by to `X-Forwarded-For`.
    pub proxies: usize,
}

/// How tokens are checked.
#[derive(Clone, Debug)]
pub struct AuthConfig {
    /// Secret of our own tokens, at least 32 bytes; `None`: a file in the data folder.
    pub hs256_secret: Option<Secret>,
    /// The `iss` of our own tokens.
    pub issuer: String,
    /// The `aud` every token must carry.
    pub audience: String,
    /// Your identity provider, if there is one.
    pub jwks: Option<JwksConfig>,
    /// Tolerated clock difference, at most 30 s.
    pub leeway: Duration,
}

/// An identity provider of yours: its keys, and the issuer its tokens name.
#[derive(Clone, Debug)]
pub struct JwksConfig {
    /// Where its public keys are.
    pub source: JwksSource,
    /// The `iss` of its tokens.
    pub issuer: String,
}

/// Where public keys are read.
#[derive(Clone, Debug)]
pub enum JwksSource {
    /// A URL.
    Url(Url),
    /// A file.
    File(PathBuf),
}

/// Connections to Postgres.
#[derive(Clone, Copy, Debug)]
pub struct DatabaseConfig {
    /// Connections in the pool.
    pub pool_size_max: usize,
    /// A longer statement is cancelled; `None`: no limit.
    pub statement_timeout: Option<Duration>,
}

/// Mail, out and in.
#[derive(Clone, Debug)]
pub struct MailConfig {
    /// Name given in EHLO; `None`: the host of the public URL.
    pub hello_name: Option<String>,
    /// A Maildir that mail to our addresses is taken out of.
    pub inbound_maildir: Option<PathBuf>,
    /// Whom the DNS of senders is asked at; `None`: where this machine asks.
    pub dns_server: Option<SocketAddr>,
}

/// What the platform itself writes to subscribers.
#[derive(Clone, Debug)]
pub struct NoticesConfig {
    /// Who writes, as they know it; `None`: the host of the public URL.
    pub organisation: Option<String>,
    /// The channel it goes out by; `None`: the first that can.
    pub channel: Option<Uuid>,
}

/// The public form by which people sign up.
#[derive(Clone, Debug)]
pub struct SignUpConfig {
    /// What they agree to; `None`: there is no form.
    pub consent: Option<String>,
    /// What this version of those words is called.
    pub consent_version: String,
    /// Where a form on somebody's own site may lead to afterwards.
    pub return_pages: Vec<String>,
}

/// What readers may ask for about themselves, without a login.
#[derive(Clone, Debug)]
pub struct OwnDataConfig {
    /// How to reach whoever answers such requests, as readers are told; `None`: nothing is handed out by a link.
    pub contact: Option<String>,
}

/// What mails tell of their readers.
#[derive(Clone, Copy, Debug)]
pub struct EngagementConfig {
    /// Whole months after that of a hit for which its evidence is kept.
    pub keep_months: u32,
}

/// What Amazon SES reports.
#[derive(Clone, Debug)]
pub struct SesConfig {
    /// The topics that reports are taken from; none: no reports are taken.
    pub topics: Vec<TopicArn>,
}

/// Limits of delivery.
#[derive(Clone, Copy, Debug)]
pub struct DispatcherConfig {
    /// Attempts open at the same time.
    pub open_attempts_max: usize,
    /// Deliveries planned ahead of the queue.
    pub plan_ahead_max: u64,
    /// An older attempt is abandoned, not sent.
    pub attempt_fresh: Duration,
    /// An e-mail attempt is in doubt after this.
    pub email_deadline: Duration,
    /// An HTTP attempt is in doubt after this.
    pub http_deadline: Duration,
    /// Reading whom a publication goes to takes no longer.
    pub freeze_within: Duration,
}

/// Limits of outgoing HTTP.
#[derive(Clone, Copy, Debug)]
pub struct OutboundConfig {
    /// For a whole request.
    pub timeout: Duration,
    /// For its connection.
    pub connect_timeout: Duration,
    /// Whether destinations may lie on this machine.
    pub allow_loopback: bool,
    /// Whether destinations may lie in private networks.
    pub allow_private: bool,
}

/// The witness of the log.
#[derive(Clone, Debug)]
pub struct WitnessConfig {
    /// The folder it is written to; `None`: one in the data folder.
    pub folder: Option<PathBuf>,
}

/// Logs and traces.
#[derive(Clone, Debug)]
pub struct TelemetryConfig {
    /// How log lines look.
    pub log_format: LogFormat,
    /// What is logged, in the syntax of `EnvFilter`; see [`crate::telemetry::LOG_FILTER`].
    pub log_filter: Option<String>,
    /// Where traces go; `None`: nowhere.
    pub otlp_endpoint: Option<Url>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}
