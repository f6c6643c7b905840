//! `tidings api-keys`: how other programs get in.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tidings_domain::value::{Code, Scope};
use tidings_service::auth::Role;
use uuid::Uuid;

use super::caller::with_api;
use super::channels::seconds;
use super::global::{Global, Logs};
use super::out::instant;
use super::token::{role, ttl};
use super::{Api, CliError, Out};

/// Give other programs API keys, give those other secrets, and revoke them
#[derive(Debug, Subcommand)]
pub(super) enum ApiKeys {
    Create(Create),
    List(List),
    Rotate(Rotate),
    Revoke(Revoke),
}

/// Make an API key and print its token, this once
///
/// Whoever has the token may do what the key may: what its scopes say, and never more than its roles. A scope is a
/// resource of the API and read or write; write does not let it read. A wrong one is answered with those there are.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidings api-keys create --name 'Web shop' --scope subscribers:write
  export TOKEN=$(tidings api-keys create --name 'Newsroom' --scope publications:write --scope publications:read \\
    --expires-in 90d)")]
pub(super) struct Create {
    /// What to call it, for ever: it stands in the log beside all the key does. A program's name, not a person's
    #[arg(long)]
    name: String,
    /// What it may do, such as publications:write; may be given several times
    #[arg(long, required = true, value_parser = scope)]
    scope: Vec<String>,
    /// What it may never go beyond; may be given several times
    #[arg(long, default_value = "service", value_parser = role)]
    role: Vec<Role>,
    /// How long it is valid: a number and s, m, h or d
    #[arg(long, default_value = "365d", value_parser = ttl)]
    expires_in: Duration,
}

/// List every API key: what it may do, until when, and when it was used last
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  tidings api-keys list")]
pub(super) struct List {}

/// Give an API key another secret and print its token, this once
///
/// The tokens of before go on for a while, so that there is time to put the new one in their place. `list` shows when one
/// of before was used last.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidings api-keys rotate 019b7cba-7a2e-8000-9c5e-0d8f6f2f3b11
  tidings api-keys rotate 019b7cba-7a2e-8000-9c5e-0d8f6f2f3b11 --overlap 0 --expires-in 365d")]
pub(super) struct Rotate {
    /// The key's id
    #[arg(value_parser = id)]
    id: Uuid,
    /// How long the tokens of before go on: a number and s, m, h or d; 0: they end now
    #[arg(long, default_value = "24h", value_parser = overlap)]
    overlap: Duration,
    /// How long the key is valid from now on; until it ended anyway, if it is left out
    #[arg(long, value_parser = ttl)]
    expires_in: Option<Duration>,
}

/// Revoke an API key, for ever
///
/// No token of it lets anybody in from a second later on.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  tidings api-keys revoke 019b7cba-7a2e-8000-9c5e-0d8f6f2f3b11 --reason leaked")]
pub(super) struct Revoke {
    /// The key's id
    #[arg(value_parser = id)]
    id: Uuid,
    /// Why: a short code in lower case with underscores
    #[arg(long, default_value = "requested", value_parser = code)]
    reason: String,
}

fn id(text: &str) -> Result<Uuid, String> {
    Uuid::parse_str(text).map_err(|_| {
        "it must be the id of an API key, as `tidings api-keys list` shows it".to_owned()
    })
}

fn scope(text: &str) -> Result<String, String> {
    let parsed = Scope::parse(text).map_err(|invalid| invalid.detail)?;
    Ok(parsed.to_string())
}

fn code(text: &str) -> Result<String, String> {
    let parsed = Code::parse(text).map_err(|invalid| invalid.detail)?;
    Ok(parsed.to_string())
}

fn overlap(text: &str) -> Result<Duration, String> {
    match text {
        "0" | "0s" => Ok(Duration::ZERO),
        text => ttl(text),
    }
}

impl ApiKeys {
    pub(super) async fn run(self, global: &Global, out: Out) -> Result<(), CliError> {
        let session = global.existing()?;
        let telemetry = session.telemetry(Logs::Quiet)?;
        let key = session.ground.ids.next().to_string();
        let after = |life: Duration| instant(session.ground.clock.now() + life);
        let work = async |api: Api| match self {
            Self::Create(it) => {
                let body = json!({
                    "name": it.name,
                    "scopes": it.scope,
                    "roles": it.role,
                    "expires_at": after(it.expires_in),
                });
                issue(&api, "/api/v1/api-keys", &key, &body, out).await
            }
            Self::List(List {}) => list(&api, out).await,
            Self::Rotate(it) => {
                let mut body = json!({ "overlap_s": it.overlap.as_secs() });
                if let Some(life) = it.expires_in {
                    body["expires_at"] = after(life).into();
                }
                let path = format!("/api/v1/api-keys/{}/rotate", it.id);
                issue(&api, &path, &key, &body, out).await
            }
            Self::Revoke(it) => {
                let path = format!("/api/v1/api-keys/{}/revoke", it.id);
                let body = json!({ "reason": it.reason });
                let changed = api.command(&path, &key, &body).await?;
                out.say("revoked");
                out.result(&changed.body);
                Ok(())
            }
        };
        let done = with_api(&session, Role::Admin, work).await;
        telemetry.shutdown().await;
        done
    }
}

