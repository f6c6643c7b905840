//! `tidings channels`: the ways out, how they are, and what an operator does about them.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tidings_service::auth::Role;
use tidings_service::parse_instant;
use uuid::Uuid;

use super::caller::with_api;
use super::global::{Global, Logs};
use super::{Api, CliError, Out};

/// See how the channels are, try them, turn them on and off
#[derive(Debug, Subcommand)]
pub(super) enum Channels {
    List(List),
    Health(Health),
    Test(Test),
    Enable(Enable),
    Disable(Disable),
    Replay(Replay),
}

/// List every channel, and whether it works
///
/// Of each channel: its kind, how it is (ok, slowed, failing, waiting, held, unusable, disabled), how many deliveries wait for it, when it
/// last sent something, and which part failed of what was tried in the last day.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  tidings channels list --data /srv/tidings")]
pub(super) struct List {}

/// Show how one channel is
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  tidings channels health 019b7cba-7a2e-8000-9c5e-0d8f6f2f3b11")]
pub(super) struct Health {
    /// The channel's id
    #[arg(value_parser = id)]
    id: Uuid,
}

/// Send one message through a channel, now
///
/// Whether it is enabled or not. A message to a broadcast channel can be read by everybody there. Exits with 1 when the
/// receiving side did not take it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidings channels test 019b7cba-7a2e-8000-9c5e-0d8f6f2f3b11 --to me@example.org
  tidings channels test 019b7cba-7a2e-8000-9c5e-0d8f6f2f3b12        a Slack channel, say")]
pub(super) struct Test {
    /// The channel's id
    #[arg(value_parser = id)]
    id: Uuid,
    /// The address, for a channel with single receivers
    #[arg(long, value_name = "ADDRESS")]
    to: Option<String>,
}

/// Let a channel send again
///
/// What waits for it goes out, at once: also when its circuit was open.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  tidings channels enable 019b7cba-7a2e-8000-9c5e-0d8f6f2f3b11")]
pub(super) struct Enable {
    /// The channel's id
    #[arg(value_parser = id)]
    id: Uuid,
}

/// Let a channel send nothing
///
/// Its deliveries wait until it is enabled.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  tidings channels disable 019b7cba-7a2e-8000-9c5e-0d8f6f2f3b11 --reason maintenance")]
pub(super) struct Disable {
    /// The channel's id
    #[arg(value_parser = id)]
    id: Uuid,
    /// Why: a short code in lower case with underscores
    #[arg(long, default_value = "requested")]
    reason: String,
}

/// Send a webhook again what it has not taken
///
/// Whatever failed, or is in doubt, of what was published in a span of time. Each message keeps its webhook-id, so that
/// who has it already can tell. What was sent is not sent again.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  tidings channels replay 019b7cba-7a2e-8000-9c5e-0d8f6f2f3b11 --from 2026-11-25T08:00:00Z --to 2026-11-25T12:00:00Z")]
pub(super) struct Replay {
    /// The channel's id
    #[arg(value_parser = id)]
    id: Uuid,
    /// What was published from this instant on
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    from: String,
    /// And before this one; until now, if it is left out
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    to: Option<String>,
}

fn instant(text: &str) -> Result<String, String> {
    match parse_instant(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("it must be an instant such as 2026-11-25T08:00:00Z".to_owned()),
    }
}

pub(super) fn id(text: &str) -> Result<Uuid, String> {
    Uuid::parse_str(text).map_err(|_| {
        "it must be the id of a channel, as `tidings channels list` shows it".to_owned()
    })
}

impl Channels {
    pub(super) async fn run(self, global: &Global, out: Out) -> Result<ExitCode, CliError> {
        let session = global.existing()?;
        let telemetry = session.telemetry(Logs::Quiet)?;
        let key = session.ground.ids.next().to_string();
        let work = async |api: Api| match self {
            Self::List(List {}) => list(&api, out).await,
            Self::Health(Health { id }) => health(&api, id, out).await,
            Self::Test(Test { id, to }) => test(&api, id, to, &key, out).await,
            Self::Enable(Enable { id }) => enable(&api, id, &key, out).await,
            Self::Disable(Disable { id, reason }) => {
                turn(&api, id, "disable", &json!({ "reason": reason }), &key, out).await
            }
            Self::Replay(Replay { id, from, to }) => replay(&api, id, from, to, &key, out).await,
        };
        let done = with_api(&session, Role::Operator, work).await;
        telemetry.shutdown().await;
        done
    }
}

async fn list(api: &Api, out: Out) -> Result<ExitCode, CliError> {
    let mut shown = Vec::new();
    let mut path = "/api/v1/channels?limit=100".to_owned();
    loop {
        let page = api.get(&path).await?.body;
        for channel in page["items"].as_array().into_iter().flatten() {
            let id = channel["id"].as_str().unwrap_or_default();
            let health = api.get(&format!("/api/v1/channels/{id}/health")).await?;
            let mut channel = channel.clone();
            channel["health"] = health.body;
            shown.push(channel);
        }
        match page["next"].as_str() {
            Some(next) => path = format!("/api/v1/channels?limit=100&cursor={next}"),
            None => break,
        }
    }
    out.say(table(&shown));
    out.result(&json!({ "items": shown }));
    Ok(ExitCode::SUCCESS)
}

