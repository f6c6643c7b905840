//! From merged settings to typed, checked values.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use reqwest::Url;

use super::layers::Layers;
use super::master_key::words;
use super::{
    AuthConfig, Config, ConfigError, DatabaseConfig, DispatcherConfig, EngagementConfig,
    HS256_SECRET_BYTES_MIN, Hooks, HttpConfig, JwksConfig, JwksSource, LimitsConfig, LogFormat,
    MailConfig, MasterKey, MasterKeyCommand, MasterKeySource, NoticesConfig, OutboundConfig,
    OwnDataConfig, PublicUrl, Secret, SesConfig, SignUpConfig, TelemetryConfig, TopicArn,
    WitnessConfig,
};
use crate::auth::KEY_ISSUER;

/// All settings, or the first that is wrong.
pub(super) fn config(layers: &Layers, hooks: Hooks) -> Result<Config, ConfigError> {
    let secret = |key| layers.text(key).map(Secret::new);
    Ok(Config {
        listen: required(layers, "listen", |text| text.parse().ok(), LISTEN)?,
        public_url: optional(layers, "public_url", PublicUrl::parse, PUBLIC_URL)?,
        data: required(
            layers,
            "data",
            |text| Some(text.into()),
            "must name a folder",
        )?,
        database_url: secret("database_url"),
        nats_url: secret("nats_url"),
        nats_subject_prefix: required(layers, "nats_subject_prefix", subject_token, PREFIX)?,
        master_key: master_key(layers)?,
        http: HttpConfig {
            body_limit_bytes: size(layers, "http.body_limit_bytes", 1_024, 16 << 20)?,
            import_limit_bytes: size(layers, "http.import_limit_bytes", 1_024, 1 << 30)?,
            body_timeout: millis(layers, "http.body_timeout_ms", 100)?,
        },
        limits: limits(layers)?,
        auth: auth(layers)?,
        database: database(layers)?,
        mail: MailConfig {
            hello_name: layers.text("mail.hello_name").map(str::to_owned),
            inbound_maildir: layers.text("mail.inbound_maildir").map(Into::into),
            dns_server: optional(layers, "mail.dns_server", dns_server, DNS_SERVER)?,
        },
        notices: NoticesConfig {
            organisation: layers.text("notices.organisation").map(str::to_owned),
            channel: optional(layers, "notices.channel", |text| text.parse().ok(), CHANNEL)?,
        },
        sign_up: SignUpConfig {
            consent: layers.text("sign_up.consent").map(str::to_owned),
            consent_version: required(
                layers,
                "sign_up.consent_version",
                some_text,
                "must not be empty",
            )?,
            return_pages: optional(layers, "sign_up.return_pages", pages, PAGES)?
                .unwrap_or_default(),
        },
        own_data: OwnDataConfig {
            contact: optional(layers, "own_data.contact", contact, CONTACT)?,
        },
        engagement: EngagementConfig {
            keep_months: layers.number("engagement.keep_months", 1, 120)?,
        },
        ses: SesConfig {
            topics: optional(layers, "ses.topics", TopicArn::parse_all, TOPICS)?
                .unwrap_or_default(),
        },
        dispatcher: dispatcher(layers)?,
        outbound: OutboundConfig {
            timeout: millis(layers, "outbound.timeout_ms", 100)?,
            connect_timeout: millis(layers, "outbound.connect_timeout_ms", 100)?,
            allow_loopback: layers.switch("outbound.allow_loopback"),
            allow_private: layers.switch("outbound.allow_private"),
        },
        witness: WitnessConfig {
            folder: layers.text("witness.folder").map(Into::into),
        },
        telemetry: telemetry(layers)?,
        hooks,
    })
}

const LISTEN: &str = "must be an address and a port, such as 127.0.0.1:8080";
const PUBLIC_URL: &str = "must be an https:// URL without user, query or fragment, such as https://news.example.org; \
     http:// is for this machine and private networks only";
const PREFIX: &str = "must be 1 to 64 letters, digits, - or _";
const TOPICS: &str = "must be ARNs of standard Amazon SNS topics, such as \
     arn:aws:sns:eu-west-1:123456789012:mail-events, with commas between them";