/// Prints the token alone on stdout, so that it can be put where it belongs; what else is to be known goes beside it.
async fn issue(api: &Api, path: &str, key: &str, body: &Value, out: Out) -> Result<(), CliError> {
    let issued = api.command(path, key, body).await?;
    let (token, id) = (issued.text("token")?, issued.text("id")?);
    let expires_at = issued.text("expires_at")?;
    out.say(token);
    out.note(format!(
        "This is the token of the API key {id}, valid until {expires_at}. It is not shown again."
    ));
    out.result(&issued.body);
    Ok(())
}

async fn list(api: &Api, out: Out) -> Result<(), CliError> {
    let mut keys = Vec::new();
    let mut path = "/api/v1/api-keys?limit=100".to_owned();
    loop {
        let page = api.get(&path).await?.body;
        keys.extend(page["items"].as_array().cloned().unwrap_or_default());
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/api-keys?limit=100&cursor={next}"),
            None => break,
        }
    }
    out.say(table(&keys));
    out.result(&json!({ "items": keys }));
    Ok(())
}

fn table(keys: &[Value]) -> String {
    if keys.is_empty() {
        return "There is no API key yet: `tidings api-keys create` makes one.".to_owned();
    }
    let mut lines = vec![format!(
        "{:36}  {:8} {:20} {:20} name",
        "key", "state", "expires", "last used"
    )];
    for key in keys {
        let text = |name: &str| key[name].as_str().unwrap_or_default();
        let at = |name: &str| Some(seconds(key[name].as_str()?).trim_end_matches('Z'));
        lines.push(format!(
            "{:36}  {:8} {:20} {:20} {}",
            text("id"),
            text("state"),
            at("expires_at").unwrap_or_default(),
            at("last_used_at").unwrap_or("never"),
            text("name"),
        ));
        lines.push(format!(
            "  {} within {}",
            listed(&key["scopes"]),
            listed(&key["roles"])
        ));
        lines.extend(earlier(at("earlier_until"), at("earlier_secret_used_at")));
        let why = text("revoked_reason");
        lines.extend(at("revoked_at").map(|at| format!("  revoked {at} ({why})")));
    }
    lines.join("\n")
}

/// What there is to know before the tokens of before end.
fn earlier(until: Option<&str>, used_at: Option<&str>) -> Option<String> {
    let used = match used_at {
        Some(at) => format!("one was used {at}"),
        None => "none has been used since".to_owned(),
    };
    until.map(|until| format!("  rotated; tokens of before go on until {until}, {used}"))
}

fn listed(values: &Value) -> String {
    let values = values.as_array().into_iter().flatten();
    let values: Vec<&str> = values.filter_map(Value::as_str).collect();
    values.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_administrator_sees_what_each_key_may_do_and_whether_it_is_used() {
        let key = |name: &str| {
            json!({
                "id": Uuid::nil(), "name": name, "state": "active", "expires_at": "2027-03-01T00:00:00Z",
                "scopes": ["publications:write", "subscribers:write"], "roles": ["service"],
                "last_used_at": "2026-03-01T09:59:00.123Z", "earlier_until": null, "earlier_secret_used_at": null,
                "revoked_at": null, "revoked_reason": null,
            })
        };
        let fresh = json!({ "last_used_at": null });
        let rotated = json!({
            "earlier_until": "2026-03-02T10:00:00Z", "earlier_secret_used_at": "2026-03-01T09:58:00Z",
        });
        let moved = json!({ "earlier_until": "2026-03-02T10:00:00Z" });
        let revoked = json!({
            "state": "revoked", "revoked_at": "2026-03-01T10:00:00Z", "revoked_reason": "leaked",
        });
        let keys: Vec<Value> = [
            ("In use", json!({})),
            ("Fresh", fresh),
            ("Rotated", rotated),
            ("Moved", moved),
            ("Leaked", revoked),
        ]
        .into_iter()
        .map(|(name, changes)| {
            let mut key = key(name);
            for (field, value) in changes.as_object().unwrap() {
                key[field] = value.clone();
            }
            key
        })
        .collect();
        insta::assert_snapshot!(format!("{}\n----\n{}", table(&keys), table(&[])));
    }
}
