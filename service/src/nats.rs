//! The NATS connection: named, patient, and loud about what happens to it.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, ServerAddr};
use reqwest::Url;

use crate::config::Secret;

const PING_INTERVAL: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(2);

/// A NATS URL that cannot be used, or a client that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// The URL is malformed. It may hold a password, so it is not repeated here.
    #[error(
        "the NATS URL is not of the form nats://[user:password@|token@]host[:port][,…]: correct it"
    )]
    Url,
    /// The server's name is malformed.
    #[error("the NATS server's address cannot be used")]
    Address(#[source] std::io::Error),
    /// The client cannot start.
    #[error("the NATS client cannot start")]
    Connect(#[source] async_nats::ConnectError),
}

/// Connects as `name`, and goes on trying for ever: at the start too, since the log works without NATS. Whether it is
/// connected, `client.connection_state()` tells.
///
/// # Errors
/// When the URL is malformed.
pub async fn connect(url: &Secret, name: &str) -> Result<Client, NatsError> {
    let (servers, options) = parse(url)?;
    options
        .name(name)
        .max_reconnects(None)
        .retry_on_initial_connect()
        .connection_timeout(CONNECT_TIMEOUT)
        .ping_interval(PING_INTERVAL)
        .reconnect_delay_callback(|attempts| {
            let doublings = u32::try_from(attempts.min(10)).unwrap_or(10);
            Duration::from_millis(2_u64.pow(doublings)).min(RECONNECT_DELAY_MAX)
        })
        .event_callback(|event| async move { log(&event) })
        .connect(servers)
        .await
        .map_err(NatsError::Connect)
}

/// Ready if the connection stands; for [`crate::health::Health::check`].
///
/// # Errors
/// Says that it does not.
pub fn ready(client: &Client) -> Result<(), String> {
    match client.connection_state() {
        async_nats::connection::State::Connected => Ok(()),
        _ => Err("not connected; trying again".to_owned()),
    }
}

fn log(event: &Event) {
    match event {
        Event::Connected => tracing::info!("connected to NATS"),
        Event::Draining | Event::Closed => tracing::info!(%event, "NATS"),
        _ => tracing::warn!(%event, "NATS"),
    }
}

/// Servers without credentials, and options with the first server's: a lone user name is a token, as in other clients.
fn parse(url: &Secret) -> Result<(Vec<ServerAddr>, ConnectOptions), NatsError> {
    let mut servers = Vec::new();
    let mut options = ConnectOptions::new();
    for part in url.expose().split(',').map(str::trim) {
        let text = if part.contains("://") {
            part.to_owned()
        } else {
            format!("nats://{part}")
        };
        let mut url = Url::parse(&text).map_err(|_| NatsError::Url)?;
        if url.host_str().is_none_or(str::is_empty) {
            return Err(NatsError::Url);
        }
        let user = decoded(url.username());
        let password = url.password().map(decoded);
        if servers.is_empty() && !user.is_empty() {
            options = match password {
                Some(password) => options.user_and_password(user, password),
                None => options.token(user),
            };
        }
        // Only fails for URLs without a host, which were refused above.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        servers.push(ServerAddr::from_url(url).map_err(NatsError::Address)?);
    }
    Ok((servers, options))
}

/// Percent-decoding, as the parts of a URL need it.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = (*first == b'%')
            .then(|| text_of(tail.get(..2)?))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn text_of(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_leave_the_url_for_the_options() {
        let (servers, options) =
            parse(&Secret::new("nats://amy:p%40ss@one:4222, tls://two")).unwrap();
        let plain: Vec<String> = servers
            .into_iter()
            .map(|s| s.into_inner().to_string())
            .collect();
        assert_eq!(plain, ["nats://one:4222", "tls://two"]);
        let shown = format!("{options:?}");
        assert!(!shown.contains("p%40ss"), "{shown}");
        assert_eq!(decoded("p%40ss%"), "p@ss%");
    }

    #[test]
    fn malformed_urls_are_refused_without_being_repeated() {
        for bad in [
            "",
            "nats://",
            "nats://:hunter2@",
            "http://host",
            "nats://host:port",
        ] {
            let error = parse(&Secret::new(bad)).err().unwrap();
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[tokio::test]
    async fn starts_without_a_server_and_says_so() {
        let client = connect(&Secret::new("nats://127.0.0.1:1"), "test")
            .await
            .unwrap();
        assert_eq!(
            ready(&client),
            Err("not connected; trying again".to_owned())
        );
    }
}
