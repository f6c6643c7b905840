//! `tidings senders`: whether receivers can tell that mails come from whom they say.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;
use tidings_domain::value::Slug;
use tidings_service::auth::Role;
use uuid::Uuid;

use super::caller::with_api;
use super::channels::id;
use super::global::{Global, Logs};
use super::{Api, CliError, Out};

/// See whether receivers will believe your mails
#[derive(Debug, Subcommand)]
pub(super) enum Senders {
    Check(Check),
}

/// Check the DNS of a channel that sends mail
///
/// SPF, DKIM, DMARC, and a mail server for what comes back: what stands in the DNS (as the machine the platform runs on
/// sees it, or the server of the setting mail.dns_server), what it means, and the record that would be right. Exits with 1 when something is to be mended.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tidings senders check 019b7cba-7a2e-8000-9c5e-0d8f6f2f3b11
  tidings senders check 019b7cba-7a2e-8000-9c5e-0d8f6f2f3b11 --topic markets")]
pub(super) struct Check {
    /// The channel's id
    #[arg(value_name = "CHANNEL", value_parser = id)]
    channel: Uuid,
    /// The slug of a topic: its mails are checked, which come from its `from` if it has one
    #[arg(long, value_name = "SLUG", value_parser = slug)]
    topic: Option<String>,
}

/// As the API takes it, so that nothing else ends up in a URL.
fn slug(text: &str) -> Result<String, String> {
    let slug = Slug::parse(text).map_err(|invalid| invalid.detail)?;
    Ok(slug.to_string())
}

impl Senders {
    pub(super) async fn run(self, global: &Global, out: Out) -> Result<ExitCode, CliError> {
        let Self::Check(Check { channel, topic }) = self;
        let session = global.existing()?;
        let telemetry = session.telemetry(Logs::Quiet)?;
        let about = topic.map_or_else(String::new, |slug| format!("?topic={slug}"));
        let path = format!("/api/v1/channels/{channel}/dns{about}");
        let work = async |api: Api| check(&api, &path, out).await;
        let done = with_api(&session, Role::Operator, work).await;
        telemetry.shutdown().await;
        done
    }
}

async fn check(api: &Api, path: &str, out: Out) -> Result<ExitCode, CliError> {
    // Asked once: a DNS that gives no answer is an answer.
    let report = api.get_once(path).await?.body;
    out.say(told(&report));
    out.result(&report);
    Ok(match report["fine"].as_bool() {
        Some(true) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn told(report: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines = Vec::new();
    for check in report["checks"].as_array().into_iter().flatten() {
        let (name, state) = (text(&check["name"]), text(&check["state"]));
        lines.push(format!(
            "{name:6} {state:8} {}",
            text(&check["record_name"])
        ));
        lines.push(format!("  {}", text(&check["explanation"])));
        let found = check["found"].as_array().into_iter().flatten();
        lines.extend(found.map(|found| format!("  found: {}", text(found))));
        if let Some(wanted) = check["wanted"].as_object() {
            let [name, kind, value] = ["name", "type", "value"].map(|key| text(&wanted[key]));
            lines.push(format!("  right: {name}  {kind}  {value}"));
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_operator_reads_what_is_wrong_and_what_would_be_right() {
        let report = json!({ "fine": false, "checks": [
            { "name": "spf", "state": "ok", "record_name": "example.org", "found": ["v=spf1 mx -all"],
              "explanation": "The SPF record lets mx.example.org send for example.org.", "wanted": null },
            { "name": "dmarc", "state": "finding", "record_name": "_dmarc.example.org", "found": [],
              "explanation": "There is no DMARC record for example.org.",
              "wanted": { "name": "_dmarc.example.org", "type": "TXT", "value": "v=DMARC1; p=none" } },
        ]});
        insta::assert_snapshot!(told(&report), @"
        spf    ok       example.org
          The SPF record lets mx.example.org send for example.org.
          found: v=spf1 mx -all
        dmarc  finding  _dmarc.example.org
          There is no DMARC record for example.org.
          right: _dmarc.example.org  TXT  v=DMARC1; p=none
        ");
    }
}