const CHANNEL: &str = "must be the id of a channel, as `tidings channels list` shows it";
const PAGES: &str = "must be http:// or https:// URLs, with commas between them";
const CONTACT: &str = "must be one line of at most 300 characters, such as privacy@example.org";
const DNS_SERVER: &str =
    "must be an address such as 192.0.2.53, perhaps with a port: 192.0.2.53:5353";
const HTTP_URL: &str = "must be an http:// or https:// URL";

/// One source at most is configured; the data folder is what is left.
fn master_key(layers: &Layers) -> Result<MasterKeySource, ConfigError> {
    let keys = ["master_key", "master_key_file", "master_key_command"];
    let set: Vec<&str> = keys
        .into_iter()
        .filter(|key| layers.text(key).is_some())
        .collect();
    if let [one, other, ..] = set[..] {
        return Err(layers.invalid(other, &format!("is set beside {one}: keep one")));
    }
    let stdin = layers.text("master_key_command_stdin").map(PathBuf::from);
    let timeout = millis(layers, "master_key_command_timeout_ms", 100)?;
    if stdin.is_some() && set != ["master_key_command"] {
        let alone = "is set without master_key_command";
        return Err(layers.invalid("master_key_command_stdin", alone));
    }
    if let Some(text) = layers.text("master_key") {
        let make = "make a key with `openssl rand -base64 32`";
        return MasterKey::read_all(text)
            .map(MasterKeySource::Setting)
            .map_err(|problem| layers.invalid("master_key", &format!("{problem}: {make}")));
    }
    if let Some(path) = layers.text("master_key_file") {
        return Ok(MasterKeySource::File(path.into()));
    }
    let command = "must be a program and its arguments, every quote closed";
    Ok(
        optional(layers, "master_key_command", words, command)?.map_or(
            MasterKeySource::DataFolder,
            |words| {
                MasterKeySource::Command(MasterKeyCommand {
                    words,
                    stdin,
                    timeout,
                })
            },
        ),
    )
}

fn limits(layers: &Layers) -> Result<LimitsConfig, ConfigError> {
    let per_minute = |key| layers.number(key, 0, 1_000_000);
    Ok(LimitsConfig {
        api_per_minute: per_minute("rate_limits.api_per_minute")?,
        sign_up_per_minute: per_minute("rate_limits.sign_up_per_minute")?,
        links_per_minute: per_minute("rate_limits.links_per_minute")?,
        proxies: size(layers, "http.proxies", 0, 10)?,
    })
}

fn auth(layers: &Layers) -> Result<AuthConfig, ConfigError> {
    let issuer: String = required(layers, "auth.issuer", some_text, "must not be empty")?;
    if issuer == KEY_ISSUER {
        return Err(layers.invalid("auth.issuer", "is what API keys are known by"));
    }
    let secret = |text: &str| (text.len() >= HS256_SECRET_BYTES_MIN).then(|| Secret::new(text));
    Ok(AuthConfig {
        hs256_secret: optional(
            layers,
            "auth.hs256_secret",
            secret,
            "must be at least 32 bytes long; make one with `openssl rand -base64 48`",
        )?,
        audience: required(layers, "auth.audience", some_text, "must not be empty")?,
        jwks: jwks(layers, &issuer)?,
        issuer,
        leeway: seconds(layers, "auth.leeway_s", 0, 30)?,
    })
}

fn jwks(layers: &Layers, own_issuer: &str) -> Result<Option<JwksConfig>, ConfigError> {
    let url = optional(layers, "auth.jwks_url", http_url, HTTP_URL)?;
    let source = match (url, layers.text("auth.jwks_file")) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            return Err(layers.invalid("auth.jwks_file", "is set beside auth.jwks_url: keep one"));
        }
        (Some(url), None) => JwksSource::Url(url),
        (None, Some(file)) => JwksSource::File(file.into()),
    };
    let issuer: String = required(
        layers,
        "auth.jwks_issuer",
        some_text,
        "is not set: give the `iss` of your identity provider's tokens",
    )?;
    if issuer == KEY_ISSUER {
        return Err(layers.invalid("auth.jwks_issuer", "is what API keys are known by"));
    }
    if issuer == own_issuer {
        return Err(layers.invalid("auth.jwks_issuer", "must differ from auth.issuer"));
    }
    Ok(Some(JwksConfig { source, issuer }))
}

