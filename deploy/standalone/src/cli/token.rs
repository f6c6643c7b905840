//! `tidings token`: a token for curl and for programs.

use std::time::Duration;

use clap::Args;
use serde_json::json;
use tidings_service::Clock;
use tidings_service::auth::{Role, TokenRequest, mint};
use tidings_service::config::{AuthConfig, Secret};
use time::OffsetDateTime;

use super::global::Global;
use super::out::instant;
use super::{CliError, Out};

/// Longest life of a token.
const TTL_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3_600);

/// Make a token that lets its bearer in
///
/// The token is signed with the secret in the data folder (jwt.secret), or the configured auth.hs256_secret. Nothing
/// else is needed: no platform has to run, but one must have been there. It cannot be called back, so give it the life it needs and no more.
#[derive(Args, Debug)]
#[command(after_help = "\
Roles:
  editor      writes and sends publications, imports subscribers
  operator    configures channels, looks after views
  compliance  sees what is known of a subscriber
  service     another program that signs up subscribers and publishes
  admin       may do everything

Example:
  export TOKEN=$(tidings token --role editor --subject amy --ttl 8h)
  curl -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:8080/api/v1/publications")]
pub(super) struct Token {
    /// What the bearer may do; may be given several times
    #[arg(long, required = true, value_parser = role)]
    role: Vec<Role>,
    /// Who it is for: the log names them by an id, of which the platform knows whose it is
    #[arg(long, default_value = "cli", value_parser = subject)]
    subject: String,
    /// How long it is valid: a number and s, m, h or d
    #[arg(long, default_value = "30d", value_parser = ttl)]
    ttl: Duration,
}

impl Token {
    pub(super) fn run(self, global: &Global, out: &Out) -> Result<(), CliError> {
        let config = global.signing()?;
        let now = Clock::system().now();
        let token = make(&config.auth, &self.subject, &self.role, self.ttl, now)?;
        out.say(&token);
        let expires_at = instant(now + self.ttl);
        out.result(&json!({
            "token": token,
            "subject": self.subject,
            "roles": self.role,
            "expires_at": expires_at,
        }));
        Ok(())
    }
}

/// A token under the configured secret, which [`super::Session`] has filled in.
pub(crate) fn make(
    auth: &AuthConfig,
    subject: &str,
    roles: &[Role],
    ttl: Duration,
    now: OffsetDateTime,
) -> Result<String, CliError> {
    let none = Secret::new("");
    let request = TokenRequest {
        subject,
        roles,
        ttl,
        issuer: &auth.issuer,
        audience: &auth.audience,
    };
    Ok(mint(
        auth.hs256_secret.as_ref().unwrap_or(&none),
        &request,
        now,
    )?)
}

pub(super) fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| {
        let names: Vec<&str> = Role::ALL.into_iter().map(Role::as_str).collect();
        format!("it must be one of {}", names.join(", "))
    })
}

fn subject(text: &str) -> Result<String, String> {
    let fine = (1..=255).contains(&text.len()) && !text.chars().any(char::is_control);
    fine.then(|| text.to_owned())
        .ok_or_else(|| "it must have 1 to 255 bytes of plain text".to_owned())
}

pub(super) fn ttl(text: &str) -> Result<Duration, String> {
    let wrong =
        || "it must be a number and s, m, h or d, such as 30d, and at most 3660d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 24 * 3_600,
        _ => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    let ttl = number
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(wrong)?;
    (!ttl.is_zero() && ttl <= TTL_MAX)
        .then_some(ttl)
        .ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_are_read_with_their_unit() {
        assert_eq!(ttl("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(ttl("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(ttl("30d"), Ok(Duration::from_secs(30 * 86_400)));
        for wrong in [
            "",
            "d",
            "30",
            "0s",
            "-1d",
            "3 d",
            "5000d",
            "99999999999999999999d",
            "1é",
        ] {
            assert!(ttl(wrong).is_err(), "{wrong}");
        }
    }
}
