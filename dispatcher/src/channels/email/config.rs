//! An e-mail channel's settings and credentials, parsed.

use std::{net::IpAddr, sync::Arc, time::Duration};

use serde_json::Value;
use tidings_domain::topic::Sender as TopicSender;
use tidings_domain::value::EmailAddress;
use tidings_service::config::Secret;
use tokio_rustls::rustls::pki_types::ServerName;

use super::dkim::Dkim;
use crate::{
    channel::ConfigError,
    channels::{
        account::Limits,
        letterhead::Letterhead,
        settings::{Fields, checked},
    },
    senders::Sender,
};

/// Everything a person configures.
#[derive(Clone, Debug)]
pub(super) struct Config {
    pub(super) server: Server,
    pub(super) letterhead: Letterhead,
    /// Where reports about mails come back to, each to an address of its own: its server hands them to `/hooks/mail`.
    pub(super) return_path_domain: Option<String>,
    /// Who signs; none: mails leave unsigned.
    pub(super) dkim: Option<Arc<Dkim>>,
    /// How many connections the server takes at a time under this login, and mails in a minute.
    pub(super) limits: Limits,
}

/// Where to submit, and how.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Server {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    pub(super) login: Option<Login>,
    pub(super) timers: Timers,
}

/// How the connection is protected.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Encryption {
    /// In the clear, then upgraded, or not used at all.
    StartTls(ServerName<'static>),
    /// From the first byte.
    Tls(ServerName<'static>),
    /// In the clear.
    None,
}

/// Who we are to the server.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) username: Secret,
    pub(super) password: Secret,
}

/// How long each phase may take (RFC 5321, 4.5.3.2, shortened where nobody needs that long).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Timers {
    /// Name lookup and TCP.
    pub(super) connect: Duration,
    /// The greeting, and each reply until we are logged in; also the TLS handshake.
    pub(super) hello: Duration,
    /// Each reply to MAIL, RCPT and DATA.
    pub(super) envelope: Duration,
    /// Writing the whole message.
    pub(super) body: Duration,
    /// The reply to the final dot.
    pub(super) final_dot: Duration,
    /// The whole attempt; bounds all of the above.
    pub(super) attempt: Duration,
}

impl PartialEq for Login {
    fn eq(&self, other: &Self) -> bool {
        self.username.expose() == other.username.expose()
            && self.password.expose() == other.password.expose()
    }
}

impl Server {
    /// What all go by whom the server counts together: where it is, and who we are to it.
    pub(super) fn name(&self) -> String {
        let host = self.host.to_ascii_lowercase();
        let username = self.login.as_ref().map(|login| login.username.expose());
        format!("{host}:{}\n{}", self.port, username.unwrap_or_default())
    }
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            hello: Duration::from_secs(30),
            envelope: Duration::from_secs(60),
            body: Duration::from_secs(180),
            final_dot: Duration::from_secs(600),
            attempt: Duration::from_secs(14 * 60),
        }
    }
}

impl Timers {
    /// No phase takes longer than this.
    pub(super) fn hurry(&mut self, most: Duration) {
        for phase in [
            &mut self.connect,
            &mut self.hello,
            &mut self.envelope,
            &mut self.body,
            &mut self.final_dot,
        ] {
            *phase = most.min(*phase);
        }
    }
}

const CONNECTIONS_MAX: u16 = 64;
const MAILS_PER_MINUTE_MAX: u32 = 100_000;

impl Config {
    pub(super) fn parse(settings: &Value, credentials: Option<&str>) -> Result<Self, ConfigError> {
        let mut settings = Fields::settings(settings);
        let mut credentials = Fields::credentials(credentials);
        let login = login(&mut credentials);
        let server = server(&mut settings, login);
        let letterhead = Letterhead::read(&mut settings);
        let return_path_domain = return_path_domain(&mut settings);
        let dkim = Dkim::read(&mut settings, &mut credentials);
        let connections = settings.number("connections_max", 1, CONNECTIONS_MAX);
        let per_minute = settings.number("mails_per_minute", 1, MAILS_PER_MINUTE_MAX);
        let config = server.zip(letterhead).map(|(server, letterhead)| Self {
            server,
            letterhead,
            return_path_domain,
            dkim: dkim.map(Arc::new),
            limits: Limits {
                per_minute,
                connections: connections.map(usize::from),
            },
        });
        checked(config, [settings, credentials])
    }
}

impl Config {
    /// Who mails come from, as their receivers see it, about a topic that has these.
    pub(super) fn sender(&self, topic: &TopicSender) -> Sender {
        let from_domain = self.letterhead.domain_of_from(topic);
        Sender {
            return_path_domain: Some(
                self.return_path_domain
                    .clone()
                    .unwrap_or_else(|| from_domain.clone()),
            ),
            from_domain,
            relay: Some(self.server.host.clone()),
            signer: self.dkim.as_ref().and_then(|dkim| dkim.signer()),
        }
    }
}

fn login(credentials: &mut Fields) -> Option<Login> {
    let username = credentials.text("username");
    let password = credentials.text("password");
    match (username, password) {
        (Some(username), Some(password)) => Some(Login {
            username: Secret::new(username),
            password: Secret::new(password),
        }),
        (Some(_), None) if credentials.is_clean() => {
            credentials.problem("password", "is required beside a username");
            None
        }
        (None, Some(_)) if credentials.is_clean() => {
            credentials.problem("username", "is required beside a password");
            None
        }
        _ => None,
    }
}

fn server(settings: &mut Fields, login: Option<Login>) -> Option<Server> {
    let host = settings.required_text("host");
    let port = settings.number("port", 1, u16::MAX);
    let encryption = settings.text("encryption");
    let host = host?;
    let Ok(name) = ServerName::try_from(host.clone()) else {
        settings.problem("host", "must be a host name or an address");
        return None;
    };
    let (encryption, usual_port) = match encryption.as_deref() {
        None | Some("starttls") => (Encryption::StartTls(name), 587),
        Some("tls") => (Encryption::Tls(name), 465),
        Some("none") => (Encryption::None, 25),
        Some(_) => {
            settings.problem("encryption", "must be `starttls`, `tls` or `none`");
            return None;
        }
    };
    if matches!(encryption, Encryption::None) && login.is_some() && !is_loopback(&host) {
        settings.problem("encryption", "`none` would send the password in the clear");
    }
    Some(Server {
        host,
        port: port.unwrap_or(usual_port),
        encryption,
        login,
        timers: Timers::default(),
    })
}

/// In lower-case ASCII. It needs room for the longest local part in an address.
fn return_path_domain(settings: &mut Fields) -> Option<String> {
    let name = "return_path_domain";
    let text = settings.text(name)?;
    let longest = "b".repeat(64);
    match EmailAddress::parse(&format!("{longest}@{text}")) {
        Ok(address) => Some(address.domain().to_owned()),
        Err(_) => {
            settings.problem(name, "must be a domain such as `bounces.example.org`");
            None
        }
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}