fn database(layers: &Layers) -> Result<DatabaseConfig, ConfigError> {
    let statement_timeout = millis(layers, "database.statement_timeout_ms", 0)?;
    Ok(DatabaseConfig {
        pool_size_max: size(layers, "database.pool_size_max", 2, 1_000)?,
        statement_timeout: (!statement_timeout.is_zero()).then_some(statement_timeout),
    })
}

fn dispatcher(layers: &Layers) -> Result<DispatcherConfig, ConfigError> {
    Ok(DispatcherConfig {
        open_attempts_max: size(layers, "dispatcher.open_attempts_max", 1, 10_000)?,
        plan_ahead_max: layers
            .number("dispatcher.plan_ahead_max", 1, 1_000_000)?
            .into(),
        attempt_fresh: seconds(layers, "dispatcher.attempt_fresh_s", 1, 600)?,
        email_deadline: seconds(layers, "dispatcher.email_deadline_s", 1, 86_400)?,
        http_deadline: seconds(layers, "dispatcher.http_deadline_s", 1, 86_400)?,
        freeze_within: seconds(layers, "dispatcher.freeze_within_s", 1, 3_600)?,
    })
}

fn telemetry(layers: &Layers) -> Result<TelemetryConfig, ConfigError> {
    let format = |text: &str| match text {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    };
    let log_format = "telemetry.log_format";
    let endpoint = "telemetry.otlp_endpoint";
    Ok(TelemetryConfig {
        log_format: required(layers, log_format, format, "must be \"text\" or \"json\"")?,
        log_filter: layers.text("telemetry.log_filter").map(str::to_owned),
        otlp_endpoint: optional(layers, endpoint, http_url, HTTP_URL)?,
    })
}

fn dns_server(text: &str) -> Option<SocketAddr> {
    let address = text.parse::<IpAddr>().map(|it| SocketAddr::new(it, 53));
    address.or_else(|_| text.parse()).ok()
}

fn optional<T>(
    layers: &Layers,
    key: &str,
    parse: impl FnOnce(&str) -> Option<T>,
    problem: &str,
) -> Result<Option<T>, ConfigError> {
    layers
        .text(key)
        .map(|text| parse(text).ok_or_else(|| layers.invalid(key, problem)))
        .transpose()
}

fn required<T>(
    layers: &Layers,
    key: &str,
    parse: impl FnOnce(&str) -> Option<T>,
    problem: &str,
) -> Result<T, ConfigError> {
    optional(layers, key, parse, problem)?.ok_or_else(|| layers.invalid(key, problem))
}

fn size(layers: &Layers, key: &str, least: u32, most: u32) -> Result<usize, ConfigError> {
    let n = layers.number(key, least, most)?;
    Ok(usize::try_from(n).expect("32 bits fit"))
}

/// Milliseconds at `key`, at most an hour.
fn millis(layers: &Layers, key: &str, least: u32) -> Result<Duration, ConfigError> {
    let n = layers.number(key, least, 3_600_000)?;
    Ok(Duration::from_millis(n.into()))
}

fn seconds(layers: &Layers, key: &str, least: u32, most: u32) -> Result<Duration, ConfigError> {
    let n = layers.number(key, least, most)?;
    Ok(Duration::from_secs(n.into()))
}

fn some_text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn subject_token(text: &str) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (text.len() <= 64 && text.bytes().all(allowed)).then(|| text.to_owned())
}

/// As they were written: they are compared with what a form says.
fn pages(text: &str) -> Option<Vec<String>> {
    let pages = text.split(',').map(str::trim);
    pages
        .map(|page| http_url(page).map(|_| page.to_owned()))
        .collect()
}

/// Words for people.
fn contact(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = (1..=300).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

fn http_url(text: &str) -> Option<Url> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}