fn table(channels: &[Value]) -> String {
    if channels.is_empty() {
        return "There is no channel yet: POST /api/v1/channels makes one.".to_owned();
    }
    let mut lines = vec![format!(
        "{:36}  {:8} {:9} {:>8} {:>7}  {:20}  name",
        "channel", "kind", "state", "waiting", "failed", "last success"
    )];
    for channel in channels {
        let health = &channel["health"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let failed = health["failure_rate"].as_f64();
        lines.push(format!(
            "{:36}  {:8} {:9} {:>8} {:>7}  {:20}  {}",
            text(&channel["id"]),
            text(&channel["kind"]),
            text(&health["state"]),
            health["waiting"].as_i64().unwrap_or_default(),
            failed.map_or_else(|| "-".to_owned(), |rate| format!("{:.1} %", 100.0 * rate)),
            health["last_success_at"].as_str().map_or("never", seconds),
            text(&channel["name"]),
        ));
        lines.extend(health["explanation"].as_str().map(|why| format!("  {why}")));
    }
    lines.join("\n")
}

/// An instant without its fraction.
pub(super) fn seconds(instant: &str) -> &str {
    instant
        .split_once('.')
        .map_or(instant, |(seconds, _)| seconds)
}

async fn health(api: &Api, id: Uuid, out: Out) -> Result<ExitCode, CliError> {
    let health = api
        .get(&format!("/api/v1/channels/{id}/health"))
        .await?
        .body;
    for (name, value) in health.as_object().into_iter().flatten() {
        match value {
            Value::Null => {}
            Value::String(text) => out.say(format!("{name:16}  {text}")),
            value => out.say(format!("{name:16}  {value}")),
        }
    }
    out.result(&health);
    Ok(ExitCode::SUCCESS)
}

async fn test(
    api: &Api,
    id: Uuid,
    to: Option<String>,
    key: &str,
    out: Out,
) -> Result<ExitCode, CliError> {
    let path = format!("/api/v1/channels/{id}/test");
    let tested = api.command(&path, key, &json!({ "to": to })).await?.body;
    let text = |name: &str| tested[name].as_str().unwrap_or_default().to_owned();
    let code = tested["code"].as_i64().unwrap_or_default();
    let answer = match code {
        0 => text("reply"),
        code => format!("{code} {}", text("reply")),
    };
    // A server of an earlier version has no words for it.
    let why = tested["explanation"].as_str().or(tested["reason"].as_str());
    let reason = why.map(|why| format!(" ({why})"));
    out.say(format!(
        "{}{}: {answer}",
        text("outcome"),
        reason.unwrap_or_default()
    ));
    out.result(&tested);
    Ok(match tested["outcome"] == json!("sent") {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

async fn enable(api: &Api, id: Uuid, key: &str, out: Out) -> Result<ExitCode, CliError> {
    let done = turn(api, id, "enable", &json!({}), key, out).await?;
    // It is enabled, also where this can not be had.
    if let Ok(health) = api.get_once(&format!("/api/v1/channels/{id}/health")).await
        && let Some("unusable" | "held") = health.body["state"].as_str()
    {
        out.say(health.body["explanation"].as_str().unwrap_or_default());
    }
    Ok(done)
}

async fn turn(
    api: &Api,
    id: Uuid,
    verb: &str,
    body: &Value,
    key: &str,
    out: Out,
) -> Result<ExitCode, CliError> {
    let changed = api
        .command(&format!("/api/v1/channels/{id}/{verb}"), key, body)
        .await?;
    out.say(format!("{verb}d"));
    out.result(&changed.body);
    Ok(ExitCode::SUCCESS)
}

async fn replay(
    api: &Api,
    id: Uuid,
    from: String,
    to: Option<String>,
    key: &str,
    out: Out,
) -> Result<ExitCode, CliError> {
    let path = format!("/api/v1/channels/{id}/replay");
    let (mut requested, mut passed_over) = (Vec::new(), Vec::new());
    let mut span = json!({ "from": from, "to": to });
    loop {
        // Each part of the span is a request of its own.
        let key = format!("{key}-{}", requested.len() + passed_over.len());
        let mut part = api.command(&path, &key, &span).await?.body;
        let mut take = |name: &str, all: &mut Vec<Value>| {
            let more = part[name].as_array_mut().map(std::mem::take);
            all.extend(more.unwrap_or_default());
        };
        take("requested", &mut requested);
        take("passed_over", &mut passed_over);
        match part["next"].as_str() {
            // Too many at one instant would lead back to where it was.
            Some(next) if span["from"] == *next => {
                out.say(format!(
                    "More was published at {next} than one request takes: the rest of it, and what came after, is not \
                     sent again."
                ));
                break;
            }
            Some(next) => span = json!({ "from": next, "to": part["to"] }),
            None => break,
        }
    }
    for publication in &passed_over {
        let text = |name: &str| publication[name].as_str().unwrap_or_default();
        out.say(format!("{}  {}", text("publication_id"), text("detail")));
    }
    out.say(format!("{} are to be sent again", requested.len()));
    out.result(&json!({ "requested": requested, "passed_over": passed_over }));
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_sees_at_a_glance_what_does_not_work() {
        let channel = |kind: &str, health: Value| json!({ "id": Uuid::nil(), "kind": kind, "name": format!("The {kind}"), "health": health });
        let ok = json!({
            "state": "ok", "waiting": 0, "failure_rate": 0.0123, "last_success_at": "2026-03-02T09:00:00.123456Z",
        });
        let waiting = json!({
            "state": "waiting", "waiting": 1_200, "failure_rate": null, "last_success_at": null,
            "explanation": "No message gets through (the receiving side can not be connected to); deliveries wait.",
        });
        let shown = table(&[channel("email", ok), channel("slack", waiting)]);
        insta::assert_snapshot!(format!("{shown}\n----\n{}", table(&[])));
    }
}
