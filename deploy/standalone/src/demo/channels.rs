//! The demo's channels: one of each kind.

use serde_json::{Value, json};

use super::DemoError;
use super::receivers::{DOMAIN, Receivers, SES_KEY, SES_REGION, WEBHOOK_SECRET};
use crate::cli::Api;

/// The channels that mail: each article goes by one of them, or its readers would get it twice.
const MAILS: [&str; 2] = ["email", "ses"];

/// The channels by name, in the order they are shown.
pub(super) struct Channels(Vec<(&'static str, String)>);

impl Channels {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// All but those that mail another way.
    pub(super) fn with(&self, mails_by: &str) -> impl Iterator<Item = &(&'static str, String)> {
        let all = self.0.iter();
        all.filter(move |(name, _)| !MAILS.contains(name) || *name == mails_by)
    }
}

/// Sets them up; those that a demo over the same data folder has set up before stay as they are.
pub(super) async fn configure(api: &Api, receivers: &Receivers) -> Result<Channels, DemoError> {
    let all = mailing(receivers).into_iter().chain(posting(receivers));
    let mut channels = Vec::new();
    for (name, body) in all {
        let key = format!("demo-channel-{name}");
        let answer = api.command("/api/v1/channels", &key, &body).await?;
        channels.push((name, answer.text("id")?.to_owned()));
    }
    Ok(Channels(channels))
}

/// By name, as the API takes them.
fn mailing(receivers: &Receivers) -> [(&'static str, Value); 2] {
    let smtp = receivers.smtp.addr();
    let from = format!("The Town Letter <letter@{DOMAIN}>");
    let list_id = format!("The Town Letter <letter.{DOMAIN}>");
    let [access_key_id, secret_access_key] = SES_KEY;
    [
        (
            "email",
            json!({
                "kind": "email",
                "name": "The Town Letter",
                "settings": {
                    "host": smtp.ip().to_string(),
                    "port": smtp.port(),
                    "encryption": "none",
                    "from": from,
                    "list_id": list_id,
                    "connections_max": 16,
                },
            }),
        ),
        (
            "ses",
            json!({
                "kind": "ses",
                "name": "The Town Letter, through Amazon SES",
                "settings": {
                    "region": SES_REGION,
                    "endpoint": receivers.ses.base_url(),
                    "from": from,
                    "list_id": list_id,
                },
                "credentials": {
                    "access_key_id": access_key_id,
                    "secret_access_key": secret_access_key,
                },
            }),
        ),
    ]
}

fn posting(receivers: &Receivers) -> [(&'static str, Value); 4] {
    [
        (
            "slack",
            json!({
                "kind": "slack",
                "name": "Slack #town",
                "settings": { "channel_label": "#town" },
                "credentials": { "webhook_url": receivers.slack.url("town") },
            }),
        ),
        (
            "discord",
            json!({
                "kind": "discord",
                "name": "Discord #town",
                "settings": { "channel_label": "#town" },
                "credentials": { "webhook_url": receivers.discord.url("town") },
            }),
        ),
        (
            "webhook",
            json!({
                "kind": "webhook",
                "name": "The library's screen",
                "settings": { "url": receivers.webhook.url("screen") },
                "credentials": { "secret": WEBHOOK_SECRET },
            }),
        ),
        (
            "file",
            json!({ "kind": "file", "name": "Archive", "settings": { "folder": "archive" } }),
        ),
    ]
}
